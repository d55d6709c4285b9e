"""Hashing, writing and copying by file descriptor, in pieces that stay in the cache."""

import os
from threading import Condition, Thread
from typing import Final

import xxhash

from cinelog_fastio.kernel import ByteSource

PIECE_BYTES: Final = 1 << 18


def checksum(data: ByteSource) -> int:
    """Return the xxh3-64 of `data`."""
    return xxhash.xxh3_64_intdigest(data)


def checksum_range(descriptor: int, start: int, length: int | None) -> int:
    """Hash a range of a file; see `Kernel.checksum_range`."""
    digest = xxhash.xxh3_64()
    offset = start
    end = None if length is None else start + length
    while end is None or offset < end:
        wanted = PIECE_BYTES if end is None else min(PIECE_BYTES, end - offset)
        piece = os.pread(descriptor, wanted, offset)
        if not piece:
            break
        digest.update(piece)
        offset += len(piece)
    if end is not None and offset < end:
        raise EOFError(f"the file ends at byte {offset}, {end - offset} bytes before the range does")
    return digest.intdigest()


def write_checked(descriptor: int, offset: int, data: ByteSource) -> int:
    """Write all of `data` at `offset`; return its checksum."""
    with memoryview(data) as view:
        octets = view.cast("B")
        written = 0
        while written < len(octets):
            written += os.pwrite(descriptor, octets[written:], offset + written)
        return checksum(octets)


class _OrderedDigest:
    """A running checksum that several threads feed, each piece in its turn."""

    def __init__(self) -> None:
        self._digest = xxhash.xxh3_64()
        self._turn = Condition()
        self._offset = 0
        self._broken = False

    def feed(self, offset: int, piece: bytes) -> bool:
        """Wait for all bytes before `offset`, then add `piece`; False if another thread has failed."""
        with self._turn:
            self._turn.wait_for(lambda: self._broken or self._offset == offset)
            if self._broken:
                return False
            self._digest.update(piece)
            self._offset += len(piece)
            self._turn.notify_all()
            return True

    def fail(self) -> None:
        """Let nobody wait for a piece that will never come."""
        with self._turn:
            self._broken = True
            self._turn.notify_all()

    def value(self) -> int:
        """Return the checksum of all pieces."""
        return self._digest.intdigest()


class _Copy:
    """One copy whose pieces are dealt out to its threads like cards."""

    def __init__(self, source: int, target: int, size: int, threads: int) -> None:
        self._source, self._target, self._size, self._threads = source, target, size, threads
        self.digest = _OrderedDigest()
        self.errors: list[OSError | EOFError] = []

    def work(self, number: int) -> None:
        """Copy every `threads`-th piece, from the one called `number` on."""
        try:
            for offset in range(number * PIECE_BYTES, self._size, self._threads * PIECE_BYTES):
                piece = self._read(offset, min(PIECE_BYTES, self._size - offset))
                if not self.digest.feed(offset, piece):
                    return
                write_checked(self._target, offset, piece)
        except (OSError, EOFError) as error:
            self.errors.append(error)
            self.digest.fail()

    def _read(self, offset: int, length: int) -> bytes:
        piece = b""
        while len(piece) < length:
            more = os.pread(self._source, length - len(piece), offset + len(piece))
            if not more:
                raise EOFError(f"the source ends at byte {offset + len(piece)} of {self._size}")
            piece += more
        return piece


def copy_range(source: int, target: int, size: int, threads: int) -> int:
    """Copy and hash in one pass; see `Kernel.copy_range`."""
    copy = _Copy(source, target, size, threads)
    others = [Thread(target=copy.work, args=(number,)) for number in range(1, threads)]
    for other in others:
        other.start()
    copy.work(0)
    for other in others:
        other.join()
    if copy.errors:
        raise copy.errors[0]
    return copy.digest.value()
