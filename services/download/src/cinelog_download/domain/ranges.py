"""Which bytes to ask for next: what somebody waits for first, then from the front to the back."""

from collections.abc import Iterable

from cinelog_download.domain.intervals import Interval, IntervalSet


class Claim:
    """A range that one request is bringing; `position` moves on as the bytes come."""

    def __init__(self, start: int, stop: int, *, urgent: bool) -> None:
        self.position = start
        self.stop = stop
        self.urgent = urgent
        self.ending = False
        """So little is left that the next request may be sent."""

    @property
    def left(self) -> int:
        """How many bytes are still to come."""
        return self.stop - self.position


class RangePlan:
    """What is there, what is on its way and what somebody waits for, of a source of known size."""

    def __init__(self, size: int, done: IntervalSet) -> None:
        self.size = size
        self._done = done
        self._claims: list[Claim] = []

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self._done.covers(0, self.size)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is on its way."""
        return tuple(self._claims)

    def next_urgent(self, wants: Iterable[Interval], length: int) -> Claim | None:
        """Claim the first stretch that somebody waits for and nobody brings."""
        taken = self._taken()
        for start, stop in wants:
            gap = taken.first_gap(start, min(stop, self.size))
            if gap is not None:
                # More than was asked for: who reads an index goes on reading.
                _, end = taken.first_gap(gap[0], self.size) or gap
                return self._claim(gap[0], min(end, gap[0] + length), urgent=True)
        return None

    def next_in_order(self, length: int) -> Claim | None:
        """Claim the first stretch that is missing, of at most `length` bytes."""
        gap = self._taken().first_gap(0, self.size)
        if gap is None:
            return None
        return self._claim(gap[0], min(gap[1], gap[0] + length), urgent=False)

    def adopt(self, start: int, stop: int) -> Claim:
        """Claim what an answer brings that was asked for before there was a plan."""
        return self._claim(start, min(stop, self.size), urgent=False)

    def keep(self, most: int) -> None:
        """End all requests but so many, those nearest to the front, with what they have brought by now.

        A connection that brings nothing more takes from the front what it brings behind it. Urgent requests
        stay.
        """
        others = [claim for claim in self._claims if not claim.urgent]
        for claim in sorted(others, key=lambda claim: claim.position)[most:]:
            claim.stop = claim.position

    def release(self, claim: Claim) -> None:
        """Give back what of `claim` did not come."""
        self._claims.remove(claim)

    def _claim(self, start: int, stop: int, *, urgent: bool) -> Claim:
        claim = Claim(start, stop, urgent=urgent)
        self._claims.append(claim)
        return claim

    def _taken(self) -> IntervalSet:
        taken = IntervalSet(self._done)
        for claim in self._claims:
            taken.add(claim.position, claim.stop)
        return taken
