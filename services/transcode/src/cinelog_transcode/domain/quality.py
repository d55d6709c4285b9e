"""Looking for the constant quality that reaches a target: which to try next, and what to settle on."""

import math
from collections.abc import Mapping, Sequence

import msgspec
from cinelog_common.contract.quality import QualityGoal
from cinelog_common.contract.values import Recipe

LOWEST_CRF = 10
SHARE = 20
"""At most every twentieth picture of a unit is looked at: 5 %."""
MOST_OF_A_RESULT = 8
"""So many pictures of each rendition are kept at most until the encoder has given them out."""
_FOLLOWS = 0.8
"""What a metric lacks grows with the squared error to this power: of 0 to 1 the best fit, by x264's fast
presets at crf 19 to 31; with it the mean of a unit came out at most 0.004 SSIM, or 0.7 dB XPSNR, off."""
_TOLERANCES = {"ssim": 0.0005, "xpsnr": 0.05}
_PROBES = 3
_NEAR = 2
"""Qualities nearer to each other have none between them."""


LOOKED_AHEAD = 24
"""So many pictures of a unit are encoded to try a quality: an encoder that sees less plans otherwise."""


def shares(units: Sequence[int], most: int | None) -> tuple[int, ...]:
    """Return how many pictures of each unit are compared to try a quality, given their numbers of pictures.

    No more than `most` together, which is a twentieth of the film; unless that is none, since
    without a single picture nothing can be found: then it is one.
    """
    total = sum(units) // SHARE if most is None else most
    # A unit that only holds the last picture has none of its own.
    each = total // max(1, sum(pictures > 0 for pictures in units))
    found = [min(LOOKED_AHEAD, pictures, each) for pictures in units]
    if not any(found):
        found[0] = min(1, units[0])
    return tuple(found)


def carried_over(metric: str, values: Mapping[int, float], errors: Mapping[int, int]) -> float | None:
    """Return the mean over all pictures, from that of some; None if there are none.

    Args:
        metric: What was measured.
        values: By time: what was measured of some pictures.
        errors: By time: the squared error of all of them, or of none if the encoder does not tell it.
    """
    if not values:
        return None
    mean = sum(values.values()) / len(values)
    own = [max(1, errors[at]) for at in values if at in errors]
    every = [max(1, error) for error in errors.values()]
    if len(own) < len(values):
        return mean
    if metric == "ssim":
        lacking = (1 - mean) * math.pow(sum(every) / len(every) / (sum(own) / len(own)), _FOLLOWS)
        return max(0.0, 1 - lacking)
    return mean + _FOLLOWS * (_decibels(every) - _decibels(own))


def _decibels(errors: Sequence[int]) -> float:
    return -sum(10 * math.log10(error) for error in errors) / len(errors)


