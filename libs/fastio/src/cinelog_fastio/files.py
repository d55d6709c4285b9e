"""Files as downloads and joins need them: preallocated, written in any order, checked as the bytes pass."""

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate
from pathlib import Path
from threading import Condition
from types import TracebackType
from typing import Final, Self

from cinelog_fastio import backend
from cinelog_fastio.kernel import ByteSource
from cinelog_fastio.records import FileRange

_NO_PREALLOCATION: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


def checksum(data: ByteSource) -> int:
    """Return the xxh3-64 of `data`: what `xxhsum -H3` prints, as an integer."""
    return backend.kernel.checksum(data)


def checksum_file(path: str | os.PathLike[str], start: int = 0, length: int | None = None) -> int:
    """Return the xxh3-64 of `length` bytes of a file from `start` on; by default of all.

    Raises:
        EOFError: The file ends before the range does.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb", buffering=0) as file:
        return backend.kernel.checksum_range(file.fileno(), start, length)


def verify_file(
    path: str | os.PathLike[str], expected: int, *, start: int = 0, length: int | None = None
) -> bool:
    """Tell whether that range of a file has the expected checksum; False also if the file is too short.

    Raises:
        OSError: The file cannot be read.
    """
    try:
        return checksum_file(path, start, length) == expected
    except EOFError:
        return False


def join_checked(target: int, at: int, pieces: Sequence[FileRange], *, threads: int = 1) -> list[int]:
    """Write ranges of files one behind another into `target` from `at` on; return each file's checksum.

    A checksum covers all of its file, and comes from the pass that copies: what is stored of a file is
    the checksum of it all, and of a fragment only the payload is wanted. Bytes never become Python objects.
    Threads take a file each, so none waits for another's turn. The files must be such that nobody writes to.

    Raises:
        EOFError: A file ends before its range does; it is named.
        OSError: Reading or writing failed; some pieces may have been written.
    """
    places = accumulate((piece.length for piece in pieces), initial=at)
    with ThreadPoolExecutor(threads) as pool:
        # A failure takes back what has not begun, and leaving the block waits for what has.
        return list(pool.map(partial(_copied, target), pieces, places))


def _copied(target: int, piece: FileRange, at: int) -> int:
    with Path(piece.path).open("rb", buffering=0) as file:
        try:
            return backend.kernel.copy_checked(
                file.fileno(), target, start=piece.start, length=piece.length, at=at
            )
        except EOFError as error:
            raise EOFError(f"{Path(piece.path).name}: {error}") from error


def preallocate(descriptor: int, size: int) -> None:
    """Make a file at least `size` bytes long with room on the disk for them all.

    Only where the file system cannot reserve room the file is made long and sparse instead.

    Raises:
        OSError: No space, or larger than the file system allows.
    """
    if size <= os.fstat(descriptor).st_size:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except AttributeError:  # not on macOS
        os.ftruncate(descriptor, size)
    except OSError as error:
        if error.errno not in _NO_PREALLOCATION:
            raise
        os.ftruncate(descriptor, size)


class ChunkFile:
    """A part file that several threads write and read at any offsets at once.

    Bytes that were never written read as zeros: who resumes must know from elsewhere what is there.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._idle = Condition()
        self._running = 0
        self._closed = False

    @classmethod
    def open(cls, path: str | os.PathLike[str], size: int | None = None) -> Self:
        """Open a part file, new or from an earlier attempt, with room for `size` bytes if known.

        What an earlier attempt wrote stays. A file that this call made is removed if there is no room for it.

        Raises:
            ValueError: The file is already longer than `size`: it is another source's.
            OSError: No space, or the file cannot be opened.
        """
        descriptor, made = _open_part(path)
        try:
            if size is not None:
                if os.fstat(descriptor).st_size > size:
                    raise ValueError(f"{os.fspath(path)} is longer than {size} bytes")
                preallocate(descriptor, size)
        except (OSError, ValueError, OverflowError):
            os.close(descriptor)
            if made:
                Path(path).unlink(missing_ok=True)
            raise
        return cls(descriptor)

    def pwrite(self, offset: int, data: ByteSource) -> int:
        """Write all of `data` at `offset` and return its checksum.

        Raises:
            ValueError: The file is closed.
            OSError: The disk is full, or fails; any part of `data` may have been written.
        """
        descriptor = self._enter()
        try:
            return backend.kernel.write_checked(descriptor, offset, data)
        finally:
            self._leave()

    def pread(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, fewer only where the file ends.

        Raises:
            ValueError: The file is closed.
            OSError: The disk fails.
        """
        descriptor = self._enter()
        try:
            pieces = []
            while length > 0 and (piece := os.pread(descriptor, length, offset)):
                pieces.append(piece)
                offset += len(piece)
                length -= len(piece)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            self._leave()

    def sync(self) -> None:
        """Wait until what was written would survive a power cut.

        Raises:
            ValueError: The file is closed.
            OSError: The disk fails.
        """
        descriptor = self._enter()
        try:
            os.fsync(descriptor)
        finally:
            self._leave()

    def close(self) -> None:
        """Refuse new calls, wait for those that run, and close the file; a second time does nothing."""
        with self._idle:
            if self._closed:
                return
            self._closed = True
            # A descriptor closed under a running write would let it land in whatever file is opened next.
            self._idle.wait_for(lambda: self._running == 0)
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(self) -> int:
        with self._idle:
            if self._closed:
                raise ValueError("the part file is closed")
            self._running += 1
        return self._descriptor

    def _leave(self) -> None:
        with self._idle:
            self._running -= 1
            if self._closed and self._running == 0:
                self._idle.notify_all()


def _open_part(path: str | os.PathLike[str]) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644), True
    except FileExistsError:
        return os.open(path, flags), False
