"""How damage is told to people."""

from collections.abc import Iterable
from fractions import Fraction

from cinelog_common.contract.values import Value

_SAME_STRETCH_S = 1.0


class UnitCount(Value, frozen=True, kw_only=True):
    """What a unit should show and what its decoder showed, with where it lies, in seconds."""

    n: int
    start_s: float
    end_s: float
    expected: int
    found: int


def damaged_stretches(pts: Iterable[int], time_base: Fraction) -> tuple[str, ...]:
    """Name the stretches of time in which frames are damaged, one sentence each, earliest first."""
    times = sorted({float(tick * time_base) for tick in pts})
    stretches: list[list[float]] = []
    for time in times:
        if stretches and time - stretches[-1][1] <= _SAME_STRETCH_S:
            stretches[-1][1] = time
        else:
            stretches.append([time, time])
    return tuple(_sentence(first, last) for first, last in stretches)


def _sentence(first: float, last: float) -> str:
    if first == last:
        return f"The source is damaged at {first:.2f} s."
    return f"The source is damaged from {first:.2f} s to {last:.2f} s."


def miscount(count: UnitCount) -> str:
    """Say that a unit does not show what it should."""
    return (
        f"From {count.start_s:.2f} s to {count.end_s:.2f} s (unit {count.n}) the source should show "
        f"{count.expected} frames, but {count.found} could be decoded."
    )
