"""Where sound is cut, and what it takes to put decoded sound onto the timeline without a hole.

Times are samples. Fragments are cut near the picture's cuts, so that players switch both together;
a picture unit that is very long must not make a fragment as long, since players fetch them whole.
"""

from bisect import bisect_right
from collections.abc import Sequence

from cinelog_common.contract.values import Value

JITTER_S = 0.02
"""Timestamps wander by less than this where a container rounds them; more is a gap or an overlap."""

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
