"""The JavaScript runtimes that pages may be read with."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cinelog_download.children.resolver import _Notes, _parameters
from cinelog_download.children.runtimes import RUNTIMES, enabled, found
from cinelog_download.domain.pages import PageRequest

Put = Callable[[str, str], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Let a machine have nothing but the programs that are put there; each prints what it is told to."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def put(name: str, says: str) -> None:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)

    return put


def test_pages_are_read_with_every_runtime_that_ytdlp_knows() -> None:
    from yt_dlp import YoutubeDL

    notes = _Notes()
    with YoutubeDL(_parameters(PageRequest(url="https://a.example", proxy=""), notes)) as ydl:
        known = ydl._js_runtimes

    assert set(known) == set(RUNTIMES) == set(enabled())
    assert all(runtime is not None for runtime in known.values())
    assert notes.warnings == []


def test_a_runtime_is_found_with_its_version(put: Put) -> None:
    put("node", "v24.1.0")

    (runtime,) = found()

    assert (runtime.name, runtime.version, runtime.supported) == ("node", "24.1.0", True)


def test_a_runtime_that_is_too_old_for_ytdlp_is_told_so(put: Put) -> None:
    put("node", "v20.20.2")

    (runtime,) = found()

    assert (runtime.name, runtime.supported) == ("node", False)


@pytest.mark.usefixtures("put")
def test_a_machine_without_one_has_none() -> None:
    assert found() == ()
