"""How alike a result is to its source: what is asked for, and what was measured.

Measured on a share of the pictures only, so a value is an estimate; what it is
an estimate of is the mean over all pictures of the rendition, against the
source in that rendition's size and colours.
"""

from typing import Any

import msgspec

from cinelog_common.contract.values import Value

METRICS = ("ssim", "xpsnr")
"""Structural similarity (0 to 1, of all planes), and XPSNR of the luma in dB. Higher is better in both."""


class QualityGoal(Value, frozen=True, kw_only=True):
    """That quality is measured, and how much of it is wanted."""

    metric: str = "ssim"
    target: float | None = None
    """The constant quality that reaches this is looked for; None only measures."""


class UnitQuality(Value, frozen=True, kw_only=True):
    """One work unit that is worth a look."""

    n: int
    start_s: float
    end_s: float
    value: float


class RenditionQuality(Value, frozen=True, kw_only=True):
    """How one rendition turned out."""

    name: str
    metric: str
    mean: float
    """Over its units, by their numbers of pictures."""
    lowest: float
    """Of its units."""
    units: int
    """So many were measured; those of fewer than 20 pictures are not."""
    size_bytes: int
    """Of the picture alone, in this rendition."""
    target: float | None = None
    missed: int = 0
    """So many of its units lie clearly below the target."""
    outliers: tuple[UnitQuality, ...] = ()
    """The worst of those that lie far below the mean, or clearly below the target; in the film's order."""
    source_bytes: int | None = None
    """Of the whole source, sound included."""
    size_ratio: float | None = None
    """`size_bytes` by `source_bytes`."""


def quality_document(quality: RenditionQuality) -> dict[str, Any]:
    """Return `quality` as plain values, every field of it."""
    return msgspec.structs.asdict(quality) | {
        "outliers": [msgspec.structs.asdict(one) for one in quality.outliers]
    }
