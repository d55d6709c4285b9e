"""Where a long unit is cut into playlist parts."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from cinelog_common.contract.values import Value


class Span(Value, frozen=True, kw_only=True):
    """One presentation interval [start, end), in ticks of the timeline."""

    start: int
    end: int


def plan_parts(pts: Sequence[int], span: Span, longest: int) -> tuple[Span, ...]:
    """Cut `span` into parts of at most `longest` ticks, as even as the frames allow.

    A part begins with a frame, so one that is held for longer than `longest` makes a longer part:
    nothing else would be the frames that the source presents. Parts join without gap or overlap.

    Args:
        pts: When the unit's frames are shown, ascending, all within `span`.
        span: The unit.
        longest: The hard maximum of a playlist segment; positive.
    """
    starts = [span.start]
    while span.end - starts[-1] > longest:
        following = _next_start(pts, starts[-1], span.end, longest)
        if following is None:
            break
        starts.append(following)
    return tuple(Span(start=this, end=after) for this, after in pairwise([*starts, span.end]))


def even_parts(span: Span, longest: int) -> tuple[Span, ...]:
    """Cut `span` into as few parts of at most `longest` ticks as there can be, alike but for rounding."""
    length = span.end - span.start
    count = max(1, -(-length // longest))
    marks = [span.start + length * at // count for at in range(count + 1)]
    return tuple(Span(start=this, end=after) for this, after in pairwise(marks))


def _next_start(pts: Sequence[int], here: int, end: int, longest: int) -> int | None:
    pieces = -(-(end - here) // longest)
    ideal = here + (end - here) // pieces
    # Each part keeps at least the first frame that it has.
    at = max(bisect_left(pts, here) + 1, bisect_right(pts, ideal) - 1)
    return pts[at] if at < len(pts) else None
