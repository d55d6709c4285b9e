"""How alike the result is to its source, from what was measured of each unit. Pure."""

from collections.abc import Mapping, Sequence
from math import sqrt

from cinelog_common.contract.quality import QualityGoal, RenditionQuality, UnitQuality
from cinelog_common.contract.sidecars import Sidecar
from cinelog_common.contract.values import Value

MOST_OUTLIERS = 20
_FAR = {"ssim": 0.01, "xpsnr": 1.5}
"""A unit is worth a look only if it lies so far below the mean, and beyond two deviations."""
_SLACK = {"ssim": 0.005, "xpsnr": 0.5}
"""What a unit may fall short of the target: its content differs from what was tried."""
_UNITS = {"xpsnr": " dB"}


class Measured(Value, frozen=True, kw_only=True):
    """The units of one rendition, in order."""

    name: str
    sidecars: tuple[Sidecar, ...]


def judged(
    measured: Sequence[Measured], goal: QualityGoal, source_bytes: int | None
) -> tuple[RenditionQuality, ...]:
    """Return how each rendition turned out; one of which nothing was measured is left out."""
    found = (_judged(one, goal, source_bytes) for one in measured)
    return tuple(one for one in found if one is not None)


def _judged(one: Measured, goal: QualityGoal, source_bytes: int | None) -> RenditionQuality | None:
    known = [_unit(sidecar) for sidecar in one.sidecars if sidecar.quality is not None]
    frames = [_frames(sidecar) for sidecar in one.sidecars if sidecar.quality is not None]
    if not known or not sum(frames):
        return None
    pairs = tuple(zip(known, frames, strict=True))
    mean = sum(unit.value * count for unit, count in pairs) / sum(frames)
    deviation = sqrt(sum((unit.value - mean) ** 2 * count for unit, count in pairs) / sum(frames))
    missed = [unit for unit in known if _misses(unit.value, goal)]
    far = mean - max(2 * deviation, _FAR.get(goal.metric, 0.0))
    odd = sorted((unit for unit in known if unit.value < far or unit in missed), key=lambda it: it.value)
    size = sum(part.size_bytes for sidecar in one.sidecars for part in sidecar.parts if not sidecar.held)
    return RenditionQuality(
        name=one.name,
        metric=goal.metric,
        mean=round(mean, 5),
        lowest=round(min(unit.value for unit in known), 5),
        units=len(known),
        size_bytes=size,
        target=goal.target,
        missed=len(missed),
        outliers=tuple(sorted(odd[:MOST_OUTLIERS], key=lambda unit: unit.n)),
        source_bytes=source_bytes or None,
        size_ratio=round(size / source_bytes, 4) if source_bytes else None,
    )


def warnings_of(
    qualities: Sequence[RenditionQuality], renditions: Sequence[str], goal: QualityGoal
) -> tuple[str, ...]:
    """Return what the user should know: what could not be measured, and what missed the target."""
    by_name: Mapping[str, RenditionQuality] = {one.name: one for one in qualities}
    said = []
    blank = [name for name in renditions if name not in by_name]
    if blank:
        said.append(f"The quality of {', '.join(blank)} could not be measured.")
    said += [_miss(one, goal) for one in qualities if one.missed or _misses(one.mean, goal)]
    return tuple(said)


def _miss(one: RenditionQuality, goal: QualityGoal) -> str:
    unit = _UNITS.get(goal.metric, "")
    what = goal.metric.upper()
    reached = f"{one.name} reached an {what} of {one.mean:.4g}{unit} where {goal.target:g}{unit} was wanted"
    if not one.missed:
        return f"{reached}."
    worst = min(one.outliers, key=lambda each: each.value)
    place = f"{worst.start_s:.1f} to {worst.end_s:.1f} s"
    return f"{reached}; {one.missed} of {one.units} segments lie below it, that from {place} the most."


def _misses(value: float, goal: QualityGoal) -> bool:
    return goal.target is not None and value < goal.target - _SLACK.get(goal.metric, 0.0)


def _unit(sidecar: Sidecar) -> UnitQuality:
    first, last = sidecar.parts[0], sidecar.parts[-1]
    return UnitQuality(
        n=sidecar.n,
        start_s=round(first.start / sidecar.timescale, 3),
        end_s=round(last.end / sidecar.timescale, 3),
        value=round(sidecar.quality or 0.0, 5),
    )


def _frames(sidecar: Sidecar) -> int:
    return sum(part.frames for part in sidecar.parts)
