"""What the live playlist promises holds for any plan, if every encoder spends all that its buffer lets it."""

import math
from fractions import Fraction

import msgspec
from cinelog_common.cmaf.playlists import peak_bit_rate
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_download.domain.cutting import CutPolicy, Seen, next_cut
from cinelog_merge.domain.presentation import multivariant
from cinelog_transcode.domain.parts import Span, plan_parts
from hypothesis import given, settings
from hypothesis import strategies as st

FRAME = 40
"""Milliseconds."""
BIG = Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=4000, level="3.1")
RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 1000),
    frame_rate=(25, 1),
    renditions=(BIG, msgspec.structs.replace(BIG, name="480p", max_rate_k=1500)),
    max_segment_s=8.0,
)


def cut(keys: list[int], end: int, policy: CutPolicy) -> list[int]:
    """The lengths of all units of a film whose keyframes are known, in milliseconds."""
    cuts = [0]
    while True:
        start = cuts[-1]
        seen = Seen(
            start=start,
            key=max(key for key in keys if key <= start),
            keys=tuple(key for key in keys if key > start),
            known=end,
            ended=True,
        )
        found = next_cut(seen, policy)
        if found is None or found.at >= end:
            return [after - before for before, after in zip(cuts, [*cuts[1:], end], strict=True)]
        cuts.append(-(-found.at // FRAME) * FRAME)


def segments(lengths: list[int], longest: int, rendition: Rendition) -> list[tuple[int, Fraction]]:
    """(bytes, seconds) of each, where every unit begins with a full buffer and ends with an empty one.

    A unit that is too long for one segment is several; it spends its buffer in the last of them.
    """
    found = []
    for length in lengths:
        parts = plan_parts(range(0, length, FRAME), Span(start=0, end=length), longest)
        for part in parts:
            ms = part.end - part.start
            buffered_k = rendition.buffer_k if part is parts[-1] else 0
            size = math.floor((rendition.max_rate_k * ms / 1000 + buffered_k) * 1000 / 8)
            found.append((size, Fraction(ms, 1000)))
    return found


@settings(max_examples=300, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    target_s=st.sampled_from([1, 2, 4, 6, 10]),
    known=st.booleans(),
)
def test_no_stretch_of_any_plan_takes_more_than_was_promised(
    gaps: list[int], target_s: int, *, known: bool
) -> None:
    keys = [0]
    for gap in gaps:
        keys.append(keys[-1] + gap * FRAME)
    end = keys.pop()
    lengths = cut(keys, end, CutPolicy(target=target_s * 1000, end=end if known else None))
    recipe = msgspec.structs.replace(RECIPE, max_segment_s=2.0 * target_s)

    master = multivariant(recipe, (), {}, codecs={"720p": "avc1.64001f", "480p": "avc1.64001e"})

    for rendition, variant in zip(recipe.renditions, master.variants, strict=True):
        sizes = segments(lengths, 2000 * target_s, rendition)
        if sum(lengths) >= target_s * 1000:
            assert peak_bit_rate(sizes, math.ceil(recipe.max_segment_s)) <= variant.bandwidth
