"""Cuts the picture into units while its packets arrive, in decode order.

A unit owns the presentation interval [start, end) and carries every packet from the keyframe that
its decoding begins with to the last one, in decode order, that is shown before `end`: with open
groups of pictures that includes the next keyframe and its leading pictures.
"""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

import msgspec
from cinelog_common.contract.values import Value
from cinelog_fastio import DISCARD, KEYFRAME, Packet, StreamParameters

from cinelog_download.children import decoding, refusals
from cinelog_download.children.seams import LOOK, MOST_BYTES, Seam, Seams
from cinelog_download.children.units import Stretch, Writer
from cinelog_download.children.window import Entry, Window
from cinelog_download.domain import pictures
from cinelog_download.domain.cutting import Cut, CutPolicy, Seen, next_cut, no_cut_before, surely_after

_LONGEST_PRELUDE, _LARGEST_PRELUDE = 3000, 64 << 20
"""Packets without any keyframe, and their bytes, after which the first one is taken for one."""
_ROLL_PACKETS = 4
"""Packets shown beyond a unit's end that a filter gets which looks at neighbours; two may be one frame."""
_NOT_SEPARABLE = (
    "The source's keyframes cannot be decoded on their own: it is not split there, "
    "so fewer encoders can work on it at once."
)
_NO_KEYFRAME = (
    "There is no keyframe for long: the source is not split there, so fewer encoders can work on it at once."
)
_NEVER = 1 << 62
_LONG = 3
"""Of the wanted length: pictures that last longer than this are worth a word, if they stay together."""


class Shape(Value, frozen=True, kw_only=True):
    """How the picture is to be cut, and what its decoder needs."""

    policy: CutPolicy
    parameters: StreamParameters
    frame_ticks: int
    """How long a picture lasts where its packet does not say."""
    interlaced: bool = False
    rolls: bool = False
    """Whether a filter will look at the pictures beside a unit's ends, so that they must come along."""
    folder: str = "."
    most_units: int = 1 << 30
    key_times: tuple[int, ...] = ()
    """Decode times of all keyframes, on the container's timeline, where an index tells them beforehand."""


