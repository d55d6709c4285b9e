"""How many units a device takes at a time: learnt from its refusals, as no driver tells it beforehand."""

GROW_AFTER_S = 600.0
"""After so long without a refusal one more is tried: sessions that others held may be free again."""


class SessionLimit:
    """A limit that shrinks to what ran when one more was refused, and grows back by one now and then.

    A refusal alone proves nothing about sessions: what a device refuses for its size it refuses also when
    nothing else runs. So a limit is on trial until the unit that was refused has got through below it, and
    is dropped if that one is refused alone.
    """

    def __init__(self, most: int, *, grow_after_s: float = GROW_AFTER_S) -> None:
        """`most` units are let in as long as nothing is refused; at least one always is."""
        self._most = max(1, most)
        self._proven = self._most
        self._trial: int | None = None
        self._grow_after_s = grow_after_s
        self._since = 0.0

    @property
    def units(self) -> int:
        """Units that may run now; 1 at least."""
        return self._proven if self._trial is None else self._trial

    def refused(self, others: int, now: float) -> bool:
        """Note that a unit was refused while `others` ran; return whether it may get through once one ends.

        Args:
            others: Units of this worker that the device was busy with.
            now: Seconds of a clock that only goes forward.
        """
        self._since = now
        if others < 1:
            self._trial = None
            return False
        self._trial = min(self.units, others)
        return True

    def passed(self, now: float) -> bool:
        """Note that a unit that was refused got through; return whether that taught a smaller limit."""
        if self._trial is None:
            return False
        smaller = self._trial < self._proven
        self._proven, self._trial, self._since = self._trial, None, now
        return smaller

    def grow(self, now: float) -> bool:
        """Let one more in if nothing was refused for long; return whether the limit has changed."""
        if self.units == self._most or now - self._since < self._grow_after_s:
            return False
        # A trial that is so old was never decided: its unit was cancelled, or failed for another reason.
        self._proven = self._proven if self._trial is not None else self._proven + 1
        self._trial, self._since = None, now
        return True
