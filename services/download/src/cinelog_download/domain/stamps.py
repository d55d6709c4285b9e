"""Times of pictures that cannot be, put right as they come: decoders and joints rely on them.

One wrong time must not spoil those after it: what follows tells whether a leap is a gap of the film or
a mistake. Where pictures come in the order in which they are shown, that order is what holds; where
two of them claim the same time, only one can be shown.
"""

from collections import deque
from fractions import Fraction
from itertools import islice, pairwise

import msgspec
from cinelog_common.contract.values import Value

_RECENT = 64
"""Pictures whose times are remembered: more than any codec reorders."""
_REORDERED = 32
"""Pictures that may be shown before one that comes before them: the longest hierarchies in use have 31."""
_JURY = 5
"""Pictures beyond those by whose majority a leap is judged; three are enough, so two may be wrong too."""
_EDGE = _REORDERED // 2
"""Pictures at either end of those looked at whose neighbours may not be among them."""
_USUAL_LEAP = 8
"""Pictures by which times leap all along where there are B-frames: nothing needs to wait for that."""
_NOWHERE = -(1 << 40)
"""Hidden pictures lie before any film, each at a time of its own, so that decoders tell them apart."""


class Stamped(Value, frozen=True, kw_only=True):
    """A packet's times; `hidden` says that its picture is needed only by others."""

    pts: int | None
    dts: int | None
    hidden: bool = False


class _Given(Value, frozen=True, kw_only=True):
    """A packet's times as they came."""

    pts: int | None
    dts: int | None
    shown: bool
    discarded: bool


