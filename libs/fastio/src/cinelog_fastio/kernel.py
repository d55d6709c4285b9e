"""What the native and the pure kernel both offer; everything else in this package is built on it.

A kernel is a module. File descriptors stay the caller's, offsets and lengths are in bytes,
checksums are xxh3-64 with seed 0. `OSError` comes out as the system reports it.
"""

from collections.abc import Iterator
from mmap import mmap
from typing import Protocol, TypeAlias

from cinelog_fastio.records import Packet

ByteSource: TypeAlias = bytes | bytearray | memoryview | mmap
"""Contiguous bytes that somebody else keeps alive."""


class RecordCursor(Protocol):
    """Walks the records of one bundle, checking each; after an error it must not be used again."""

    offset: int
    packets: int
    payload_bytes: int
    chain: int

    def __iter__(self) -> Iterator[Packet]:
        """Return itself."""
        ...

    def __next__(self) -> Packet:
        """Return the next packet.

        Raises:
            BundleError: The record at `offset` is damaged, or claims more than what is left.
        """
        ...

    def skim(self) -> None:
        """Check all records that are left, without making packets of them.

        Raises:
            BundleError: As `__next__`.
        """
        ...


class Kernel(Protocol):
    """The byte-moving functions that exist twice."""

    def checksum(self, data: ByteSource) -> int:
        """Return the xxh3-64 of `data`."""
        ...

    def checksum_range(self, descriptor: int, start: int, length: int | None) -> int:
        """Return the xxh3-64 of that range of a file; of all after `start` if `length` is None.

        Raises:
            EOFError: The file ends before the range does.
        """
        ...

    def copy_checked(self, source: int, target: int, *, start: int, length: int, at: int) -> int:
        """Copy that range of `source` to `at` of `target`; return the xxh3-64 of all of `source`.

        The file is read once, from end to end: its checksum covers what lies beside the range too. Nobody
        may write to it meanwhile: its pages themselves may be looked at; one that is gone ends the process.

        Raises:
            EOFError: The file ends before the range does.
        """
        ...

    def write_checked(self, descriptor: int, offset: int, data: ByteSource) -> int:
        """Write all of `data` at `offset`; return its checksum."""
        ...

    def pack_record(self, packet: Packet, index: int) -> bytes:
        """Return the bundle record of `packet`.

        Raises:
            BundleError: A field does not fit the format; the message names `index`.
        """
        ...

    def cursor(self, source: ByteSource, start: int, end: int, chain: int) -> RecordCursor:
        """Return a cursor over the records in `source[start:end]`, whose checksums fold into `chain`."""
        ...

    def annexb_to_lengths(self, data: ByteSource) -> bytes:
        """Return an Annex-B byte stream with each start code replaced by a 4-byte length.

        Raises:
            ValueError: `data` does not begin with a start code.
        """
        ...