class Picture:
    """The picture's packets, from the container's timeline to units on the job's timeline.

    Attributes:
        zero: Ticks of the container's timeline at which the job's begins; None until it is known.
        cuts: Where units ended so far, in ticks of the job's timeline.
        end: Where the last picture so far ends.
        units: How many units were written.
        warnings: What the user should know.
    """

    def __init__(self, shape: Shape, writer: Writer) -> None:
        self._shape = shape
        self._writer = writer
        self._window = Window(shape.folder)
        self._prelude: list[tuple[Packet, bool]] | None = []
        self._prelude_bytes = 0
        self._keys: list[tuple[int, int]] = []
        self._forced: list[int] = []
        self._unit_start = 0
        self._unit_first = 0
        self._roll_first = 0
        self._frontier: int | None = None
        self._cut: Cut | None = None
        self._seams = Seams(shape.parameters)
        # Interlaced pictures may come as two packets each: then only decoding can count them.
        self._count_by_decoding: bool | None = None if shape.interlaced else False
        self._late = 0
        self.zero: int | None = None
        self.cuts: list[int] = []
        self.end = 0
        self.units = 0
        self.warnings: list[str] = []

    @property
    def floor(self) -> int:
        """A time before which surely no further cut comes."""
        if self._cut is not None:
            return surely_after(self._cut, self._unit_start, self._shape.policy)
        return no_cut_before(self._seen(ended=False), self._shape.policy) if self._keys else 0

    def add(self, packet: Packet, *, forced: bool = False) -> None:
        """Take the next packet in decode order (with a pts), and write the units that it completes.

        `forced` says that the film must be cut before it, as far as it is a keyframe.
        """
        if self._prelude is None:
            self._take(packet, forced)
            return
        self._prelude.append((packet, forced))
        self._prelude_bytes += len(packet.data)
        self._find_zero(ended=False)

    def finish(self) -> None:
        """Write what is left.

        Raises:
            PermanentError: There was no picture at all.
        """
        if self._prelude is not None:
            self._find_zero(ended=True)
        while self._advance(ended=True):
            pass
        self._write(self.end, last=True)
        if self._late:
            self.warnings.append(f"{self._late} pictures came too late to be shown and were left out.")

    def hold(self, until: int) -> None:
        """Write a unit, after the last one, in which the last picture is shown until `until`, in ticks."""
        if self.units >= self._shape.most_units:
            self.warnings.append("The sound goes on after the last picture, where some players stop.")
            return
        stop = self._window.end
        unit = Stretch(
            n=self.units,
            start=self.end,
            end=until,
            # Where the last unit's decoding begins: that shows everything, a later keyframe may not.
            first=self._roll_first,
            stop=stop,
            next_first=stop,
            frames=0,
            last=True,
            held=True,
        )
        self._writer.write(unit, self._window)
        self.units += 1

    def close(self) -> None:
        """Forget the packets."""
        self._window.close()

    # The beginning.

    def _find_zero(self, *, ended: bool) -> None:
        """Drop what no decoder can show, and let the timeline begin with the first picture shown."""
        assert self._prelude is not None
        first = next((at for at, (one, _) in enumerate(self._prelude) if one.flags & KEYFRAME), None)
        full = len(self._prelude) > _LONGEST_PRELUDE or self._prelude_bytes > _LARGEST_PRELUDE
        if first is None and (ended or full):
            first = 0
        if first is None:
            return
        kept = list(self._decodable(self._prelude[first:]))
        shown = [_pts(one) for one, _ in kept if not one.flags & DISCARD]
        if not shown:
            if ended:
                raise refusals.damaged("it holds no picture that can be shown")
            if full:
                # Nothing needs what lies before the last of the keyframes that are not shown.
                keys = [at for at, (one, _) in enumerate(self._prelude) if one.flags & KEYFRAME]
                self._hold(self._prelude[max(keys, default=0) :])
            return
        frontier = max((one.dts for one, _ in kept if one.dts is not None), default=None)
        # Times of decoding may lie so far before those of showing that nothing ever comes up to the first.
        if ended or full or (frontier is not None and frontier >= min(shown)):
            self.zero, self._prelude = min(shown), None
            for packet, forced in kept:
                self._take(packet, forced)

    def _hold(self, packets: list[tuple[Packet, bool]]) -> None:
        self._prelude, self._prelude_bytes = packets, sum(len(one.data) for one, _ in packets)

    def _decodable(self, packets: Iterable[tuple[Packet, bool]]) -> Iterable[tuple[Packet, bool]]:
        key: int | None = None
        codec, extradata = self._shape.parameters.codec, self._shape.parameters.extradata
        for packet, forced in packets:
            key = _pts(packet) if key is None else key
            leads = _pts(packet) < key and not packet.flags & DISCARD
            if not (leads and pictures.is_skipped_leading(codec, packet.data, extradata)):
                yield packet, forced

    # The middle.

    def _take(self, source: Packet, forced: bool) -> None:
        assert self.zero is not None
        packet = _moved(source, -self.zero)
        pts = _pts(packet)
        entry = Entry(packet=packet, shown=pictures.is_shown(self._shape.parameters.codec, packet.data))
        number = self._window.append(entry)
        # A unit that begins with a picture nobody sees could be one without any.
        if not self._keys or (packet.flags & KEYFRAME and entry.counts and self._seams.may_begin_at(packet)):
            self._keys.append((number, pts))
            if forced and pts > self._unit_start:
                self._forced.append(pts)
        if entry.counts:
            # Leading pictures lie before the frontier that closed their unit; these came after it.
            closed = self._frontier is not None and self._frontier >= self._unit_start
            self._late += bool(self.units and closed and pts < self._unit_start)
            self.end = max(self.end, pts + (packet.duration or self._shape.frame_ticks))
        if packet.dts is not None:
            self._frontier = packet.dts if self._frontier is None else max(self._frontier, packet.dts)
        while self._advance(ended=False):
            pass

    def _advance(self, *, ended: bool) -> bool:
        """Decide on a cut, or carry one out; tell whether there may be more to do."""
        if self._cut is None:
            self._cut = self._decide(ended=ended) if self._keys else None
            return self._cut is not None
        if not (ended or self._is_settled(self._cut.at)):
            return False
        clean = self._is_proven(self._cut, ended=ended)
        if clean is None:
            return False
        cut, self._cut = self._cut, None
        if clean:
            self._write(cut.at, last=False)
        else:
            self._give_up_kinds()
        return True

    def _is_settled(self, at: int) -> bool:
        """Tell whether nothing shown before `at`, or just after it where that matters, is still to come."""
        if self._frontier is None or self._frontier < at:
            return False
        return not self._shape.rolls or len(self._shown_in(at, self._frontier)) >= _ROLL_PACKETS

    def _shown_in(self, start: int, end: int) -> list[int]:
        entries = (entry for _, entry in self._window.entries(self._unit_first))
        return sorted(entry.pts for entry in entries if entry.counts and start <= entry.pts <= end)

    def _decide(self, *, ended: bool) -> Cut | None:
        seen = self._seen(ended=ended)
        forced = next((at for at in self._forced if at > self._unit_start), None)
        if forced is None or not (ended or seen.known >= forced):
            return self._exact(next_cut(seen, self._shape.policy), ended=ended)
        before = tuple(key for key in seen.keys if key < forced)
        until = msgspec.structs.replace(seen, keys=before, known=forced, ended=True)
        return self._exact(next_cut(until, self._shape.policy), ended=ended) or Cut(at=forced)

    def _exact(self, cut: Cut | None, *, ended: bool) -> Cut | None:
        """Move a cut inside a group to the first picture at or after it."""
        if cut is None or not cut.inside:
            return cut
        entries = (entry for _, entry in self._window.entries(self._unit_first) if entry.counts)
        at = min((entry.pts for entry in entries if entry.pts >= cut.at), default=None)
        # A picture before that one may still come as long as decoding has not reached it.
        settled = at is not None and (ended or (self._frontier is not None and self._frontier >= at))
        return Cut(at=at, inside=True) if at is not None and settled else None

    def _seen(self, *, ended: bool) -> Seen:
        start = self._unit_start
        known = self._quiet_until(start if self._frontier is None else self._frontier)
        return Seen(
            start=start,
            key=max((pts for _, pts in self._keys if pts <= start), default=self._keys[0][1]),
            keys=tuple(pts for _, pts in self._keys if pts > start),
            known=self.end if ended else known,
            ended=ended,
        )

    def _quiet_until(self, frontier: int) -> int:
        """Return until when no keyframe comes that is not there yet: none is shown before it is decoded."""
        times = self._shape.key_times
        if not times:
            return frontier
        assert self.zero is not None
        following = bisect_right(times, frontier + self.zero)
        end = self._shape.policy.end
        quiet = times[following] - self.zero if following < len(times) else end
        return frontier if quiet is None else max(frontier, quiet)

    # Whether a cut is clean.

    def _is_proven(self, cut: Cut, *, ended: bool) -> bool | None:
        """Tell whether decoding can end and begin there; None while too little is there to tell."""
        first, (number, _) = self._unit_first, max(key for key in self._keys if key[1] <= cut.at)
        key = self._window.run(number, number + 1)[0] if number > first else None
        doubts = self._seams.doubts(
            key, inside=cut.inside, packets=2 * (self._window.end - first), taken=self._window.end
        )
        if not doubts:
            return True
        stop = self._stop(cut.at)
        if not ended and self._window.end < stop + LOOK:
            return None
        whole = self._window.run(first, stop + LOOK)
        if self._window.size_bytes(first, stop + LOOK) > MOST_BYTES:
            return self._seams.leave_unproven(doubts)
        return self._seams.compare(
            Seam(at=cut.at, whole=whole, entry=number - first, stop=stop - first), doubts
        )

    def _give_up_kinds(self) -> None:
        if _NOT_SEPARABLE not in self.warnings:
            self.warnings.append(_NOT_SEPARABLE)
        first, *others = self._keys
        left = [key for key in others if self._seams.may_begin_at(self._window.run(key[0], key[0] + 1)[0])]
        self._keys = [first, *left]
        if self._seams.inside_refused:
            policy = msgspec.structs.replace(self._shape.policy, inside=False)
            self._shape = msgspec.structs.replace(self._shape, policy=policy)

    def _stop(self, end: int) -> int:
        """Return the number after the last packet in decode order that is shown before `end`."""
        entries = self._window.entries(self._unit_first)
        return (
            max((n for n, entry in entries if entry.counts and entry.pts < end), default=self._unit_first) + 1
        )

    def _count(self, start: int, end: int, stop: int) -> int:
        if self._count_by_decoding is None:
            # Where pictures come as two packets the counts are far apart: the beginning of a long unit tells.
            looked_at = self._window.within(self._unit_first, MOST_BYTES)
            some, until = (stop, end) if looked_at >= stop else (looked_at, _NEVER)
            shown = self._count_decoded(start, until, some)
            self._count_by_decoding = shown != self._count_packets(start, until, some)
        count = self._count_decoded if self._count_by_decoding else self._count_packets
        return count(start, end, stop)

    def _count_packets(self, start: int, end: int, stop: int) -> int:
        entries = (entry for _, entry in self._window.entries(self._unit_first, stop))
        return sum(1 for entry in entries if entry.counts and start <= entry.pts < end)

    def _count_decoded(self, start: int, end: int, stop: int) -> int:
        packets = self._window.run(self._unit_first, stop)
        return decoding.count_pictures(self._shape.parameters, packets, start, end)

    # The result.

    def _write(self, end: int, *, last: bool) -> None:
        if self.units >= self._shape.most_units:
            raise refusals.over_limit(f"more than {self._shape.most_units} units", refusals.MAX_UNITS)
        stop = self._window.end if last else self._stop(end)
        following, key = (stop, end) if last else max(key for key in self._keys if key[1] <= end)
        unit = Stretch(
            n=self.units,
            start=self._unit_start,
            end=end,
            first=self._roll_first,
            stop=self._rolled_out(stop, end),
            next_first=following,
            frames=self._count(self._unit_start, end, stop),
            last=last,
        )
        self._writer.write(unit, self._window)
        self._note_length(unit)
        self.units += 1
        self.cuts.append(end)
        if last:
            return
        before = max((number for number, _ in self._keys if number < following), default=following)
        self._unit_start, self._unit_first = end, following
        self._roll_first = before if self._shape.rolls and key >= end else following
        self._keys = [key for key in self._keys if key[0] >= following]
        self._forced = [at for at in self._forced if at > end]
        self._window.drop_before(self._roll_first)

    def _note_length(self, unit: Stretch) -> None:
        longest = _LONG * self._shape.policy.target
        if unit.end - unit.start <= longest or not self._shape.policy.inside or self.warnings:
            return
        # By its pictures: one that is held for long, or a gap, is nothing that could be split.
        times = self._shown_in(unit.start, unit.end)
        steps = [after - at for at, after in pairwise(times)]
        if steps and unit.frames * median(steps) > longest:
            self.warnings.append(_NO_KEYFRAME)

    def _rolled_out(self, stop: int, end: int) -> int:
        """Return `stop`, or the number after what shows the pictures just after `end` too."""
        if not self._shape.rolls:
            return stop
        shown = self._shown_in(end, _NEVER)[:_ROLL_PACKETS]
        return max(stop, self._stop(shown[-1] + 1)) if shown else stop


def _pts(packet: Packet) -> int:
    assert packet.pts is not None
    return packet.pts


def _moved(packet: Packet, by: int) -> Packet:
    dts = None if packet.dts is None else packet.dts + by
    return msgspec.structs.replace(packet, pts=_pts(packet) + by, dts=dts)
