"""The packets between the keyframe in hand and the newest one; on disk where they become too many."""

import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import BinaryIO, overload

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
        # Where each packet's payload ends, counted from the first packet ever: eight bytes a packet.
        self._ends = array("Q")
        self._before = 0
        self._bytes = 0
        self._spool: BinaryIO | None = None
        self._spool_end = 0
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
        self._bytes += len(entry.packet.data)
        self._entries.append(entry)
        self._ends.append(self._end_of(self.end - 1) + size)
        return self.end - 1

    def entries(self, start: int, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """Yield numbered entries; the payload of spooled ones is missing (`packets` has it)."""
        stop = self.end if stop is None else stop
        for number in range(max(start, self.first), stop):
            yield number, self._entries[number - self.first]

    def packets(self, start: int, stop: int) -> Iterator[tuple[Entry, Packet]]:
        """Yield entries with their whole packets."""
        for number, entry in self.entries(start, stop):
            yield entry, self._whole(number, entry)

    def run(self, start: int, stop: int) -> "Run":
        """Return whole packets that are read only when they are asked for, each time anew."""
        return Run(self, max(start, self.first), min(stop, self.end))

    def size_bytes(self, start: int, stop: int) -> int:
        """Return how much payload the packets from `start` to `stop` hold, wherever it lies."""
        return self._end_of(min(stop, self.end)) - self._end_of(max(start, self.first))

    def within(self, start: int, size_bytes: int) -> int:
        """Return the number after the last packet from `start` on that fits, at least one, into so much."""
        return max(start + 1, self.first + bisect_right(self._ends, self._end_of(start) + size_bytes))

    def drop_before(self, number: int) -> None:
        """Forget older packets."""
        number = number if self.kept is None else min(number, self.kept)
        gone = number - self.first
        if gone <= 0:
            return
        self._before = self._end_of(number)
        self._bytes -= sum(len(entry.packet.data) for entry in self._entries[:gone])
        del self._entries[:gone], self._ends[:gone]
        self.first = number
        if self._spool is not None and all(entry.spooled < 0 for entry in self._entries):
            self._spool.close()
            self._spool = None

    def close(self) -> None:
        """Forget everything."""
        self.kept = None
        self.drop_before(self.end)

    def _end_of(self, number: int) -> int:
        """Return where the payload before packet `number` ends."""
        return self._ends[number - self.first - 1] if number > self.first else self._before

    def _spooled(self, entry: Entry) -> Entry:
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as we do
            self._spool_end = 0
        offset = self._spool_end
        self._spool.write(entry.packet.data)
        # Readers look at the file itself.
        self._spool.flush()
        self._spool_end += len(entry.packet.data)
        bare = msgspec.structs.replace(entry.packet, data=b"")
        return Entry(packet=bare, shown=entry.shown, spooled=offset)

    def _whole(self, number: int, entry: Entry) -> Packet:
        if entry.spooled < 0:
            return entry.packet
        assert self._spool is not None
        size = self._end_of(number + 1) - self._end_of(number)
        # Seams are decoded by several threads at once: no place in the file may be shared.
        data = os.pread(self._spool.fileno(), size, entry.spooled)
        return msgspec.structs.replace(entry.packet, data=data)


class Run(Sequence[Packet]):
    """Packets of a window from `start` on and before `stop`, of which only one at a time is in memory.

    The window must not forget them meanwhile; several threads may read at once.
    """

    def __init__(self, window: Window, start: int, stop: int) -> None:
        self._window = window
        self._start = start
        self._stop = max(start, stop)

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[Packet]:
        return (packet for _, packet in self._window.packets(self._start, self._stop))

    @overload
    def __getitem__(self, at: int) -> Packet: ...
    @overload
    def __getitem__(self, at: slice) -> "Run": ...
    def __getitem__(self, at: int | slice) -> "Packet | Run":
        numbers = range(self._start, self._stop)[at]
        if isinstance(numbers, range):
            assert numbers.step == 1
            return Run(self._window, numbers.start, numbers.stop)
        return next(iter(Run(self._window, numbers, numbers + 1)))


def carried(packet: Packet, *, start: int, end: int) -> Packet:
    """Return `packet` marked as carried unless its picture lies in [start, end)."""
    if packet.pts is not None and start <= packet.pts < end:
        return packet
    return msgspec.structs.replace(packet, flags=packet.flags | CARRIED)
