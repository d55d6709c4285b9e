"""What this member has told already, so that it does not tell it again with every event.

Decisions look at states, and a state does not know that a fact is on its way back
through the log. Forgetting is always safe: it is told once more.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

REMEMBERED = 10_000

Fact = TypeVar("Fact")


class Told(Generic[Fact]):
    """Facts by subject, as of one generation of the group: another member may tell others in the next."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._generation = -1
        self._facts: dict[Hashable, Fact] = {}

    def knows(self, subject: Hashable, fact: Fact, *, generation: int) -> bool:
        """Whether `fact` is the last that was told of `subject` in this generation."""
        if generation != self._generation:
            self._facts.clear()
            self._generation = generation
        return self._facts.get(subject) == fact

    def forget(self, subject: Hashable) -> None:
        """Let what is told of `subject` be told again."""
        self._facts.pop(subject, None)

    def note(self, subject: Hashable, fact: Fact) -> None:
        """Remember `fact`; the oldest are forgotten beyond the limit."""
        self._facts.pop(subject, None)
        self._facts[subject] = fact
        while len(self._facts) > self._limit:
            del self._facts[next(iter(self._facts))]
