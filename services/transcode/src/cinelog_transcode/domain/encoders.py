"""How a recipe becomes the options of one encoder of libavcodec."""

import string

from cinelog_common.contract.values import Recipe, Rendition, Value

from cinelog_transcode.domain.levels import held
from cinelog_transcode.domain.proof import NO_B_FRAMES
from cinelog_transcode.domain.tables import EncoderTable, table_of

KEYFRAME_INTERVAL = 250
"""Frames between keyframes nobody asked for; ffmpeg's own default for x264 and x265."""
_MOST_FRAME_THREADS = 16
"""x265 does not open with more."""
_ROWS = 32
"""So many lines of picture for each thread at least, as x264 has it for itself: more threads end nothing
sooner and make a capped rate hard to keep."""
_TARGET_SHARE = 2
"""The rate that a device aims at where it must aim at one: the cap is so many times as much."""


class Wish(Value, frozen=True, kw_only=True):
    """What the templates are filled with. Bitrates are in bits per second; None leaves an option out."""

    preset: str
    crf: int
    threads: int
    frame_threads: int
    keyframe_interval: int = KEYFRAME_INTERVAL
    max_rate: int | None
    target_rate: int | None
    buffer_size: int | None
    level: str | None
    level_tenths: int | None
    """3.1 as 31."""
    quality: int
    """`crf` turned into 1 (worst) to 100 (best), times the 118 of libavutil's lambda scale."""
    depth: int
    """Bits of a sample: 8 or 10."""
    main_profile: str
    """HEVC's, by the depth."""


class OpeningOptions(Value, frozen=True, kw_only=True):
    """What an encoder is opened with."""

    pixel_format: str
    threads: int
    options: dict[str, str]


def opening_options(recipe: Recipe, rendition: Rendition, threads: int) -> OpeningOptions:
    """Return what the recipe's encoder is opened with for one rendition.

    Raises:
        UnknownEncoderError: No table names the encoder.
    """
    table = table_of(recipe.encoder)
    threads = max(1, min(threads, rendition.height // _ROWS))
    wish = _wish(recipe, rendition, table, threads)
    values = {name: getattr(wish, name) for name in Wish.__struct_fields__}
    templates = table.options
    if recipe.version.endswith(NO_B_FRAMES):
        templates = _without_b_frames(templates)
    options = _filled(templates, values)
    parameters = [_fill(template, values) for template in table.parameters]
    joined = ":".join(parameter for parameter in parameters if parameter is not None)
    if joined:
        options[table.parameters_option] = joined
    return OpeningOptions(
        pixel_format=table.surfaces.get(recipe.pixel_format, recipe.pixel_format),
        threads=threads,
        options=options,
    )


def has_b_frames(table: EncoderTable) -> bool:
    """Tell whether the table asks for B-frames, which not every device of its vendor can make."""
    return table.options.get("bf", "0") != "0"


def _without_b_frames(templates: dict[str, str]) -> dict[str, str]:
    # 0 and not nothing: left to itself, an encoder's preset brings its own.
    plain = {name: text for name, text in templates.items() if name != "b_ref_mode"}
    return {**plain, "bf": "0"} if "bf" in plain else plain


def _wish(recipe: Recipe, rendition: Rendition, table: EncoderTable, threads: int) -> Wish:
    rendition = held(recipe, rendition)
    rate = rendition.max_rate_k * 1000 or None
    deep = recipe.pixel_format.endswith("10le")
    worst = 63 if recipe.codec in {"av1", "vp9"} else 51
    return Wish(
        preset=table.presets.get(recipe.preset, table.presets["medium"]),
        crf=rendition.crf,
        threads=threads,
        frame_threads=min(threads, _MOST_FRAME_THREADS),
        max_rate=rate,
        target_rate=None if rate is None else rate // _TARGET_SHARE,
        # Every unit begins with a full buffer, so what it holds is what short units exceed the cap by.
        buffer_size=None if rate is None else rendition.buffer_k * 1000,
        level=rendition.level or None,
        level_tenths=round(float(rendition.level) * 10) if rendition.level else None,
        quality=118 * max(1, min(100, round(100 - rendition.crf * 100 / worst))),
        depth=10 if deep else 8,
        main_profile="main10" if deep else "main",
    )


def _filled(templates: dict[str, str], values: dict[str, object]) -> dict[str, str]:
    filled = {name: _fill(template, values) for name, template in templates.items()}
    return {name: value for name, value in filled.items() if value is not None}


def _fill(template: str, values: dict[str, object]) -> str | None:
    fields = [field for _, field, _, _ in string.Formatter().parse(template) if field]
    return None if any(values[field] is None for field in fields) else template.format(**values)
