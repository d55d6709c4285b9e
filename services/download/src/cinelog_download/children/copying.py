"""Packets passed through as fragments: the picture by its units, the sound near the picture's cuts."""

from collections import deque
from collections.abc import Sequence
from fractions import Fraction

from cinelog_common.cmaf.accessunits import sample_form
from cinelog_common.cmaf.fragments import Sample
from cinelog_common.contract.values import Loudness, Value
from cinelog_fastio import KEYFRAME

from cinelog_download.children import refusals
from cinelog_download.children.tracks import FragmentWriter, Piece
from cinelog_download.children.units import Stretch
from cinelog_download.children.window import Window
from cinelog_download.domain.sounding import JITTER_S, Grid, PictureCuts, next_cut


class Form(Value, frozen=True, kw_only=True):
    """What fixes how a packet's bytes become a sample's, and how ticks become the track's."""

    codec: str
    extradata: bytes
    tick: int = 1
    """Ticks of the track's timescale per tick of the stream's time base (pictures)."""


class CopiedUnits:
    """Writes each unit's own packets, in decode order, as one fragment of track v0."""

    def __init__(self, form: Form, frame_ticks: int, writer: FragmentWriter) -> None:
        self._form = sample_form(form.codec, form.extradata)
        self._tick = form.tick
        self._frame_ticks = frame_ticks
        self._writer = writer
        self._shift: int | None = None
        self._next = 0

    def write(self, unit: Stretch, window: Window) -> None:
        """Write one fragment; decode times are the source's, moved so that the first one is 0."""
        packets = [packet for _, packet in window.packets(unit.first, unit.next_first)]
        following = next((entry.packet.dts for _, entry in window.entries(unit.next_first)), None)
        times = filled([*(packet.dts for packet in packets), following], self._frame_ticks)
        if following is None and packets[-1].duration:
            times[-1] = times[-2] + packets[-1].duration
        if self._shift is None:
            self._shift = -times[0]
        base = max(self._next, times[0] + self._shift)
        payload, samples, at = [], [], base
        for packet, after in zip(packets, times[1:], strict=True):
            data = self._form(packet.data)
            end = max(at + 1, after + self._shift)
            assert packet.pts is not None
            samples.append(
                Sample(
                    size=len(data),
                    duration=(end - at) * self._tick,
                    composition_offset=(packet.pts - at) * self._tick,
                    sync=bool(packet.flags & KEYFRAME),
                )
            )
            payload.append(data)
            at = end
        self._next = at
        # Of open groups a fragment holds other pictures than its unit shows: what meets without a gap
        # is the time of decoding.
        piece = Piece(
            base_time=base * self._tick, start=base * self._tick, end=at * self._tick, samples=samples
        )
        self._writer.write(piece, payload)


class CopiedSound:
    """Passes one sound track through, its samples counted in the track's own rate.

    `frame_size` is how many samples each packet holds, 0 where that varies.
    """

    def __init__(self, form: Form, rate: int, frame_size: int, grid: Grid) -> None:
        self._form = sample_form(form.codec, form.extradata)
        self._rate = rate
        self._frame_size = frame_size
        self._grid = grid
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._next: int | None = None
        self._last_cut = 0
        self.priming: int | None = None
        self.writer: FragmentWriter | None = None

    @property
    def reached_s(self) -> Fraction:
        """Where the sound so far ends on the timeline."""
        return Fraction(self._next or 0, self._rate)

    def add(self, data: bytes, at_s: Fraction, lasts_s: Fraction) -> bool:
        """Take a packet that begins at `at_s`; tell whether it is kept (not wholly before the timeline)."""
        duration = self._frame_size or max(1, round(lasts_s * self._rate))
        at = round(at_s * self._rate)
        if self._next is None and at + 2 * duration <= 0:
            # The one just before zero stays: decoders need it to begin with.
            return False
        if self._next is not None and abs(at - self._next) <= self._rate * JITTER_S:
            at = self._next
        if self._next is not None and at < self._next:
            return False
        if self.priming is None:
            self.priming = max(0, -at)
        self._next = at + duration
        self._waiting.append((at, duration, self._form(data)))
        return True

    def cut(self, cuts: PictureCuts) -> None:
        """Write the fragments that are complete."""
        while (at := next_cut(self._last_cut, cuts, self._grid)) is not None and (self._next or 0) > at:
            self._write(at)

    def finish(self, cuts: PictureCuts, loudness: Loudness | None = None) -> None:
        """Write what is left, and tell how loud it all was."""
        self.cut(cuts)
        if self._waiting:
            self._write(None)
        if self.writer is not None:
            self.writer.finish(loudness)

    def _write(self, at: int | None) -> None:
        assert self.writer is not None
        assert self.priming is not None
        taken = []
        while self._waiting and (at is None or self._waiting[0][0] < at):
            taken.append(self._waiting.popleft())
        self._last_cut = self._last_cut if at is None else at
        if not taken:
            return
        starts = [start for start, _, _ in taken]
        starts.append(self._waiting[0][0] if self._waiting else starts[-1] + taken[-1][1])
        samples = [
            Sample(size=len(data), duration=after - start, composition_offset=0, sync=True)
            for (start, _, data), after in zip(taken, starts[1:], strict=True)
        ]
        piece = Piece(
            base_time=starts[0] + self.priming, start=max(0, starts[0]), end=starts[-1], samples=samples
        )
        self.writer.write(piece, [data for _, _, data in taken])


def filled(times: Sequence[int | None], frame_ticks: int) -> list[int]:
    """Return decode times with the missing ones counted back or on from their neighbours.

    Matroska has none for the first pictures where there are B-frames.

    Raises:
        PermanentError: There is none at all.
    """
    known = next((at for at, time in enumerate(times) if time is not None), None)
    if known is None:
        raise refusals.unsupported("its packets have no decode times, so it cannot be passed through")
    first = times[known] or 0
    made = [first - (known - at) * frame_ticks for at in range(known)]
    for time in times[known:]:
        made.append(time if time is not None else made[-1] + frame_ticks)
    return made
