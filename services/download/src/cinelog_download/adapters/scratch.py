"""The worker's own disk: one folder a run, kept while its source may still be wanted."""

import asyncio
import errno
import shutil
from pathlib import Path

from cinelog_common.errors import Category, CinelogError, TransientError
from cinelog_common.ids import name_id

_MADE = "made"


class ScratchFolder:
    """One run's folder: part files that outlive an attempt, and what the demuxer makes, which does not."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def made(self) -> Path:
        """Where the demuxer writes."""
        return self._path / _MADE

    def part(self, number: int) -> Path:
        """Where input `number` arrives."""
        return self._path / f"input-{number}.part"

    async def prepare(self) -> None:
        """Make the folder, empty but for part files.

        Raises:
            TransientError: The disk is full or cannot be written.
        """
        await asyncio.to_thread(self._prepare)

    async def clear(self) -> None:
        """Drop what the demuxer made; keep part files for the next attempt."""
        await asyncio.to_thread(shutil.rmtree, self.made, ignore_errors=True)

    async def remove(self) -> None:
        """Drop everything."""
        await asyncio.to_thread(shutil.rmtree, self._path, ignore_errors=True)

    def _prepare(self) -> None:
        try:
            shutil.rmtree(self.made, ignore_errors=True)
            self.made.mkdir(parents=True)
        except OSError as error:
            raise _failed(error) from error


class Scratch:
    """All runs' folders below one root."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, job: str, run: int) -> ScratchFolder:
        """Return the folder of one run; the same for every attempt, whatever a job id contains."""
        return ScratchFolder(self._root / name_id("scratch", job, run))

    async def sweep(self, *, before: float) -> int:
        """Remove folders that nobody touched since `before` (Unix time); return how many."""
        return await asyncio.to_thread(self._sweep, before)

    def _sweep(self, before: float) -> int:
        old = [path for path in self._root.glob("*-*-*-*-*") if _touched(path) < before]
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return len(old)


def _touched(path: Path) -> float:
    try:
        return max(entry.stat().st_mtime for entry in (path, *path.iterdir()))
    except OSError:
        # It is going away, or is none of ours: leave it.
        return float("inf")


def _failed(error: OSError) -> CinelogError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return TransientError(
        "The scratch disk is full." if full else f"The scratch folder cannot be written: {error.strerror}.",
        category=Category.NO_SPACE if full else Category.NOT_WRITABLE,
        action="Free some space, or set another scratch folder.",
    )
