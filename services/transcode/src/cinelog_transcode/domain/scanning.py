"""What the times of a unit's packets tell before anything is decoded."""

from bisect import bisect_right, insort
from collections.abc import Sequence

MOST_REORDERED = 16
"""H.264 A.4.2: no picture is held back for more than 16 others."""


def reorder_depth(pts: Sequence[int]) -> int:
    """Return how many packets, in decode order, come before one that is shown before them, at most."""
    seen: list[int] = []
    deepest = 0
    for time in pts:
        deepest = max(deepest, len(seen) - bisect_right(seen, time))
        insort(seen, time)
        # Only the latest times can still be overtaken by what a sound stream brings.
        del seen[: -2 * MOST_REORDERED]
    return min(deepest, MOST_REORDERED)
