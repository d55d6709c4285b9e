"""The worker's own disk: one folder a run."""

import asyncio
import os
from pathlib import Path

import pytest
from cinelog_common.errors import Category, TransientError
from cinelog_download.adapters.scratch import Scratch


def test_a_run_has_the_same_folder_in_every_attempt_and_no_other(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)

    assert scratch.folder("job", 1).part(0) == scratch.folder("job", 1).part(0)
    assert scratch.folder("job", 1).part(0) != scratch.folder("job", 2).part(0)
    assert scratch.folder("../../etc", 1).part(0).resolve().is_relative_to(tmp_path)


def test_only_folders_that_nobody_touched_are_swept(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    old, new = scratch.folder("old", 1), scratch.folder("new", 1)
    for folder in (old, new):
        asyncio.run(folder.prepare())
        folder.part(0).write_bytes(b"so far")
    for path in (old.part(0), old.made, old.made.parent):
        os.utime(path, (1000, 1000))

    removed = asyncio.run(scratch.sweep(before=2000.0))

    assert removed == 1
    assert not old.part(0).exists()
    assert new.part(0).exists()


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(TransientError) as caught:
        asyncio.run(Scratch(tmp_path / "file").folder("job", 1).prepare())

    assert caught.value.category == Category.NOT_WRITABLE