class Stamps:
    """Looks at one stream's times in decode order, and a few packets ahead where one is in doubt.

    `frame_ticks` is how long a picture lasts; `reordered` says that the codec shows pictures in another
    order than they come in, `decode_times` that the container itself says when to decode them.

    Attributes:
        backwards: Pictures whose times were put right.
        doubles: Pictures that are hidden because another one has their time.
    """

    def __init__(self, frame_ticks: int, *, reordered: bool, decode_times: bool) -> None:
        self._frame_ticks = frame_ticks
        self._depth = _REORDERED if reordered else 0
        self._decode_times = decode_times
        self._held: deque[_Given] = deque()
        self._last: int | None = None
        self._passed: deque[int] = deque(maxlen=_RECENT)
        self._shown: deque[int] = deque(maxlen=_RECENT)
        self._hidden = 0
        self.backwards = 0
        self.doubles = 0

    def add(self, pts: int | None, dts: int | None, *, shown: bool, discarded: bool = False) -> list[Stamped]:
        """Take the next packet and return the times of those that are settled, in the order they came in.

        `shown` says that it yields a picture that is to be seen, `discarded` that what it yields is to be
        thrown away, whatever its times are.
        """
        if self._decode_times and not discarded and None not in (pts, dts) and pts != dts:
            # Codecs do not always say beforehand that they reorder.
            self._depth = _REORDERED
        self._held.append(_Given(pts=pts, dts=dts, shown=shown, discarded=discarded))
        return self._settled(ended=False)

    def finish(self) -> list[Stamped]:
        """Return the times of all others."""
        return self._settled(ended=True)

    def warnings(self) -> list[str]:
        """Return what the user should know."""
        said = []
        if self.backwards:
            said.append(f"The times of {self.backwards} picture(s) ran backwards and were put right.")
        if self.doubles:
            said.append(f"{self.doubles} picture(s) with the time of another one were left out.")
        return said

    def _settled(self, *, ended: bool) -> list[Stamped]:
        settled = []
        while self._held:
            head = self._held[0]
            if head.pts is not None and not head.discarded:
                pts = self._judged(head.pts, ended=ended)
                if pts is None:
                    break
                self.backwards += head.shown and pts != head.pts
                head = msgspec.structs.replace(head, pts=pts)
            self._held.popleft()
            settled.append(self._stamped(head))
        return settled

    # What a picture's time should be, by those around it.

    def _judged(self, pts: int, *, ended: bool) -> int | None:
        """Return the first held picture's time; None as long as too little follows to tell."""
        front = max(self._passed, default=None)
        if front is None:
            return pts if self._depth else self._leapt(pts, None, ended=ended)
        if sum(one > pts for one in self._passed) > self._depth:
            return self._fallen(front, ended=ended)
        usual = (_USUAL_LEAP if self._depth else Fraction(3, 2)) * self._frame_ticks
        return self._leapt(pts, front, ended=ended) if pts - front > usual else pts

    def _leapt(self, pts: int, front: int | None, *, ended: bool) -> int | None:
        """Judge a time far ahead: it is wrong if most of those that follow would go on well without it."""
        following = self._following(self._depth + _JURY)
        between = [one for one in following if one < pts and (front is None or one > front)]
        against, favouring = len(between) - self._depth, sum(one >= pts for one in following)
        # Whatever else comes cannot change a majority: what is sure does not wait.
        sure = max(against, favouring) > _JURY // 2
        if not (sure or ended or self._is_enough(following, self._depth + _JURY)):
            return None
        if against > favouring:
            return self._hole(front, between)
        return pts if self._depth else self._exchanged(pts, front)

    def _fallen(self, front: int, *, ended: bool) -> int | None:
        """Put a time that lies behind what came before it where it belongs."""
        wanted = self._depth + _JURY if self._depth else _JURY // 2 + 1
        following = self._following(wanted)
        if not (ended or self._is_enough(following, wanted)):
            return None
        oldest = min(islice(reversed(self._passed), self._depth)) if self._depth else front
        later = [one for one in following if one > oldest]
        if self._depth and 2 * len(later) > len(following):
            return self._hole(front, later)
        if self._depth or not later:
            # It does not go on from where it was: the least change that keeps the order of the packets.
            return front + 1
        return min(max(front + 1, self._hole(front, later)), front + self._frame_ticks)

    def _hole(self, front: int | None, later: list[int]) -> int:
        """Return the time that is missing among those around."""
        if not self._depth:
            low = min(later) - 2 * self._frame_ticks if front is None else front
            return (low + min(later)) // 2
        # Which of its neighbours it is shown between cannot be told but by the place that they left free.
        # At the edges of what is looked at others are missing too, for now.
        around = sorted({*islice(reversed(self._passed), self._depth), *later})
        first = _EDGE if len(self._passed) > self._depth else 0
        gaps = pairwise(around[first : max(first + 2, len(around) - _EDGE)])
        low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
        return (low + high) // 2

    def _exchanged(self, pts: int, front: int | None) -> int:
        """Sort the first held picture's time and those just behind it that have come to lie before it."""
        places = [at for at, one in enumerate(self._held) if one.pts is not None and not one.discarded]
        times = [self._held[at].pts or 0 for at in places]
        run = next((at for at, one in enumerate(times) if one > pts or (at and one == pts)), len(times))
        if any(front is not None and one <= front for one in times[:run]):
            return pts
        first, *others = sorted(times[:run])
        for at, time in zip(places[1:run], others, strict=True):
            self._held[at] = msgspec.structs.replace(self._held[at], pts=time)
        return first

    def _following(self, count: int) -> list[int]:
        held = islice(self._held, 1, None)
        return list(islice((one.pts for one in held if one.pts is not None and not one.discarded), count))

    def _is_enough(self, following: list[int], wanted: int) -> bool:
        """Tell whether nothing more is to be waited for: what is held must not grow without bounds."""
        return len(following) >= wanted or len(self._held) > 2 * wanted

    # What it gets.

    def _stamped(self, given: _Given) -> Stamped:
        pts, dts = given.pts, given.dts
        if given.discarded:
            # Edit lists repeat packets under times that others have; nothing may be held against those.
            return Stamped(pts=self._nowhere(), dts=self._last, hidden=True)
        if dts is not None:
            ran_back = self._last is not None and dts < self._last
            dts = dts if pts is None else min(dts, pts)
            dts = dts if self._last is None else max(dts, self._last)
            # Times of decoding that libavformat had to invent prove nothing against those of showing.
            if ran_back and pts is not None and pts < dts and (self._decode_times or not self._depth):
                pts = dts = dts + 1
                self.backwards += given.shown
            self._last = dts
        if pts is None:
            return Stamped(pts=None, dts=dts)
        self._passed.append(pts)
        if not given.shown:
            return Stamped(pts=pts, dts=dts)
        if pts in self._shown:
            self.doubles += 1
            return Stamped(pts=self._nowhere(), dts=dts, hidden=True)
        self._shown.append(pts)
        return Stamped(pts=pts, dts=dts)

    def _nowhere(self) -> int:
        self._hidden += 1
        return _NOWHERE - self._hidden