def sampled(pictures: int, most: int) -> int:
    """Return how many of a unit's pictures are looked at: none of fewer than `SHARE`."""
    return min(most, pictures // SHARE)


class QualitySearch:
    """Bisects between a very good quality and the worst; similarity falls as crf grows.

    Begins around the quality that the profile chose with experience. At most `_PROBES` rounds of
    one or two measurements, since every round encodes.
    """

    def __init__(self, *, goal: QualityGoal, start: int, worst: int) -> None:
        self._target = goal.target or 0.0
        self._tolerance = _TOLERANCES.get(goal.metric, 0.0)
        self._start = start
        self._worst = worst
        self._measured: dict[int, float] = {}
        self._rounds = 0

    def next(self) -> tuple[int, ...]:
        """Return the qualities to measure now; none when enough is known."""
        if self._rounds >= _PROBES:
            return ()
        if not self._measured:
            return tuple(sorted({self._clamped(self._start - 4), self._clamped(self._start + 4)}))
        guess = self._guess()
        return () if guess in self._measured else (guess,)

    def learn(self, crfs: Sequence[int], values: Sequence[float]) -> None:
        """Take the measurements of what `next` asked for."""
        self._measured.update(zip(crfs, values, strict=True))
        self._rounds += 1

    @property
    def best(self) -> int:
        """The largest measured crf that reaches the target; the smallest measured if none does."""
        reaching = [crf for crf, value in self._measured.items() if value >= self._target - self._tolerance]
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
        return self.reached is not None and self.reached >= self._target - self._tolerance

    def _guess(self) -> int:
        """Return what to try next: between what reaches the target and what misses it, or beyond either.

        Whatever an encoder's scale means, and however its values waver, the gap between the two closes.
        """
        best = self.best
        above = [crf for crf in self._measured if crf > best]
        if not self.met:
            return self._clamped(best - self._stride(best, -1))
        if not above:
            return self._clamped(best + self._stride(best, 1))
        return self._between(best, min(above))

    def _stride(self, end: int, way: int) -> int:
        """Return how far to go on from `end`, the last that was measured in that direction."""
        longest = self._worst // 4
        nearest = min(
            (crf for crf in self._measured if crf != end), key=lambda crf: abs(crf - end), default=end
        )
        if nearest == end:
            return longest // 3
        slope = (self._measured[nearest] - self._measured[end]) / (nearest - end)
        if slope >= 0:
            # Noise on an easy picture, which says nothing of how far it is.
            return longest // 2
        # Where the curve is all but flat, it is infinitely far.
        steps = max(1.0, min(float(longest), way * (self._target - self._measured[end]) / slope))
        return math.floor(steps) if way > 0 else math.ceil(steps)

    def _between(self, reaches: int, misses: int) -> int:
        """Interpolate, towards the better quality; return one that was measured if nothing lies between."""
        if misses - reaches < _NEAR:
            return reaches
        good, bad = self._measured[reaches], self._measured[misses]
        share = min(1.0, max(0.0, (good - self._target) / (good - bad)))
        return max(reaches + 1, min(misses - 1, math.floor(reaches + share * (misses - reaches))))

    def _clamped(self, crf: int) -> int:
        return max(LOWEST_CRF, min(self._worst, crf))


class LadderSearch:
    """One search for each rendition: how much a crf costs a picture differs with its size."""

    def __init__(self, *, goal: QualityGoal, recipe: Recipe) -> None:
        self.metric = goal.metric
        self._recipe = recipe
        worst = 63 if recipe.codec in {"av1", "vp9"} else 51
        self._searches = tuple(
            QualitySearch(goal=goal, start=rendition.crf, worst=worst) for rendition in recipe.renditions
        )

    def next(self) -> tuple[tuple[int, ...], ...] | None:
        """Return the qualities to measure now, by rendition; None when enough is known of all."""
        crfs = tuple(search.next() for search in self._searches)
        return crfs if any(crfs) else None

    def learn(self, crfs: Sequence[Sequence[int]], values: Sequence[Sequence[float]]) -> None:
        """Take the measurements of what `next` asked for."""
        for search, tried, measured in zip(self._searches, crfs, values, strict=True):
            if tried:
                search.learn(tried, measured)

    def tuned(self) -> tuple[Recipe, tuple[str, ...]]:
        """Return the recipe with the qualities found, and what the user should know of them."""
        pairs = tuple(zip(self._recipe.renditions, self._searches, strict=True))
        renditions = tuple(msgspec.structs.replace(rendition, crf=search.best) for rendition, search in pairs)
        missed = [
            f"{rendition.name}: {search.reached:.4g}"
            for rendition, search in pairs
            if not search.met and search.reached is not None
        ]
        warnings: tuple[str, ...] = ()
        if missed:
            what = {"ssim": "SSIM", "xpsnr": "XPSNR in dB"}.get(self.metric, self.metric)
            tried = f"The target quality was not reached; the best that was tried gave, as {what}, "
            warnings = (f"{tried}{', '.join(missed)}.",)
        return msgspec.structs.replace(self._recipe, renditions=renditions), warnings
