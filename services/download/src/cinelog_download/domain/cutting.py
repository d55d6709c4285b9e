"""Where a picture is cut into work units.

One rule for files that are complete and for streams that arrive: the cuts depend on the packets
alone, never on when they came, so that a run that is repeated cuts at the same places. It looks
ahead by at most two wanted lengths, so it decides while the bytes still arrive.

A cut is best at a keyframe. Where none comes for long, the group of pictures is cut inside: the
next unit is decoded from the keyframe before it, at most one target length earlier. The first unit
is short, so that encoding starts early, and the last ones are, so that all encoders end together.
"""

from collections.abc import Sequence
from fractions import Fraction

from cinelog_common.contract.values import Value

FIRST_SHARE = Fraction(1, 2)
"""Of the target: the wanted length of the first unit, and the least of the last ones."""
SHORTEST_SHARE = Fraction(1, 2)
"""Of the wanted length: a keyframe that comes earlier is passed over."""
LOOK_AHEAD = Fraction(3, 2)
"""Of the wanted length: without a keyframe for so long the group is cut inside."""
TAIL_UNITS = 3
"""So many units the rest of the film is shared by, once it is short."""


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


def wanted(start: int, policy: CutPolicy) -> int:
    """Return how long the unit that begins at `start` should be."""
    least = max(1, int(policy.target * FIRST_SHARE))
    if start <= 0:
        return least
    if policy.end is None:
        return policy.target
    return min(policy.target, max(least, (policy.end - start) // TAIL_UNITS))


def next_cut(seen: Seen, policy: CutPolicy) -> Cut | None:
    """Return where the unit in hand ends; None while that is open, or if it reaches to the end."""
    want = wanted(seen.start, policy)
    candidates = [key for key in seen.keys if key - seen.start >= want * SHORTEST_SHARE]
    if not candidates:
        return _inside(seen, policy, want)
    best = min(candidates, key=lambda key: (abs(key - seen.start - want), key))
    # A key that is still to come lies beyond `known`: it cannot be nearer once this holds.
    settled = seen.known - seen.start >= want + abs(best - seen.start - want)
    if not (settled or seen.ended or best - seen.start >= want) or _leaves_a_rest(best, seen, policy):
        return None
    return Cut(at=best)


def no_cut_before(seen: Seen, policy: CutPolicy) -> int:
    """Return a time before which the unit in hand surely does not end, for what is cut along with it."""
    want = wanted(seen.start, policy)
    if seen.known - seen.start >= want * LOOK_AHEAD + want * SHORTEST_SHARE:
        return seen.known
    return seen.start


def _inside(seen: Seen, policy: CutPolicy, want: int) -> Cut | None:
    key = seen.keys[-1] if seen.keys else seen.key
    at = min(seen.start + want, key + policy.target)
    if not policy.inside or at - seen.start < want * SHORTEST_SHARE:
        return None
    if seen.known - seen.start < want * LOOK_AHEAD:
        return None
    return Cut(at=at, inside=True)


def _leaves_a_rest(cut: int, seen: Seen, policy: CutPolicy) -> bool:
    # A rest of a few frames costs an encoder's start, and players hardly show its segment.
    end = seen.known if seen.ended else policy.end
    return end is not None and end - cut < policy.target * SHORTEST_SHARE / 4
