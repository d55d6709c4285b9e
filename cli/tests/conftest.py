"""The command, called as a shell calls it."""

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cinelog.main import main


class Said(msgspec.Struct, frozen=True):
    """How a call ended and what it printed."""

    code: object
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """Return what calls `cinelog` with some arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def work(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["cinelog", *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Said(left.value.code, said.out, said.err)

    return work
