"""The packets between the keyframe in hand and the newest one; on disk where they become too many."""

import os
import tempfile
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from cinelog_fastio import CARRIED, DISCARD, Packet

MEMORY_BYTES = 48 << 20
"""Payload that is kept in memory; what is beyond lies in an unnamed scratch file."""


class Entry(msgspec.Struct, gc=False):
    """One packet of the picture in decode order; `shown` that it yields a picture of its own."""

    packet: Packet
    shown: bool
    spooled: int = -1

    @property
    def pts(self) -> int:
        """When its picture is shown."""
        assert self.packet.pts is not None
        return self.packet.pts

    @property
    def counts(self) -> bool:
        """Whether a player shows it."""
        return self.shown and not self.packet.flags & DISCARD


class Window:
    """A queue of packets, numbered from the first one ever."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._entries: list[Entry] = []
        self._sizes: list[int] = []
        self._bytes = 0
        self._spool: BinaryIO | None = None
        self.first = 0
        self.kept: int | None = None
        """From here on nothing is forgotten, whatever is dropped."""

    @property
    def end(self) -> int:
        """The number after the newest packet's."""
        return self.first + len(self._entries)

    def append(self, entry: Entry) -> int:
        """Add the newest packet and return its number."""
        size = len(entry.packet.data)
        if self._bytes + size > MEMORY_BYTES:
            entry = self._spooled(entry)
            size = 0
        self._bytes += size
        self._entries.append(entry)
        self._sizes.append(size)
        return self.end - 1

    def entries(self, start: int, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Yield numbered entries; the payload of spooled ones is missing (`packets` has it)."""
        stop = self.end if stop is None else stop
        for number in range(max(start, self.first), stop):
            yield number, self._entries[number - self.first]

    def packets(self, start: int, stop: int) -> Iterator[tuple[Entry, Packet]]:
        """Yield entries with their whole packets."""
        for _, entry in self.entries(start, stop):
            yield entry, self._whole(entry)

    def drop_before(self, number: int) -> None:
        """Forget older packets."""
        number = number if self.kept is None else min(number, self.kept)
        gone = number - self.first
        if gone <= 0:
            return
        self._bytes -= sum(self._sizes[:gone])
        del self._entries[:gone], self._sizes[:gone]
        self.first = number
        if self._spool is not None and all(entry.spooled < 0 for entry in self._entries):
            self._spool.close()
            self._spool = None

    def close(self) -> None:
        """Forget everything."""
        self.kept = None
        self.drop_before(self.end)

    def _spooled(self, entry: Entry) -> Entry:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as we do
        offset = self._spool.seek(0, os.SEEK_END)
        data = entry.packet.data
        self._spool.write(len(data).to_bytes(4, "little") + data)
        bare = msgspec.structs.replace(entry.packet, data=b"")
        return Entry(packet=bare, shown=entry.shown, spooled=offset)

    def _whole(self, entry: Entry) -> Packet:
        if entry.spooled < 0:
            return entry.packet
        assert self._spool is not None
        self._spool.seek(entry.spooled)
        size = int.from_bytes(self._spool.read(4), "little")
        return msgspec.structs.replace(entry.packet, data=self._spool.read(size))


def carried(packet: Packet, *, start: int, end: int) -> Packet:
    """Return `packet` marked as carried unless its picture lies in [start, end)."""
    if packet.pts is not None and start <= packet.pts < end:
        return packet
    return msgspec.structs.replace(packet, flags=packet.flags | CARRIED)
