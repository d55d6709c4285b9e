"""Sets of byte positions, as disjoint half-open intervals: what is there, what is asked for."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

Interval = tuple[int, int]


class IntervalSet:
    """A growing set of integers, kept as sorted, disjoint, non-touching `[start, stop)`."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in intervals:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """Add `[start, stop)`; an empty one changes nothing."""
        if start >= stop:
            return
        # All intervals that overlap or touch the new one melt into it.
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def covers(self, start: int, stop: int) -> bool:
        """Tell whether all of `[start, stop)` is in the set; of an empty one it is."""
        if start >= stop:
            return True
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and self._stops[index] >= stop

    def gaps(self, start: int, stop: int) -> Iterator[Interval]:
        """Yield what of `[start, stop)` is missing, in order."""
        index = bisect_right(self._stops, start)
        while start < stop:
            if index == len(self._starts):
                yield start, stop
                return
            if start < self._starts[index]:
                yield start, min(stop, self._starts[index])
            start = self._stops[index]
            index += 1

    def first_gap(self, start: int, stop: int) -> Interval | None:
        """Return the first missing stretch of `[start, stop)`, if there is any."""
        return next(self.gaps(start, stop), None)

    @property
    def total(self) -> int:
        """How many integers are in the set."""
        return sum(self._stops) - sum(self._starts)

    def __iter__(self) -> Iterator[Interval]:
        """Yield the intervals in order."""
        return zip(tuple(self._starts), tuple(self._stops), strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"IntervalSet({list(self)})"
