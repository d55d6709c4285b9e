"""How broken sound is told to people: by its times, in a bounded number of sentences. Pure."""

from fractions import Fraction

_SAME_STRETCH_S = 1
"""Broken pieces no further apart than this are told of as one stretch, as those of pictures are."""
MOST_NAMED = 20
"""Stretches of one track; a warning travels in records, which are small."""


class Damage:
    """Where one track is broken; `what` names it at the beginning of a sentence."""

    def __init__(self, what: str = "The sound") -> None:
        self._what = what
        self._named: list[list[Fraction]] = []
        self._last: list[Fraction] | None = None
        self._count = 0

    def add(self, start_s: Fraction, end_s: Fraction) -> None:
        """Take note of a broken piece; pieces come in the order of time, or nearly so."""
        # What is before the timeline's zero is not heard.
        start_s = max(Fraction(0), start_s)
        end_s = max(start_s, end_s)
        last = self._last
        if last is not None and start_s - last[1] <= _SAME_STRETCH_S:
            last[:] = min(start_s, last[0]), max(end_s, last[1])
            return
        self._last = [start_s, end_s]
        self._count += 1
        if self._count <= MOST_NAMED:
            self._named.append(self._last)

    def sentences(self) -> tuple[str, ...]:
        """Name the stretches, earliest first; the last sentence sums up those that are not named."""
        told = [f"{self._what} is damaged {_when(start, end)}." for start, end in self._named]
        more = self._count - len(self._named)
        if more and self._last is not None:
            told.append(
                f"{self._what} is damaged in more places than are named here: "
                f"{more} more, up to {float(self._last[1]):.2f} s."
            )
        return tuple(told)


def _when(start_s: Fraction, end_s: Fraction) -> str:
    first, last = (f"{float(at):.2f} s" for at in (start_s, end_s))
    return f"at {first}" if first == last else f"from {first} to {last}"
