"""Single times that a damaged bit threw far off, found by what follows them and put right.

ISO/IEC 13818-1 protects the fields of a PES header by nothing. One time that jumps looks like a splice or
a gap until the next one goes on as if nothing had happened; only then is it known which of them lied.
"""

from collections import deque
from collections.abc import Container, Iterable, Iterator
from fractions import Fraction
from typing import Protocol, TypeVar

from cinelog_download.domain.timeline import LARGEST_STEP_BACK_S, WRAP

ODD_STEP_S = 1
"""A longer step forward is worth a look: ISO/IEC 13818-1 2.7.4 wants a time every 0.7 s."""
_MOST_ODD = 32
"""Packets with one wrong time: those behind it in its PES packet are counted on from there."""
_MOST_HELD = 256
"""Packets, of all streams, that are looked at ahead: it bounds memory, and what is late because of it."""


class Timed(Protocol):
    """What is looked at of a packet."""

    pts: int | None
    dts: int | None
    duration: int | None
    time_base: Fraction

    @property
    def stream_index(self) -> int:
        """Return what stream it belongs to."""


_Packet = TypeVar("_Packet", bound=Timed)


class Outliers:
    """Looks at the packets of one input, stretch by stretch, in the order of the file.

    Attributes:
        mended: Packets whose times were put right.
    """

    def __init__(self) -> None:
        self.mended = 0
        self._last: dict[int, int] = {}
        self._streams: Container[int] = ()

    def steadied(self, packets: Iterable[_Packet], streams: Container[int]) -> Iterator[_Packet]:
        """Yield the packets of one stretch in their order, odd times put between those beside them.

        Only `streams` are looked at: subtitles come when somebody speaks.
        """
        self._last, self._streams = {}, streams
        window: deque[_Packet] = deque()
        for packet in packets:
            window.append(packet)
            while window and self._is_settled(window, ended=False):
                yield window.popleft()
        while window:
            self._is_settled(window, ended=True)
            yield window.popleft()

    def warnings(self) -> list[str]:
        """Return what the user should know."""
        if not self.mended:
            return []
        return [f"{self.mended} time(s) in the source were far off those beside them and were put right."]

    def _is_settled(self, window: deque[_Packet], *, ended: bool) -> bool:
        """Tell whether the first packet may go, its time put right if that had to be."""
        first = window[0]
        at, last = _time(first), self._last.get(first.stream_index)
        if at is None or first.stream_index not in self._streams:
            return True
        if last is not None and _is_odd(first, at, last):
            alike = [one for one in window if one.stream_index == first.stream_index]
            odd = _odd_ones(alike, last)
            if odd:
                self._mend(odd, last, following=alike[len(odd)])
                at = _time(first)
            elif not (ended or len(alike) > _MOST_ODD or len(window) > _MOST_HELD):
                return False
        if at is not None:
            self._last[first.stream_index] = at
        return True

    def _mend(self, odd: list[_Packet], last: int, *, following: _Packet) -> None:
        step = _apart(_time(following) or 0, last)
        for number, packet in enumerate(odd, start=1):
            self.mended += 1
            _put(packet, last + step * number // (len(odd) + 1))


def _odd_ones(alike: list[_Packet], last: int) -> list[_Packet]:
    """Return the packets before the first one that goes on from `last`, if there is room for them."""
    length = 0
    for number, packet in enumerate(alike):
        at = _time(packet)
        if at is None:
            return []
        step = _apart(at, last)
        if number and step > length and not _is_odd(packet, at, last):
            return alike[:number]
        length += max(packet.duration or 0, 1)
    return []


def _is_odd(packet: Timed, at: int, last: int) -> bool:
    return not -LARGEST_STEP_BACK_S <= _apart(at, last) * packet.time_base <= ODD_STEP_S


def _put(packet: Timed, at: int) -> None:
    if packet.dts is None:
        packet.pts = at
        return
    # Where the time of showing fits, that of decoding alone was wrong.
    if packet.pts is not None and abs(_apart(packet.pts, at)) * packet.time_base > ODD_STEP_S:
        packet.pts += at - packet.dts
    packet.dts = at


def _time(packet: Timed) -> int | None:
    return packet.dts if packet.dts is not None else packet.pts


def _apart(at: int, last: int) -> int:
    """Return how far `at` lies behind `last`, the shorter way round the 33 bits."""
    return (at - last + WRAP // 2) % WRAP - WRAP // 2
