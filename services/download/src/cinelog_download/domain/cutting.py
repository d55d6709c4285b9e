"""Where a picture is cut into work units.

One rule for files that are complete and for streams that arrive: the cuts depend on the packets
alone, never on when they came, so that a run that is repeated cuts at the same places. It looks
ahead by at most two wanted lengths, so it decides while the bytes still arrive.

A cut is best at a keyframe. Where none comes for long, the group of pictures is cut inside: the
next unit is decoded from the keyframe before it, at most one target length earlier. That decodes
pictures twice, which of 1080p costs a tenth of encoding them, so a unit of up to twice its wanted
length is left whole. The first unit is short, so that encoding starts early, and the last ones are,
so that all encoders end together.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from cinelog_common.contract.values import Value

FIRST_SHARE = Fraction(1, 2)
"""Of the target: the wanted length of the first unit, and the least of the last ones."""
FIRST_OF_FILM, FIRST_LEAST = Fraction(1, 20), Fraction(1, 8)
"""Of a short film: the wanted length of the first unit, but at least this of the target: on a slow link
encoding should begin long before a seventh of the bytes is there."""
SHORTEST, LONGEST = Fraction(1, 2), Fraction(2)
"""Of the wanted length: keyframes between these are candidates; without any, the group is cut inside."""
REST = Fraction(5, 4)
"""Of the wanted length: what is left of the film is not cut again if it is no longer."""
TAIL_UNITS, TAIL_UNITS_INSIDE = 3, 2
"""So many units the rest of the film is shared by, once it is short; fewer where it has no keyframes."""


class CutPolicy(Value, frozen=True, kw_only=True):
    """How long units should be, in ticks; `end` is where the picture is said to end, if it is known.

    `inside` allows cuts within a group of pictures (not where packets are passed through).
    """

    target: int
    end: int | None = None
    inside: bool = True


class Seen(Value, frozen=True, kw_only=True):
    """What is known of the picture after `start`, where the unit in hand begins.

    `key` is the last keyframe at or before `start`, `keys` are those after it, in order; up to
    `known` no further keyframe can come, and `ended` says that none comes at all.
    """

    start: int
    key: int
    keys: Sequence[int]
    known: int
    ended: bool = False


class Cut(Value, frozen=True, kw_only=True):
    """The unit ends at `at`: at a keyframe, or else at the first picture at or after it."""

    at: int
    inside: bool = False


@lru_cache(maxsize=64)
def wanted(start: int, policy: CutPolicy) -> int:
    """Return how long the unit that begins at `start` should be."""
    least = max(1, int(policy.target * FIRST_SHARE))
    if start <= 0:
        return least if policy.end is None else _first(least, policy)
    return _share(start, policy, TAIL_UNITS)


def _share(start: int, policy: CutPolicy, units: int) -> int:
    """Return the target, or less if what is left is shared by so many units."""
    if policy.end is None:
        return policy.target
    least = max(1, int(policy.target * FIRST_SHARE))
    return min(policy.target, max(least, (policy.end - start) // units))


def _first(most: int, policy: CutPolicy) -> int:
    assert policy.end is not None
    return max(1, min(most, max(int(policy.target * FIRST_LEAST), int(policy.end * FIRST_OF_FILM))))


def next_cut(seen: Seen, policy: CutPolicy) -> Cut | None:
    """Return where the unit in hand ends; None while that is open, or if it reaches to the end.

    A decision uses only what was known when it first could be made: asking late changes nothing.
    """
    want = wanted(seen.start, policy)
    if policy.end is not None and 0 < policy.end - seen.start <= want * REST:
        # Said to be nearly over; if it is not, what follows is cut like any other stretch.
        return next((Cut(at=key) for key in seen.keys if key > policy.end), None)
    near = (key for key in seen.keys if SHORTEST * want <= key - seen.start <= LONGEST * want)
    candidates = [key for key in near if not _leaves_a_rest(key, want, policy)]
    if not candidates:
        return _without_candidates(seen, policy, want)
    best = min(candidates, key=lambda key: (abs(key - seen.start - want), key))
    # A key that is still to come lies beyond `known`: it cannot be nearer once this holds.
    if seen.known - seen.start >= want + abs(best - seen.start - want):
        return Cut(at=best)
    if seen.ended and seen.known - seen.start > want * REST:
        return Cut(at=best)
    return None


def no_cut_before(seen: Seen, policy: CutPolicy) -> int:
    """Return a time before which the unit in hand surely does not end, for what is cut along with it."""
    cut = next_cut(seen, policy)
    if cut is not None:
        return surely_after(cut, seen.start, policy)
    want = wanted(seen.start, policy)
    return seen.known if seen.known - seen.start > want * LONGEST else seen.start


def surely_after(cut: Cut, start: int, policy: CutPolicy) -> int:
    """Return a time before which the unit does not end, even if decoding shows that it cannot end at `cut`.

    In place of a cut that is near, an earlier one may come: at a keyframe that was less near, or inside
    the group. Far away lie only keyframes that no other could compete with: what follows one of them
    comes later.
    """
    return cut.at if cut.at - start > wanted(start, policy) * LONGEST else start


def planned_units(keys: Sequence[int], policy: CutPolicy) -> int | None:
    """Return how many units a picture that is said to end will have; None if nobody knows its end.

    `keys` are all keyframes, in order, if they are known beforehand. Where they are not, a keyframe
    is expected wherever one is wanted.
    """
    if policy.end is None or policy.end <= 0:
        return None
    if not keys:
        return -(-policy.end // policy.target)
    units, start = 1, 0
    while True:
        following = bisect_right(keys, start)
        # One beyond all candidates is enough, else hours of nothing but keyframes would be gone through
        # for each unit: if even that one leaves too little of the film, those after it do, too.
        beyond = bisect_right(keys, start + LONGEST * wanted(start, policy), lo=following)
        seen = Seen(
            start=start,
            key=keys[max(0, following - 1)],
            keys=keys[following : beyond + 1],
            known=policy.end,
            ended=True,
        )
        cut = next_cut(seen, policy)
        if cut is None or cut.at >= policy.end:
            return units
        units, start = units + 1, cut.at


def _without_candidates(seen: Seen, policy: CutPolicy, want: int) -> Cut | None:
    # A keyframe at `known` itself may still come, and would be near enough.
    if seen.known - seen.start <= LONGEST * want:
        return None
    early = [key for key in seen.keys if key - seen.start < SHORTEST * want]
    key = early[-1] if early else seen.key
    inside = want if seen.start <= 0 else _share(seen.start, policy, TAIL_UNITS_INSIDE)
    at = min(seen.start + inside, key + policy.target)
    if policy.inside and at - seen.start >= SHORTEST * want:
        return Cut(at=at, inside=True)
    later = (key for key in seen.keys if key > seen.start + want)
    return next((Cut(at=key) for key in later if not _leaves_a_rest(key, want, policy)), None)


def _leaves_a_rest(cut: int, want: int, policy: CutPolicy) -> bool:
    # A few frames cost an encoder's start, and players hardly show their segment.
    return policy.end is not None and 0 < policy.end - cut < SHORTEST * want
