"""Where sound is cut, and what it takes to put decoded sound onto the timeline without a hole.

Times are samples. Fragments are cut near the picture's cuts, so that players switch both together;
a picture unit that is very long must not make a fragment as long, since players fetch them whole.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import Generic, TypeVar

from cinelog_common.contract.values import Value

JITTER_S = 0.02
"""Timestamps wander by less than this where a container rounds them; more is a gap or an overlap."""

LEAP_S = Fraction(1)
"""Sound further than this from where it would go on is believed only when what follows it agrees."""

MOST_HELD = 32
"""Pieces that wait for that: more than a PES packet or a laced block brings with one wrong time."""

LEAST = 0.1
"""Of the wanted length: so short may a fragment be. The picture's first unit is an eighth of it at least."""


class Step(Value, frozen=True, kw_only=True):
    """What to do with a piece of sound: first so much silence, then drop so many of its samples."""

    silence: int = 0
    drop: int = 0


def place(position: int, expected: int, *, rate: int, exact: bool = False) -> Step:
    """Decide how a piece that belongs at `position` follows sound that reaches to `expected`.

    The very beginning is exact, and so is what `exact` asks for: where one recording follows another
    nothing wanders, and what is not mended there stays wrong to the end. Elsewhere, what is less than
    the jitter apart is taken as continuous.
    """
    apart = position - expected
    tolerance = rate * JITTER_S if expected and not exact else 0
    if abs(apart) <= tolerance:
        return Step()
    return Step(silence=apart) if apart > 0 else Step(drop=-apart)


T = TypeVar("T")


class Placed(Value, Generic[T], frozen=True, kw_only=True):
    """A piece of sound and where it belongs; `at_s` None: where the last one ended.

    `odd` says that its own time was wrong, `left_out` that there is no room for it then.
    """

    piece: T
    at_s: Fraction | None
    lasts_s: Fraction
    odd: bool = False
    left_out: bool = False


class Leaps(Generic[T]):
    """Tells sound that is elsewhere, as after a gap, from sound that only says so.

    One wrong time would otherwise make silence up to there, and leave no room for all that is right.
    Depends on the pieces' order and times alone, not on when they came.
    """

    def __init__(self) -> None:
        self._flow_s: Fraction | None = None
        self._held: list[Placed[T]] = []
        self._held_s = Fraction(0)
        self._held_end_s = Fraction(0)
        self._agreed = False

    def add(self, piece: T, at_s: Fraction | None, lasts_s: Fraction) -> list[Placed[T]]:
        """Take the next piece, which says that it begins at `at_s`; return what can be placed now."""
        said = Placed(piece=piece, at_s=at_s, lasts_s=lasts_s)
        if not self._held:
            return self._go_on(said)
        if at_s is None:
            return self._hold(said)
        flow_s = self._flow_s or Fraction(0)
        # It follows what is held, or it follows what was before that, with the held or without it.
        from_held = abs(at_s - self._held_end_s)
        from_flow = min(abs(at_s - flow_s), abs(at_s - flow_s - self._held_s))
        if from_held <= LEAP_S and from_held <= from_flow:
            self._agreed = True
            return self._hold(said)
        if from_flow <= LEAP_S or self._flow_s is None:
            return self._disbelieve(before_s=at_s) + self._go_on(said)
        # Two leaps in a row: the first one had its witness, or had none.
        return self.finish() + self._go_on(said)

    def finish(self) -> list[Placed[T]]:
        """Decide on what is held, as nothing more comes."""
        # A lone piece has no witness, unless it is all that there is.
        return self._believe() if self._agreed or self._flow_s is None else self._disbelieve()

    def _go_on(self, said: Placed[T]) -> list[Placed[T]]:
        flow_s = self._flow_s or Fraction(0)
        at_s = flow_s if said.at_s is None else said.at_s
        # Before the beginning there is nothing to leap from: sound may well begin before the picture.
        if at_s - flow_s > LEAP_S or (self._flow_s is not None and flow_s - at_s > LEAP_S):
            return self._hold(said)
        self._flow_s = at_s + said.lasts_s
        return [said]

    def _hold(self, said: Placed[T]) -> list[Placed[T]]:
        self._held.append(said)
        self._held_s += said.lasts_s
        self._held_end_s = (self._held_end_s if said.at_s is None else said.at_s) + said.lasts_s
        if len(self._held) >= MOST_HELD or (self._agreed and self._held_s >= LEAP_S):
            return self._believe()
        return []

    def _believe(self) -> list[Placed[T]]:
        self._flow_s = self._held_end_s if self._held else self._flow_s
        return self._release()

    def _disbelieve(self, before_s: Fraction | None = None) -> list[Placed[T]]:
        """Place what is held where it goes on, if that is possible with what begins at `before_s`."""
        end_s = (self._flow_s or Fraction(0)) + self._held_s
        # Times are rounded, but half of a piece cannot be that.
        slack_s = min(Fraction(JITTER_S), self._held_s / 2)
        room = before_s is None or end_s <= before_s + slack_s
        self._flow_s = end_s if room else self._flow_s
        return [
            Placed(piece=one.piece, at_s=None, lasts_s=one.lasts_s, odd=True, left_out=not room)
            for one in self._release()
        ]

    def _release(self) -> list[Placed[T]]:
        held, self._held = self._held, []
        self._held_s, self._agreed = Fraction(0), False
        return held


class Grid(Value, frozen=True, kw_only=True):
    """How long fragments are: `step` where nothing else says so, never longer than `longest`."""

    step: int
    longest: int


class PictureCuts(Value, frozen=True, kw_only=True):
    """The picture's cuts so far, in order, and a time before which surely no further one comes.

    `floor` None says that there is none at all any more.
    """

    at: Sequence[int] = ()
    floor: int | None = None


def next_cut(last: int, cuts: PictureCuts, grid: Grid) -> int | None:
    """Return where the fragment that begins at `last` ends; None while that is open.

    Depends on the cuts alone, not on when they became known.
    """
    index = bisect_right(cuts.at, last + int(grid.step * LEAST))
    if index < len(cuts.at) and cuts.at[index] - last <= grid.longest:
        return cuts.at[index]
    settled = cuts.floor is None or cuts.floor - last > grid.longest or index < len(cuts.at)
    return last + grid.step if settled else None
