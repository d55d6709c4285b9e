"""The levels of AV1 and VP9: what a decoder must be able to do, by size, rate and bitrate. Pure.

Those of H.264 and HEVC come with the recipe. An encoder that is left to itself looks at size and rate
alone, and so promises less than the cap of the bitrate lets it make.
"""

from cinelog_common.cmaf.configurations import Vp9Shape, vp9_level
from cinelog_common.contract.values import Recipe, Rendition, Value
from msgspec.structs import replace


class _Row(Value, frozen=True, kw_only=True):
    """One level of AV1: luma samples a picture, its sides, luma samples a second, and kbit/s."""

    level: str
    size: int
    width: int
    height: int
    rate: int
    rate_k: int


# AV1 specification, annex A.3: MaxPicSize, MaxHSize, MaxVSize, MaxDisplayRate, MainMbps. The rate of
# decoding may be higher by a few per cent at least, which is for the pictures that are never shown.
_AV1 = tuple(
    _Row(level=level, size=size, width=width, height=height, rate=rate, rate_k=rate_k)
    for level, size, width, height, rate, rate_k in (
        ("2.0", 147_456, 2_048, 1_152, 4_423_680, 1_500),
        ("2.1", 278_784, 2_816, 1_584, 8_363_520, 3_000),
        ("3.0", 665_856, 4_352, 2_448, 19_975_680, 6_000),
        ("3.1", 1_065_024, 5_504, 3_096, 31_950_720, 10_000),
        ("4.0", 2_359_296, 6_144, 3_456, 70_778_880, 12_000),
        ("4.1", 2_359_296, 6_144, 3_456, 141_557_760, 20_000),
        ("5.0", 8_912_896, 8_192, 4_352, 267_386_880, 30_000),
        ("5.1", 8_912_896, 8_192, 4_352, 534_773_760, 40_000),
        ("5.2", 8_912_896, 8_192, 4_352, 1_069_547_520, 60_000),
        ("6.0", 35_651_584, 16_384, 8_704, 1_069_547_520, 60_000),
        ("6.1", 35_651_584, 16_384, 8_704, 2_139_095_040, 100_000),
        ("6.2", 35_651_584, 16_384, 8_704, 4_278_190_080, 160_000),
    )
)
# The WebM project's "VP9 levels": kbit/s by ten times the level.
_VP9_K = {
    10: 200,
    11: 800,
    20: 1_800,
    21: 3_600,
    30: 7_200,
    31: 12_000,
    40: 18_000,
    41: 30_000,
    50: 60_000,
    51: 120_000,
    52: 180_000,
    60: 180_000,
    61: 240_000,
    62: 480_000,
}


def held(recipe: Recipe, rendition: Rendition) -> Rendition:
    """Return the rendition with a level, and a cap that keeps to it; a level of the recipe's own stands."""
    if rendition.level or recipe.codec not in {"av1", "vp9"}:
        return rendition
    numerator, denominator = recipe.frame_rate
    fps = numerator / denominator if min(recipe.frame_rate) > 0 else 30.0
    if recipe.codec == "av1":
        return _av1(rendition, fps)
    # VP9's pictures name no level: the init segment does, by size and rate, so the bitrate keeps to it.
    shape = Vp9Shape(width=rendition.width, height=rendition.height, frames_per_second=fps)
    return replace(rendition, max_rate_k=min(rendition.max_rate_k, _VP9_K[vp9_level(shape)]))


def _av1(rendition: Rendition, fps: float) -> Rendition:
    size = rendition.width * rendition.height
    fitting = (
        row
        for row in _AV1
        if size <= row.size
        and rendition.width <= row.width
        and rendition.height <= row.height
        and size * fps <= row.rate
        and rendition.max_rate_k <= row.rate_k
    )
    row = next(fitting, _AV1[-1])
    return replace(rendition, level=row.level, max_rate_k=min(rendition.max_rate_k, row.rate_k))
