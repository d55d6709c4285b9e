"""Sets of small integers as runs: a film of hours is one run, not thousands of numbers."""

from bisect import bisect_right
from collections.abc import Iterator

from cinelog_common.contract.values import Value


class IntervalSet(Value, frozen=True, kw_only=True):
    """A set of non-negative integers; `runs` are disjoint, ascending, half-open and never touch."""

    runs: tuple[tuple[int, int], ...] = ()

    def add(self, n: int) -> "IntervalSet":
        """Return the set with `n` in it."""
        if n in self:
            return self
        before = [run for run in self.runs if run[1] < n]
        after = [run for run in self.runs if run[0] > n + 1]
        touching = [run for run in self.runs if run[1] >= n and run[0] <= n + 1]
        start = min((run[0] for run in touching), default=n)
        end = max((run[1] for run in touching), default=n + 1)
        return IntervalSet(runs=(*before, (min(start, n), max(end, n + 1)), *after))

    def __contains__(self, n: int) -> bool:
        index = bisect_right(self.runs, (n, 1 << 62)) - 1
        return index >= 0 and self.runs[index][0] <= n < self.runs[index][1]

    def __len__(self) -> int:
        return sum(end - start for start, end in self.runs)

    def __iter__(self) -> Iterator[int]:
        for start, end in self.runs:
            yield from range(start, end)

    def prefix(self) -> int:
        """Return how many integers from zero on are in the set without a hole."""
        return self.runs[0][1] if self.runs and self.runs[0][0] == 0 else 0

    def reach(self, n: int) -> int:
        """Return the first integer from `n` on that is not in the set."""
        index = bisect_right(self.runs, (n, 1 << 62)) - 1
        return max(n, self.runs[index][1]) if index >= 0 else n

    def between(self, start: int, end: int | None) -> "IntervalSet":
        """Return those from `start` on and before `end`; None for no end."""
        last = self.runs[-1][1] if self.runs else 0
        stop = last if end is None else end
        cut = ((max(start, run[0]), min(stop, run[1])) for run in self.runs)
        return IntervalSet(runs=tuple(run for run in cut if run[0] < run[1]))

    def followed_by(self, other: "IntervalSet") -> "IntervalSet":
        """Return the members of both, where all of `other` lie behind all of this one."""
        if self.runs and other.runs and self.runs[-1][1] == other.runs[0][0]:
            joined = (self.runs[-1][0], other.runs[0][1])
            return IntervalSet(runs=(*self.runs[:-1], joined, *other.runs[1:]))
        return IntervalSet(runs=self.runs + other.runs)

    def beyond(self, n: int) -> Iterator[int]:
        """Yield the integers of the set from `n` on."""
        for start, end in self.runs:
            yield from range(max(n, start), end)
