"""The five services are built from their settings, by name."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from cinelog import composition
from cinelog.composition import SERVICES, offered_pools, standalone_services
from cinelog.settings import StandaloneSettings
from cinelog_common.settings import SettingsBase, load
from cinelog_transcode.adapters import devices


@pytest.fixture
def _a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine look as if it had a device."""
    monkeypatch.setattr(devices, "plausible_pools", lambda: ("cpu", "nvidia"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was built, and how."""
    found: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(composition, "build", lambda name, _, **words: found.append((name, words)))
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_settings_that_need_nothing_and_a_composition(name: str) -> None:
    settings = load(import_module(f"cinelog_{name}.settings").Settings)

    assert isinstance(settings, SettingsBase)
    assert callable(import_module(f"cinelog_{name}.main").build)


@pytest.mark.usefixtures("_a_device")
@pytest.mark.parametrize(("hardware", "pools"), [(True, ("cpu", "nvidia")), (False, ("cpu",))])
def test_devices_that_may_be_here_are_offered_unless_hardware_is_not_wanted(
    *, hardware: bool, pools: tuple[str, ...]
) -> None:
    assert offered_pools(hardware=hardware) == pools


@pytest.mark.usefixtures("_a_device")
def test_a_pool_that_the_environment_names_is_offered_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CINELOG_TRANSCODE_POOL", "intel")

    assert offered_pools() == ("intel",)


@pytest.mark.usefixtures("_a_device")
def test_only_the_first_pool_must_work(built: list[tuple[str, dict[str, Any]]], tmp_path: Path) -> None:
    standalone_services(StandaloneSettings(data=tmp_path), None)  # type: ignore[arg-type]

    offered = [(words["pool"], words["required"]) for name, words in built if name == "transcode"]
    assert offered == [("cpu", True), ("nvidia", False)]


def test_a_machine_without_devices_has_one_worker_that_encodes(
    built: list[tuple[str, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "plausible_pools", lambda: ("cpu",))

    standalone_services(StandaloneSettings(data=tmp_path), None)  # type: ignore[arg-type]

    assert [words["pool"] for name, words in built if name == "transcode"] == ["cpu"]
