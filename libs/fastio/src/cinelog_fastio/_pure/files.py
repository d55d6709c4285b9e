"""Hashing and writing by file descriptor."""

import os
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


def copy_checked(source: int, target: int, *, start: int, length: int, at: int) -> int:
    """Copy a range of a file and hash all of it; see `Kernel.copy_checked`."""
    digest = xxhash.xxh3_64()
    offset, end = 0, start + length
    # Each piece ends where a block of the target does.
    while piece := os.pread(source, PIECE_BYTES - (at - start + offset) % PIECE_BYTES, offset):
        digest.update(piece)
        wanted = piece[max(0, start - offset) : max(0, end - offset)]
        _write_whole(target, at + max(0, offset - start), wanted)
        offset += len(piece)
    if offset < end:
        raise EOFError(f"the file ends at byte {offset}, within the range to copy")
    return digest.intdigest()


def write_checked(descriptor: int, offset: int, data: ByteSource) -> int:
    """Write all of `data` at `offset`; return its checksum."""
    _write_whole(descriptor, offset, data)
    return checksum(data)


def _write_whole(descriptor: int, offset: int, data: ByteSource) -> None:
    with memoryview(data) as view, view.cast("B") as octets:
        written = 0
        while written < len(octets):
            written += os.pwrite(descriptor, octets[written:], offset + written)
