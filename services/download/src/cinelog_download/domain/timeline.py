"""One monotonic timeline per input, whatever its container does with timestamps.

MPEG transport and program streams count in 33 bits and may jump anywhere; all other containers mean
what they say, so their gaps are kept (a gap is part of the film). Where all streams of an input jump,
it was spliced; one that jumps alone, to where the others already are, only had nothing to say.
"""

from collections import deque
from fractions import Fraction

from cinelog_common.contract.values import Value

WRAP = 1 << 33
"""ISO/IEC 13818-1 2.4.3.7: PTS and DTS are 33 bits wide."""
LONGEST_GAP_S = 10
"""A stream that jumps further ahead than this was spliced; less may be lost packets."""
LARGEST_STEP_BACK_S = Fraction(1, 10)
SPLICE_SKEW_S = 1
"""How far apart sound and picture of one splice may lie to share its offset."""
LONGEST_HOLD_S = 60
"""ISO/IEC 13818-1 2.4.2: no still picture waits longer; a stream that jumps further was spliced."""
_REORDERED = 16
"""Pictures that a codec holds back at most to show them later (ITU-T H.264 A.3.1)."""


class Placed(Value, frozen=True, kw_only=True):
    """A packet's times on the timeline; `spliced` says that the film was cut just before it."""

    pts: int | None
    dts: int | None
    spliced: bool = False


class Splices:
    """What all streams of one input share: the latest offset, which it is, and how far each has come."""

    def __init__(self) -> None:
        self.offset_s = Fraction(0)
        self.count = 0
        self._reached_s: dict[StreamTimes, Fraction] = {}

    def reach(self, stream: "StreamTimes", at_s: Fraction) -> None:
        """Note where on the timeline a stream has come to."""
        self._reached_s[stream] = at_s

    def reached_s(self, besides: "StreamTimes") -> Fraction | None:
        """Return where the furthest of the other streams has come to; None if it is alone."""
        return max((at for one, at in self._reached_s.items() if one is not besides), default=None)


class StreamTimes:
    """Places one stream's packets; `jumpy` for containers whose timestamps may wrap and jump."""

    def __init__(self, time_base: Fraction, splices: Splices, *, jumpy: bool) -> None:
        self._time_base = time_base
        self._splices = splices
        self._jumpy = jumpy
        self._epoch = splices.count
        self._offset = 0
        self._wraps = 0
        self._last: int | None = None
        self._next = 0
        self._leapt = False
        self._shown: deque[int] = deque(maxlen=_REORDERED)

    def place(self, pts: int | None, dts: int | None, duration: int, *, key: bool = True) -> Placed:
        """Return where the packet lies; packets come in decode order, `key` ones need no other."""
        raw = dts if dts is not None else pts
        if raw is None:
            return Placed(pts=None, dts=None)
        spliced = self._jumpy and self._mend(raw, key=key)
        shift = self._offset + self._wraps
        own = raw + shift
        self._last, self._next = own, own + max(duration, 0)
        self._splices.reach(self, own * self._time_base)
        if pts is not None:
            self._shown.append(pts + shift)
        return Placed(
            pts=None if pts is None else pts + shift,
            dts=None if dts is None else dts + shift,
            spliced=spliced,
        )

    def _mend(self, raw: int, *, key: bool) -> bool:
        if self._last is None:
            self._adopt()
            return False
        step = raw + self._offset + self._wraps - self._last
        if step < -WRAP // 2:
            self._wraps += WRAP
            step += WRAP
        if -LARGEST_STEP_BACK_S / self._time_base <= step <= LONGEST_GAP_S / self._time_base:
            self._leapt = self._leapt or step * self._time_base > SPLICE_SKEW_S
            return False
        if self._comes_back(step):
            return False
        if not self._follows_splice(raw):
            if step > 0 and self._is_gap(step, key=key):
                return False
            self._offset += self._next - (raw + self._offset + self._wraps)
            self._splices.offset_s = self._offset * self._time_base
            self._splices.count += 1
        self._epoch = self._splices.count
        return True

    def _is_gap(self, step: int, *, key: bool) -> bool:
        """Tell whether a long step ahead is part of the film."""
        assert self._last is not None
        at = self._last + step
        if self._is_expected(at):
            return True
        if step * self._time_base > LONGEST_HOLD_S:
            return False
        # Pictures shown from there on were decoded before: a splice would have moved them as well.
        promised = max(self._shown, default=at - 1) >= at
        # No film goes on after a splice with a picture that needs those before it, unless it was damaged.
        alone = self._splices.reached_s(besides=self) is None
        return promised or (alone and not key)

    def _comes_back(self, step: int) -> bool:
        """Tell whether it leapt ahead of all others, by a wrong time, and is now beside them again."""
        others_s = self._splices.reached_s(besides=self)
        if not self._leapt or others_s is None or self._last is None:
            return False
        before_s, at_s = self._last * self._time_base, (self._last + step) * self._time_base
        if before_s <= others_s + SPLICE_SKEW_S or abs(at_s - others_s) > SPLICE_SKEW_S:
            return False
        self._leapt = False
        return True

    def _is_expected(self, at: int) -> bool:
        """Tell whether the other streams have come to `at`: then this one was only silent, or held."""
        others_s = self._splices.reached_s(besides=self)
        return others_s is not None and at * self._time_base <= others_s + SPLICE_SKEW_S

    def _follows_splice(self, raw: int) -> bool:
        if self._epoch == self._splices.count:
            return False
        offset = round(self._splices.offset_s / self._time_base)
        at = raw + offset + self._wraps
        ahead_s = (at - self._next) * self._time_base
        if ahead_s < -SPLICE_SKEW_S or (ahead_s > SPLICE_SKEW_S and not self._is_expected(at)):
            return False
        self._offset = offset
        return True

    def _adopt(self) -> None:
        self._offset = round(self._splices.offset_s / self._time_base)
        self._epoch = self._splices.count
