"""Every member builds from what git keeps, without a network, into a distribution that holds what it must."""

import email.parser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "cinelog",
    "cinelog_common",
    "cinelog_download",
    "cinelog_fastio",
    "cinelog_gateway",
    "cinelog_merge",
    "cinelog_storage",
    "cinelog_testkit",
    "cinelog_transcode",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """The wheels of all members, each built from its source distribution."""
    tree = tmp_path_factory.mktemp("tree")
    _copy_tracked(tree)
    built = tree / "dist"
    command = [sys.executable, "-m", "uv", "build", "--offline", "--no-build-isolation", "--all-packages"]
    done = subprocess.run(
        [*command, "--python", sys.executable, "-o", str(built)],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {path.name.split("-")[0]: zipfile.ZipFile(path) for path in built.glob("*.whl")}


def test_every_member_makes_a_wheel(wheels: dict[str, zipfile.ZipFile]) -> None:
    assert set(wheels) == PACKAGES


def test_a_wheel_holds_its_package_typed_and_nothing_beside_it(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        names = wheel.namelist()
        assert f"{name}/py.typed" in names
        assert {each.split("/")[0].split("-")[0] for each in names} == {name}
        assert [each for each in names if each.endswith((".c", ".pyc"))] == []
        assert [each for each in names if "/tests/" in each] == []


def test_a_wheel_holds_every_module_that_git_keeps(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        source = _sources()[name]
        kept = {
            f"{name}/{path}" for path in _listed(source) if path.endswith((".py", ".html", ".js", ".css"))
        }
        assert kept <= set(wheel.namelist()), name


def test_a_wheel_carries_its_licences_and_description(wheels: dict[str, zipfile.ZipFile]) -> None:
    for name, wheel in wheels.items():
        folder = next(each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")).rsplit(
            "/", 1
        )[0]
        metadata = email.parser.Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
        assert f"{folder}/licenses/LICENSE" in wheel.namelist()
        assert metadata["License-Expression"].startswith("Apache-2.0")
        assert metadata["Summary"]
        assert str(metadata.get_payload()).startswith("# "), name
    assert any(
        each.endswith("licenses/vendor/xxhash/LICENSE") for each in wheels["cinelog_fastio"].namelist()
    )


def test_the_command_and_the_native_kernel_are_there(wheels: dict[str, zipfile.ZipFile]) -> None:
    commands = next(each for each in wheels["cinelog"].namelist() if each.endswith("entry_points.txt"))
    kernel = [each for each in wheels["cinelog_fastio"].namelist() if each.endswith((".so", ".pyd"))]

    assert b"cinelog = cinelog.main:main" in wheels["cinelog"].read(commands)
    assert {Path(each).name.split(".")[0] for each in kernel} >= {
        "files",
        "hashing",
        "nal",
        "records",
    }


def _sources() -> dict[str, Path]:
    roots = (ROOT / "cli", *ROOT.glob("*/*"))
    return {
        package.name: package
        for root in roots
        for package in (root / "src").glob("cinelog*")
        if package.is_dir()
    }


def _listed(folder: Path) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return [name for name in listed.stdout.decode().split("\0") if name and (folder / name).is_file()]


def _copy_tracked(tree: Path) -> None:
    """Copy what git keeps of the workspace: building must not leave anything in the checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    for top in ("cli", "libs", "services", "tests/kit"):
        for name in _listed(ROOT / top):
            target = tree / top / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / top / name, target)
    shutil.copy(ROOT / "pyproject.toml", tree)
