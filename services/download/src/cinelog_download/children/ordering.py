"""Presentation times for streams that have none: AVI tells when to decode, not when to show.

The first picture is shown when a decoder first gives one out, as players of such files do: what
was recorded along with it was aligned to that.
"""

from collections import deque
from fractions import Fraction

import av
import msgspec
from cinelog_fastio import DISCARD, Packet, StreamParameters

from cinelog_download.children.decoding import as_av, bare_context

_DEPTH = 16
"""H.264 A.4.2: no picture is held back for more than 16 others."""


class PresentationOrder:
    """Decodes along to learn the order of showing: the picture that is shown k-th gets the k-th time."""

    def __init__(self, parameters: StreamParameters, frame_ticks: int) -> None:
        self._time_base = Fraction(*parameters.time_base)
        self._context = bare_context(parameters)
        self._lead = _DEPTH * frame_ticks
        self._waiting: deque[Packet] = deque()
        self._first = 0
        self._count = 0
        self._times: deque[int] = deque()
        self._delay: int | None = None
        self._shown: dict[int, int] = {}

    def add(self, packet: Packet) -> list[Packet]:
        """Take the next packet (with a dts) and return those whose time is known by now, in decode order."""
        assert packet.dts is not None
        self._waiting.append(packet)
        self._times.append(packet.dts)
        number = self._count
        self._count += 1
        numbered = msgspec.structs.replace(packet, pts=number)
        try:
            for frame in self._context.decode(as_av(numbered, self._time_base)):
                self._show(frame.pts)
        except av.InvalidDataError:
            # It keeps its place, so that whoever decodes it for good can say where the damage is.
            self._show(number)
        return self._known(ended=False)

    def finish(self) -> list[Packet]:
        """Return all others."""
        for frame in self._context.decode(None):
            self._show(frame.pts)
        return self._known(ended=True)

    def _show(self, number: int | None) -> None:
        if number is None or not self._times:
            return
        if self._delay is None:
            self._delay = self._times[-1] - self._times[0]
        self._shown[number] = self._times.popleft() + self._delay

    def _known(self, *, ended: bool) -> list[Packet]:
        known = []
        while self._waiting and (ended or self._first in self._shown or len(self._waiting) > 4 * _DEPTH):
            packet = self._waiting.popleft()
            assert packet.dts is not None
            pts = self._shown.pop(self._first, None)
            self._first += 1
            flags = packet.flags if pts is not None else packet.flags | DISCARD
            shown = packet.dts if pts is None else pts
            known.append(msgspec.structs.replace(packet, pts=shown, dts=packet.dts - self._lead, flags=flags))
        return known
