"""Part files: preallocated, filled in any order, with a journal of what is there.

The journal is a line of JSON on the source's version and then one short line
for every finished stretch with its checksum. Lines are only appended, so a
crash costs at most the line that was being written, and noting progress costs
the same at the end of a large file as at its start. Stretches are checked when
the file is opened again: after a power cut a journal may know of bytes that
never reached the disk.
"""

import asyncio
import errno
import os
import shutil
import threading
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec
from cinelog_common.errors import Category, PermanentError
from cinelog_fastio import ChunkFile, checksum_file, verify_file

from cinelog_download.domain.answers import Validator, changed
from cinelog_download.domain.intervals import Interval, IntervalSet

# Written at once: a thread would take longer than the copy into the page cache.
_SMALL_BYTES: Final = 64 * 1024


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """Which bytes the part file is to hold: the journal's first line."""

    size: int | None
    validator: Validator = Validator()
    format: int = 1


class PartFile:
    """A part file and its journal; belongs to one event loop, the disk is met in threads."""

    def __init__(self, path: Path, version: Version, file: ChunkFile, journal: BinaryIO) -> None:
        self.path = path
        self.version = version
        self.done = IntervalSet()
        """What is there. Changes only in the event loop."""
        self._file = file
        self._journal = journal
        self._appending = threading.Lock()
        self._pending = IntervalSet()
        self._noting = 0
        self._notes: set[asyncio.Task[None]] = set()
        """Being written. A caller that is cancelled leaves its note behind, and `close` waits for it."""

    @property
    def unnoted_bytes(self) -> int:
        """What is there and would be lost in a crash, because the journal does not say so yet."""
        return self._pending.total + self._noting

    @classmethod
    def create(cls, path: Path, version: Version, *, reserve_bytes: int) -> Self:
        """Make the part file anew, with room for the whole source if its size is known. Blocks.

        Raises:
            PermanentError: NO_SPACE; NOT_WRITABLE.
        """
        try:
            remove_part(path)
            if version.size is not None:
                _check_room(path, version.size, reserve_bytes)
            journal_of(path).write_bytes(msgspec.json.encode(version) + b"\n")
            return cls._opened(path, version)
        except OSError as error:
            raise disk_error(error, path) from error

    @classmethod
    def resume(cls, path: Path) -> Self | None:
        """Open what an earlier attempt left, or return None if that is nothing of use. Blocks.

        Raises:
            PermanentError: NO_SPACE; NOT_WRITABLE.
        """
        try:
            version, stretches = _earlier(path, journal_of(path))
            if version is None:
                return None
            part = cls._opened(path, version)
            for start, stop, digest in stretches:
                if verify_file(path, digest, start=start, length=stop - start):
                    part.done.add(start, stop)
        except ValueError:
            # Longer than its journal says: not ours.
            return None
        except OSError as error:
            raise disk_error(error, path) from error
        return part

    async def write(self, offset: int, data: bytes) -> None:
        """Write what is missing of `data` at `offset`; what is there already must be the same.

        Raises:
            PermanentError: SOURCE_CHANGED, NO_SPACE, NOT_WRITABLE.
        """
        missing = list(self.done.gaps(offset, offset + len(data)))
        if len(data) <= _SMALL_BYTES:
            self._store(offset, data, missing)
        else:
            await asyncio.to_thread(self._store, offset, data, missing)
        for start, stop in missing:
            self._pending.add(start, stop)
            self.done.add(start, stop)

    async def note(self, least_bytes: int = 1) -> None:
        """Write into the journal what came since the last time, if it is `least_bytes` or more.

        Raises:
            PermanentError: NO_SPACE, NOT_WRITABLE.
        """
        if self._pending.total >= least_bytes:
            pending, self._pending = self._pending, IntervalSet()
            noting = asyncio.create_task(self._note(pending))
            self._notes.add(noting)
            noting.add_done_callback(self._notes.discard)
            await asyncio.shield(noting)

    async def close(self) -> None:
        """Note what came and close the files; a second time does nothing.

        Raises:
            PermanentError: NO_SPACE, NOT_WRITABLE: the files are closed all the same.
        """
        await asyncio.shield(asyncio.create_task(self._finish()))

    def abandon(self) -> None:
        """Close the files and note nothing; enough where nothing was written since the part was opened."""
        self._journal.close()
        self._file.close()

    async def _note(self, pending: IntervalSet) -> None:
        self._noting += pending.total
        try:
            await asyncio.to_thread(self._append, pending)
        finally:
            self._noting -= pending.total

    async def _finish(self) -> None:
        await asyncio.gather(*self._notes, return_exceptions=True)
        pending, self._pending = self._pending, IntervalSet()
        await asyncio.to_thread(self._close, pending)

    @classmethod
    def _opened(cls, path: Path, version: Version) -> Self:
        file = ChunkFile.open(path, version.size)
        try:
            return cls(path, version, file, journal_of(path).open("ab", buffering=0))
        except OSError:
            file.close()
            raise

    def _store(self, offset: int, data: bytes, missing: list[Interval]) -> None:
        view = memoryview(data)
        at, end = offset, offset + len(data)
        try:
            for start, stop in [*missing, (end, end)]:
                if at < start and self._file.pread(at, start - at) != view[at - offset : start - offset]:
                    raise changed(f"bytes {at} to {start} are no longer the same")
                if start < stop:
                    self._file.pwrite(start, view[start - offset : stop - offset])
                at = stop
        except OSError as error:
            raise disk_error(error, self.path) from error

    def _append(self, stretches: IntervalSet) -> None:
        try:
            lines = b"".join(
                msgspec.json.encode((start, stop, checksum_file(self.path, start, stop - start))) + b"\n"
                for start, stop in stretches
            )
            with self._appending:
                if lines:
                    self._journal.write(lines)
        except OSError as error:
            raise disk_error(error, self.path) from error

    def _close(self, pending: IntervalSet) -> None:
        try:
            self._append(pending)
        finally:
            self.abandon()


