"""How broken and lost sound is told to people: by its times, in a bounded number of sentences. Pure."""

from fractions import Fraction

_SAME_STRETCH_S = 1
"""Broken pieces no further apart than this are told of as one stretch, as those of pictures are."""
_TRIMMED_S = 1
"""So much sound before the timeline's zero is nothing to speak of: streams seldom begin together."""
_OVERLAP_S = Fraction(1, 10)
"""So much sound may come twice where stretches of a recording meet: its frames do not end with pictures."""
MOST_NAMED = 20
"""Stretches of one track; a warning travels in records, which are small."""


class Damage:
    """Where one track is broken; `what` names it at the beginning of a sentence, `how` says what is wrong.

    Stretches of less than `least_s` are not worth a word.
    """

    def __init__(
        self, what: str = "The sound", how: str = "is damaged", *, least_s: Fraction = Fraction(0)
    ) -> None:
        self._what = f"{what} {how}"
        self._least_s = least_s
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
        self._forget_short()
        self._last = [start_s, end_s]
        self._count += 1
        if self._count <= MOST_NAMED:
            self._named.append(self._last)

    def sentences(self) -> tuple[str, ...]:
        """Name the stretches, earliest first; the last sentence sums up those that are not named."""
        self._forget_short()
        told = [f"{self._what} {_when(start, end)}." for start, end in self._named]
        more = self._count - len(self._named)
        if more and self._last is not None:
            told.append(
                f"{self._what} in more places than are named here: "
                f"{more} more, up to {float(self._last[1]):.2f} s."
            )
        return tuple(told)

    def _forget_short(self) -> None:
        last = self._last
        if last is not None and last[1] - last[0] < self._least_s:
            self._count -= 1
            if self._named and self._named[-1] is last:
                self._named.pop()
            self._last = None


class Losses:
    """What of one track's sound has no place on the timeline, and what had to be given another one."""

    def __init__(self, what: str = "The sound") -> None:
        self._what = what
        self._early_s = Fraction(0)
        self._overlaps = Damage(what, "overlaps itself and is left out", least_s=_OVERLAP_S)
        self._moved = Damage(what, "has wrong times and is put where it goes on")

    def trim(self, at_s: Fraction, lasts_s: Fraction) -> None:
        """Count what of a piece lies before the timeline's zero."""
        self._early_s += max(Fraction(0), min(lasts_s, -at_s))

    def leave_out(self, at_s: Fraction, lasts_s: Fraction) -> None:
        """Take note of a piece in whose place there is other sound."""
        if at_s + lasts_s > 0:
            self._overlaps.add(at_s, at_s + lasts_s)

    def move(self, at_s: Fraction, lasts_s: Fraction) -> None:
        """Take note of a piece that is at `at_s` now, wherever it said that it was."""
        self._moved.add(at_s, at_s + lasts_s)

    def sentences(self, *, pictured: bool) -> tuple[str, ...]:
        """Say all of it; `pictured` tells whether a picture says where the timeline begins."""
        told = [*self._moved.sentences(), *self._overlaps.sentences()]
        if self._early_s > _TRIMMED_S:
            beginning = "first picture" if pictured else "beginning"
            told.insert(
                0, f"{self._what} before the {beginning} is left out: {float(self._early_s):.1f} s of it."
            )
        return tuple(told)


def _when(start_s: Fraction, end_s: Fraction) -> str:
    first, last = (f"{float(at):.2f} s" for at in (start_s, end_s))
    return f"at {first}" if first == last else f"from {first} to {last}"
