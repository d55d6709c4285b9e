"""Copying and hashing in one pass, in pieces that stay in the cache, by as many threads as help."""

import errno
import os
from threading import Condition, Thread

import xxhash

from cinelog_fastio._pure.files import PIECE_BYTES, write_checked
from cinelog_fastio.kernel import ByteSource


class Appender:
    """Fills a file from its start on; see the protocol of the same name."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = xxhash.xxh3_64()
        self.size = 0

    def write(self, data: ByteSource) -> None:
        """Append all of `data`."""
        write_checked(self._descriptor, self.size, data)
        self._digest.update(data)
        self.size += memoryview(data).nbytes

    def copy(self, source: int, start: int, length: int, threads: int) -> None:
        """Append a range of another file."""
        copy = _Copy((source, start), (self._descriptor, self.size), length, self._digest)
        others: list[Thread] = []
        try:
            for _ in range(1, threads):
                other = Thread(target=copy.work)
                other.start()
                others.append(other)
            copy.work()
            for other in others:
                other.join()
        except BaseException:
            # Interrupted: the caller will close the descriptors, and no thread may write to them then.
            copy.stop()
            for other in others:
                other.join()
            raise
        if copy.error is not None:
            raise copy.error
        self.size += length

    def checksum(self) -> int:
        """Return the checksum of all that was appended."""
        return self._digest.intdigest()


class _Copy:
    """One range, whose pieces any thread takes as it gets free; only hashing waits for its turn."""

    def __init__(
        self, source: tuple[int, int], target: tuple[int, int], length: int, digest: xxhash.xxh3_64
    ) -> None:
        self._source, self._start = source
        self._target, self._into = target
        self._length = length
        self._digest = digest
        self._turn = Condition()
        self._taken = 0
        self._hashed = 0
        self.error: OSError | EOFError | None = None

    def work(self) -> None:
        """Copy pieces until none are left or a thread has failed."""
        try:
            while (offset := self._take()) is not None:
                piece = self._read(offset, min(PIECE_BYTES, self._length - offset))
                if not self._hash(offset, piece):
                    return
                write_checked(self._target, self._into + offset, piece)
        except (OSError, EOFError) as error:
            self._fail(error)

    def stop(self) -> None:
        """Let no thread begin another piece."""
        self._fail(OSError(errno.EINTR, os.strerror(errno.EINTR)))

    def _fail(self, error: OSError | EOFError) -> None:
        with self._turn:
            self.error = self.error or error
            self._turn.notify_all()

    def _take(self) -> int | None:
        with self._turn:
            offset = self._taken
            if self.error is not None or offset >= self._length:
                return None
            self._taken += PIECE_BYTES
            return offset

    def _read(self, offset: int, length: int) -> bytes:
        piece = b""
        while len(piece) < length:
            more = os.pread(self._source, length - len(piece), self._start + offset + len(piece))
            if not more:
                # Not where this thread read: another may have been nearer to the end.
                end = os.fstat(self._source).st_size
                raise EOFError(f"the source ends at byte {end}, within the range to copy")
            piece += more
        return piece

    def _hash(self, offset: int, piece: bytes) -> bool:
        with self._turn:
            self._turn.wait_for(lambda: self.error is not None or self._hashed == offset)
            if self.error is not None:
                return False
            self._digest.update(piece)
            self._hashed += len(piece)
            self._turn.notify_all()
            return True
