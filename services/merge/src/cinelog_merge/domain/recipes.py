"""How the picture is encoded: from the profile, the source and the pools. Deterministic."""

from typing import Literal

from cinelog_common.contract.options import Settled
from cinelog_common.contract.values import Failure, Recipe, Rendition, Value, VideoInfo
from cinelog_common.errors import Category

from cinelog_merge.domain.levels import h264_level, hevc_level
from cinelog_merge.domain.pools import Pool, Pools

ENCODERS = {
    ("cpu", "h264"): "libx264",
    ("cpu", "hevc"): "libx265",
    ("cpu", "av1"): "libsvtav1",
    ("cpu", "vp9"): "libvpx-vp9",
    **{("nvidia", codec): f"{codec}_nvenc" for codec in ("h264", "hevc", "av1")},
    **{("intel", codec): f"{codec}_qsv" for codec in ("h264", "hevc", "av1", "vp9")},
    **{("amd", codec): f"{codec}_amf" for codec in ("h264", "hevc", "av1")},
    **{("apple", codec): f"{codec}_videotoolbox" for codec in ("h264", "hevc")},
}
VENDOR_POOLS = ("nvidia", "intel", "amd", "apple")

_BITS_PER_PIXEL = 0.2
"""Cap of the bitrate: about three times what CRF 23 spends on film, so that it binds only at peaks."""


class Chosen(Value, frozen=True, kw_only=True):
    """A recipe, and what the user should know of it."""

    recipe: Recipe
    warnings: tuple[str, ...] = ()


def choose_recipe(settled: Settled, video: VideoInfo, pools: Pools) -> Chosen | Failure:
    """Return the recipe for a source's picture, or why there is none."""
    if min(video.width, video.height, *video.time_base) <= 0:
        return Failure(
            category=Category.DAMAGED,
            message="The source does not say how large its picture is, or how its time counts.",
            action="Get the file again from where it came from; this copy is not whole.",
        )
    pixel_format = _pixel_format(settled.codec, video)
    deep = pixel_format != "yuv420p"
    family, warnings = _family(settled, pools, deep=deep)
    if family is None:
        depth = " of 10 bit" if deep else ""
        return Failure(
            category=Category.ENCODER_UNAVAILABLE,
            message=f"No worker has proven a hardware encoder for {settled.codec}{depth}.",
            action="Run `cinelog doctor` on the worker, or set hardware to auto.",
        )
    encoder = ENCODERS[family, settled.codec]
    deinterlace = video.field_order not in {"progressive", "unknown", ""}
    fields = deinterlace and settled.field_rate
    rate = _frame_rate(video, fields=fields)
    recipe = Recipe(
        family=family,
        encoder=encoder,
        version=pools.pools.get(family, Pool()).encoders.get(encoder, ""),
        codec=settled.codec,
        preset=settled.preset,
        pixel_format=pixel_format,
        time_base=video.time_base,
        frame_rate=rate,
        renditions=_renditions(settled, video, rate),
        max_segment_s=settled.max_segment_s,
        sample_aspect=video.sample_aspect,
        rotation=video.rotation,
        deinterlace=deinterlace,
        field_rate=fields,
        color_range=video.color_range,
        color_primaries=video.color_primaries,
        color_transfer=video.color_transfer,
        color_matrix=video.color_matrix,
        language=video.language,
    )
    return Chosen(recipe=recipe, warnings=warnings)


def _family(settled: Settled, pools: Pools, *, deep: bool) -> tuple[str | None, tuple[str, ...]]:
    if settled.hardware == "never":
        return "cpu", ()
    wanted = (settled.vendor,) if settled.vendor else VENDOR_POOLS
    for vendor in wanted:
        encoder = ENCODERS.get((vendor, settled.codec))
        pool = pools.pools.get(vendor)
        if (
            encoder
            and pool is not None
            and pool.eligible
            and (not pool.live_slots or encoder in pool.encoders)
            and not (deep and encoder in pool.shallow)
        ):
            return vendor, ()
    if settled.hardware == "require":
        return None, ()
    if settled.vendor:
        return "cpu", (f"No {settled.vendor} encoder is available; the processor encodes instead.",)
    return "cpu", ()


def _frame_rate(video: VideoInfo, *, fields: bool) -> tuple[int, int]:
    numerator, denominator = video.frame_rate[0] * (2 if fields else 1), video.frame_rate[1]
    if numerator <= 0 or denominator <= 0 or numerator / denominator > 1000:
        return (30, 1)
    return (numerator, denominator)


def _pixel_format(codec: str, video: VideoInfo) -> Literal["yuv420p", "yuv420p10le"]:
    # H.264 beyond 8 bit plays in few players; the other codecs carry 10 bit everywhere they play.
    return "yuv420p10le" if video.bit_depth > 8 and codec in {"hevc", "av1"} else "yuv420p"


def _renditions(settled: Settled, video: VideoInfo, rate: tuple[int, int]) -> tuple[Rendition, ...]:
    shorter = min(video.width, video.height)
    sizes: dict[int, tuple[int, int]] = {}
    for bound in settled.heights:
        target = min(bound, shorter)
        sizes.setdefault(target, _scaled(video, target, shorter))
    return tuple(
        _rendition(settled, name=f"{target}p", size=size, rate=rate) for target, size in sizes.items()
    )


def _scaled(video: VideoInfo, target: int, shorter: int) -> tuple[int, int]:
    # 4:2:0 needs even sides; rounding down never invents a line.
    width, height = video.width * target // shorter, video.height * target // shorter
    return max(2, width - width % 2), max(2, height - height % 2)


def _rendition(settled: Settled, *, name: str, size: tuple[int, int], rate: tuple[int, int]) -> Rendition:
    width, height = size
    fps = rate[0] / rate[1]
    easier = 2 ** max(0.0, (23 - settled.crf) / 6) if settled.codec in {"h264", "hevc"} else 1.0
    rate_k = max(1000, int(width * height * min(fps, 120) * _BITS_PER_PIXEL * easier / 1000))
    level = ""
    if settled.codec == "h264":
        level, rate_k = h264_level(width, height, fps, rate_k)
    elif settled.codec == "hevc":
        level, rate_k = hevc_level(width, height, fps, rate_k)
    return Rendition(name=name, width=width, height=height, crf=settled.crf, max_rate_k=rate_k, level=level)
