"""One monotonic timeline per input, whatever its container does with timestamps.

MPEG transport and program streams count in 33 bits and may jump anywhere; all other containers mean
what they say, so their gaps are kept (a gap is part of the film).
"""

from fractions import Fraction

from cinelog_common.contract.values import Value

WRAP = 1 << 33
"""ISO/IEC 13818-1 2.4.3.7: PTS and DTS are 33 bits wide."""
LONGEST_GAP_S = 10
"""A stream that jumps further ahead than this was spliced; less may be lost packets."""
LARGEST_STEP_BACK_S = Fraction(1, 10)
SPLICE_SKEW_S = 1
"""How far apart sound and picture of one splice may lie to share its offset."""


class Placed(Value, frozen=True, kw_only=True):
    """A packet's times on the timeline; `spliced` says that the film was cut just before it."""

    pts: int | None
    dts: int | None
    spliced: bool = False


class Splices:
    """The offsets that all streams of one input share: the latest one, and which it is."""

    def __init__(self) -> None:
        self.offset_s = Fraction(0)
        self.count = 0


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

    def place(self, pts: int | None, dts: int | None, duration: int) -> Placed:
        """Return where the packet lies; packets come in decode order."""
        raw = dts if dts is not None else pts
        if raw is None:
            return Placed(pts=None, dts=None)
        spliced = self._jumpy and self._mend(raw)
        shift = self._offset + self._wraps
        own = raw + shift
        self._last, self._next = own, own + max(duration, 0)
        return Placed(
            pts=None if pts is None else pts + shift,
            dts=None if dts is None else dts + shift,
            spliced=spliced,
        )

    def _mend(self, raw: int) -> bool:
        if self._last is None:
            self._adopt()
            return False
        step = raw + self._offset + self._wraps - self._last
        if step < -WRAP // 2:
            self._wraps += WRAP
            step += WRAP
        if -LARGEST_STEP_BACK_S / self._time_base <= step <= LONGEST_GAP_S / self._time_base:
            return False
        if not self._follows_splice(raw):
            self._offset += self._next - (raw + self._offset + self._wraps)
            self._splices.offset_s = self._offset * self._time_base
            self._splices.count += 1
        self._epoch = self._splices.count
        return True

    def _follows_splice(self, raw: int) -> bool:
        if self._epoch == self._splices.count:
            return False
        offset = round(self._splices.offset_s / self._time_base)
        skew = abs(raw + offset + self._wraps - self._next) * self._time_base
        if skew > SPLICE_SKEW_S:
            return False
        self._offset = offset
        return True

    def _adopt(self) -> None:
        self._offset = round(self._splices.offset_s / self._time_base)
        self._epoch = self._splices.count
