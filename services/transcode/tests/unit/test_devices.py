"""Which devices may be here, told from files alone."""

from pathlib import Path

import pytest
from cinelog_transcode.adapters import devices
from cinelog_transcode.adapters.devices import look, plausible_pools


def render_node(root: Path, name: str, vendor: str, *, passed_in: bool = True) -> None:
    told = root / "sys/class/drm" / name / "device" / "vendor"
    told.parent.mkdir(parents=True)
    told.write_text(f"{vendor}\n")
    if passed_in:
        (root / "dev/dri").mkdir(parents=True, exist_ok=True)
        (root / "dev/dri" / name).touch()


def details(root: Path) -> dict[str, str]:
    return {device.pool: device.detail for device in look(root, system="linux")}


def test_a_machine_without_devices_offers_the_processor_alone(tmp_path: Path) -> None:
    assert plausible_pools(tmp_path, system="linux") == ("cpu",)
    assert details(tmp_path) == {
        "nvidia": "no driver is loaded, or its device files are not passed in",
        "intel": "the kernel shows no such graphics device",
        "amd": "the kernel shows no such graphics device",
        "apple": "this is not macOS",
    }


@pytest.mark.parametrize("file", ["dev/nvidiactl", "usr/lib/wsl/lib/libcuda.so.1"])
def test_the_files_of_nvidia_s_driver_make_its_pool_plausible(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()

    assert plausible_pools(tmp_path, system="linux") == ("cpu", "nvidia")
    assert details(tmp_path)["nvidia"] == f"/{file} is there"


def test_render_nodes_belong_to_the_vendor_that_the_kernel_names(tmp_path: Path) -> None:
    render_node(tmp_path, "renderD128", "0x8086")
    render_node(tmp_path, "renderD129", "0x1002")
    (tmp_path / "sys/class/drm/renderD130").mkdir()

    assert plausible_pools(tmp_path, system="linux") == ("cpu", "intel", "amd")
    assert details(tmp_path)["amd"] == "/dev/dri/renderD129 is there"


def test_a_device_that_is_not_passed_in_says_so(tmp_path: Path) -> None:
    render_node(tmp_path, "renderD128", "0x8086", passed_in=False)

    assert plausible_pools(tmp_path, system="linux") == ("cpu",)
    assert details(tmp_path)["intel"] == "/dev/dri/renderD128 is not passed in to this process"


def test_a_device_that_may_not_be_opened_names_the_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_node(tmp_path, "renderD128", "0x1002")
    monkeypatch.setattr(devices.os, "access", lambda *_: False)

    assert plausible_pools(tmp_path, system="linux") == ("cpu",)
    assert "belongs to the group render or video" in details(tmp_path)["amd"]


def test_macos_brings_its_own_encoders(tmp_path: Path) -> None:
    assert plausible_pools(tmp_path, system="darwin") == ("cpu", "apple")
