"""What must hold for the repository as a whole, whatever it holds."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MEMBERS = [*sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml")), ROOT / "cli"]
TARGETS = (
    "install",
    "run",
    "test",
    "check",
    "lint",
    "types",
    "imports",
    "unit",
    "real",
    "bench",
    "fmt",
    "clean",
    "help",
)

REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("maven", "org"),
        ("repo.maven.apache", "org"),
        ("proxy.golang", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
)
MACHINE_PATH = re.compile("|".join(("/wor" + "k/", "/Users" + r"/\w", "/home" + r"/(?!me\b|user\b)\w")))
LATER = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b(?!\(#\d+\))"
)


def test_every_target_that_a_newcomer_may_expect_is_there_and_listed() -> None:
    makefile = (ROOT / "Makefile").read_text()

    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    for target in TARGETS:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
        assert re.search(rf"^  make {target} +\S", listed, re.MULTILINE), target


def test_no_file_names_a_package_registry() -> None:
    found = [(name, host) for name, text in _texts() for host in REGISTRIES if host in text]

    assert found == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    found = [(name, match.group()) for name, text in _texts() for match in MACHINE_PATH.finditer(text)]
    found += [(name, str(ROOT)) for name, text in _texts() if len(ROOT.parts) > 2 and str(ROOT) in text]

    assert found == []


def test_what_is_left_for_later_names_its_issue() -> None:
    found = [
        (name, match.group())
        for name, text in _texts()
        if "vendor" not in Path(name).parts and not name.endswith(".min.js")
        for match in LATER.finditer(text)
    ]

    assert found == []


def test_every_link_between_documents_leads_somewhere() -> None:
    lost = [
        (name, target)
        for name, text in _texts()
        if name.endswith(".md")
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        if "://" not in target and not (ROOT / name).parent.joinpath(target).exists()
    ]

    assert lost == []


def test_every_decision_says_when_a_change_violates_it() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))

    for path in decisions:
        last = path.read_text().strip().split("\n\n")[-1]
        assert last.startswith("A change violates this when "), path.name
    assert [path.name[:4] for path in decisions] == [f"{n:04d}" for n in range(1, len(decisions) + 1)]


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: member.name)
def test_each_member_says_what_it_is_under_which_licence_and_that_it_is_typed(member: Path) -> None:
    project: dict[str, Any] = tomllib.loads((member / "pyproject.toml").read_text())["project"]
    package = project["name"].replace("-", "_")

    assert project["description"]
    assert project["readme"] == "README.md"
    assert (member / "README.md").read_text().startswith("# ")
    assert project["license"].startswith("Apache-2.0")
    assert "LICENSE*" in project["license-files"]
    assert (member / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert project["requires-python"] == ">=3.11"
    assert (member / "src" / package / "py.typed").exists()


def test_every_member_has_the_same_version() -> None:
    versions = {
        tomllib.loads((member / "pyproject.toml").read_text())["project"]["version"] for member in MEMBERS
    }

    assert len(versions) == 1


def _texts() -> Iterator[tuple[str, str]]:
    """Yield every text file that git keeps, or would keep, by its name."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            data = path.read_bytes()
            if b"\0" not in data[:8192]:
                yield name, data.decode("utf-8", "replace")
