"""Times of pictures that cannot be, put right as they come: decoders and joints rely on them.

Where a recorder or a bad cut let times of decoding run backwards, the order of the packets is what
holds; where two pictures claim the same time, only one of them can be shown.
"""

from collections import deque

from cinelog_common.contract.values import Value

_RECENT = 64
"""Shown pictures whose times are remembered: more than any codec reorders."""
_NOWHERE = -(1 << 40)
"""Hidden pictures lie before any film, each at a time of its own, so that decoders tell them apart."""


class Stamped(Value, frozen=True, kw_only=True):
    """A packet's times; `hidden` says that its picture is needed only by others."""

    pts: int | None
    dts: int | None
    hidden: bool = False


class Stamps:
    """Looks at one stream's times in decode order.

    Attributes:
        backwards: Pictures whose times were put right.
        doubles: Pictures that are hidden because another one has their time.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._recent: deque[int] = deque(maxlen=_RECENT)
        self.backwards = 0
        self.doubles = 0

    def mend(self, pts: int | None, dts: int | None, *, shown: bool) -> Stamped:
        """Return the times of the next packet; `shown` says that it yields a picture that is to be seen."""
        if dts is not None and self._last is not None and dts < self._last:
            dts = self._last
            if pts is not None and pts < dts:
                # Both times were one: the least change that keeps the order of the packets.
                pts = dts = dts + 1
                self.backwards += shown
        self._last = self._last if dts is None else dts
        if pts is None or not shown:
            return Stamped(pts=pts, dts=dts)
        if pts in self._recent:
            self.doubles += 1
            return Stamped(pts=_NOWHERE - self.doubles, dts=dts, hidden=True)
        self._recent.append(pts)
        return Stamped(pts=pts, dts=dts)

    def warnings(self) -> list[str]:
        """Return what the user should know."""
        said = []
        if self.backwards:
            said.append(f"The times of {self.backwards} picture(s) ran backwards and were put right.")
        if self.doubles:
            said.append(f"{self.doubles} picture(s) with the time of another one were left out.")
        return said