def journal_of(path: Path) -> Path:
    """Return where the journal of the part file `path` lies."""
    return path.with_name(path.name + ".journal")


def segments_of(path: Path) -> Path:
    """Return where it is noted which segments the part file `path` is made of, if it is."""
    return path.with_name(path.name + ".segments")


def remove_part(path: Path) -> None:
    """Remove a part file and what lies beside it; harmless if they are not there."""
    for each in (journal_of(path), segments_of(path), path):
        each.unlink(missing_ok=True)


def disk_error(error: OSError, path: Path) -> PermanentError:
    """Return what an error of the file system means to the user."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return no_space(path)
    return PermanentError(
        f"The folder {path.parent} cannot be written: {(error.strerror or 'disk error').lower()}.",
        category=Category.NOT_WRITABLE,
        action="Let the service write there, or choose another folder.",
    )


def no_space(path: Path) -> PermanentError:
    """Return the error of a full disk."""
    return PermanentError(
        f"There is not enough space for the source on the disk of {path.parent}.",
        category=Category.NO_SPACE,
        action="Free some space, or choose a folder on a larger disk.",
    )


def _check_room(path: Path, size: int, reserve_bytes: int) -> None:
    there = path.stat().st_blocks * 512 if path.exists() else 0
    if shutil.disk_usage(path.parent).free - max(size - there, 0) < reserve_bytes:
        raise no_space(path)


def _earlier(path: Path, journal: Path) -> tuple[Version | None, list[tuple[int, int, int]]]:
    """Return what an earlier attempt's journal says, or None for the version if it says nothing of use."""
    if not path.exists() or not journal.exists():
        return None, []
    data = journal.read_bytes()
    whole = data.rfind(b"\n") + 1
    first, *lines = data[:whole].splitlines() or [b""]
    try:
        version = msgspec.json.decode(first, type=Version)
    except msgspec.DecodeError:
        return None, []
    # A torn last line would spoil the next one that is appended.
    os.truncate(journal, whole)
    return version, [stretch for line in lines if (stretch := _stretch(line)) is not None]


def _stretch(line: bytes) -> tuple[int, int, int] | None:
    try:
        start, stop, digest = msgspec.json.decode(line, type=tuple[int, int, int])
    except msgspec.DecodeError:
        return None
    return (start, stop, digest) if 0 <= start < stop else None
