"""Looking for the constant quality that reaches a target: which to try next, and what to settle on."""

from collections.abc import Sequence

import msgspec
from cinelog_common.contract.values import Recipe

LOWEST_CRF = 10
_TOLERANCE = 0.0005
_PROBES = 3


class QualitySearch:
    """Bisects between a very good quality and the worst; similarity falls as crf grows.

    Begins around the recipe's own quality, which the profile chose with experience. At most
    `_PROBES` rounds of one or two measurements, since every round encodes.
    """

    def __init__(self, *, target: float, recipe: Recipe) -> None:
        self._target = target
        self._start = recipe.renditions[0].crf
        self._worst = 63 if recipe.codec in {"av1", "vp9"} else 51
        self._measured: dict[int, float] = {}
        self._rounds = 0

    def next(self) -> tuple[int, ...] | None:
        """Return the qualities to measure now; None when enough is known."""
        if self._rounds >= _PROBES:
            return None
        if not self._measured:
            return tuple(sorted({self._clamped(self._start - 4), self._clamped(self._start + 4)}))
        guess = self._guess()
        return None if guess in self._measured else (guess,)

    def learn(self, crfs: Sequence[int], ssim: Sequence[float]) -> None:
        """Take the measurements of what `next` asked for."""
        self._measured.update(zip(crfs, ssim, strict=True))
        self._rounds += 1

    @property
    def best(self) -> int:
        """The largest measured crf that reaches the target; the smallest measured if none does."""
        reaching = [crf for crf, ssim in self._measured.items() if ssim >= self._target - _TOLERANCE]
        if reaching:
            return max(reaching)
        return min(self._measured, default=self._start)

    @property
    def reached(self) -> float | None:
        """The similarity measured at `best`."""
        return self._measured.get(self.best)

    @property
    def met(self) -> bool:
        """Whether `best` reaches the target."""
        return self.reached is not None and self.reached >= self._target - _TOLERANCE

    def _guess(self) -> int:
        """Interpolate (or extrapolate, carefully) on the two measurements nearest to the target."""
        points = sorted(self._measured.items(), key=lambda point: abs(point[1] - self._target))[:2]
        if len(points) < 2:
            return self._clamped(points[0][0] + (4 if points[0][1] >= self._target else -4))
        (crf_a, ssim_a), (crf_b, ssim_b) = points
        slope = (ssim_b - ssim_a) / (crf_b - crf_a)
        if slope >= 0:
            # Noise on an easy picture: any of these will do.
            return max(crf_a, crf_b)
        step = (self._target - ssim_a) / slope
        return self._clamped(int(crf_a + max(-12.0, min(12.0, step))))

    def _clamped(self, crf: int) -> int:
        return max(LOWEST_CRF, min(self._worst, crf))


def tuned(recipe: Recipe, search: QualitySearch) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with the quality found, and what the user should know of it.

    All renditions move by the same step from what the profile chose.
    """
    shift = search.best - recipe.renditions[0].crf
    worst = 63 if recipe.codec in {"av1", "vp9"} else 51
    renditions = tuple(
        msgspec.structs.replace(rendition, crf=max(0, min(worst, rendition.crf + shift)))
        for rendition in recipe.renditions
    )
    warnings: tuple[str, ...] = ()
    if not search.met:
        reached = "nothing measurable" if search.reached is None else f"an SSIM of {search.reached:.4f}"
        warnings = (f"The target quality was not reached; the best that was tried gave {reached}.",)
    return msgspec.structs.replace(recipe, renditions=renditions), warnings
