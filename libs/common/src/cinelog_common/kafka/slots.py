"""Which class of work gets the next free slot. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum


class Priority(StrEnum):
    """How urgent the work of a topic is."""

    HIGH = "high"
    """Somebody waits for it now; where there are several slots, one is kept free for it."""
    NORMAL = "normal"
    """Everything else."""
    BULK = "bulk"
    """May wait, but is never starved: while it waits, at least every eighth start is one of these."""


WEIGHTS: Mapping[Priority, int] = {Priority.HIGH: 4, Priority.NORMAL: 2, Priority.BULK: 1}


_MOST_PASSED_OVER = 7
"""Starts in a row without bulk while it waits: others that come and go would earn more than their share."""


class Slots:
    """Deals out the slots of one process.

    Smooth weighted round-robin: each class that waits earns its weight at every start, the richest that may
    start goes first and pays what all earned together. Bulk so gets one start in seven when all three wait.
    """

    def __init__(self, count: int, classes: Collection[Priority]) -> None:
        self._classes = frozenset(classes)
        self._credit = dict.fromkeys(Priority, 0)
        self._passed_over = 0
        self.resize(count)

    def resize(self, count: int) -> None:
        """Deal out `count` slots from now on; what runs beyond them is left to end."""
        self._count = count
        several = count > 1 and Priority.HIGH in self._classes and len(self._classes) > 1
        self._reserved = 1 if several else 0

    def choose(self, waiting: Collection[Priority], running: Mapping[Priority, int]) -> Priority | None:
        """Return the class to start now, or None if no slot may be given to any that waits."""
        busy = sum(running.values())
        if busy >= self._count:
            return None
        others = busy - running.get(Priority.HIGH, 0)
        open_to_all = others < self._count - self._reserved
        allowed = [p for p in Priority if p in waiting and (open_to_all or p is Priority.HIGH)]
        if not allowed:
            return None
        if not open_to_all:
            return Priority.HIGH  # the reserved slot is outside the shares
        earned = sum(WEIGHTS[p] for p in allowed)
        for priority in Priority:
            self._credit[priority] += WEIGHTS[priority] if priority in allowed else -self._credit[priority]
        starved = Priority.BULK in allowed and self._passed_over >= _MOST_PASSED_OVER
        chosen = Priority.BULK if starved else max(allowed, key=lambda p: self._credit[p])
        self._passed_over = (
            self._passed_over + 1 if Priority.BULK in allowed and chosen != Priority.BULK else 0
        )
        self._credit[chosen] -= earned
        return chosen
