"""The levels of AV1 and VP9: what playlists say of them is what the pictures and their bitrate keep to."""

from fractions import Fraction
from typing import Any

import pytest
from av.video.frame import VideoFrame
from cinelog_common.cmaf.initinfo import codec_string
from cinelog_common.cmaf.obu import read_sequence_header
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_transcode.children.encoding import RenditionEncoder
from cinelog_transcode.domain.encoders import opening_options

CODECS = {"libsvtav1": "av1", "libvpx-vp9": "vp9"}


def recipe_of(encoder: str, size: tuple[int, int], rate: int, rate_k: int, **changes: Any) -> Recipe:
    rendition = Rendition(name="r", width=size[0], height=size[1], crf=40, max_rate_k=rate_k)
    fields: dict[str, Any] = {
        "family": "cpu",
        "encoder": encoder,
        "codec": CODECS[encoder],
        "preset": "ultrafast",
        "pixel_format": "yuv420p",
        "time_base": (1, rate),
        "frame_rate": (rate, 1),
        "renditions": (rendition,),
        "max_segment_s": 8.0,
    }
    return Recipe(**{**fields, **changes})


def made(recipe: Recipe) -> tuple[str, bytes]:
    """What playlists call it, and the first picture."""
    (rendition,) = recipe.renditions
    encoder = RenditionEncoder(recipe, rendition, 1)
    frame = VideoFrame(rendition.width, rendition.height, recipe.pixel_format)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.pts, frame.time_base = 0, Fraction(*recipe.time_base)
    first, *_ = [*encoder.encode(frame, force_keyframe=True), *encoder.flush()]
    return codec_string(encoder.init()), first.data


# The last but one: what fits by size and rate, but not with so many bits.
@pytest.mark.parametrize(
    ("size", "rate", "rate_k", "told"),
    [
        ((160, 96), 25, 1_000, ("av01.0.00M.08", 0)),
        ((854, 480), 25, 2_050, ("av01.0.04M.08", 4)),
        ((1280, 720), 25, 4_608, ("av01.0.05M.08", 5)),
        ((1280, 720), 60, 11_059, ("av01.0.08M.08", 8)),
        ((1080, 1920), 30, 12_000, ("av01.0.08M.08", 8)),
        ((640, 360), 25, 4_000, ("av01.0.04M.08", 4)),
        ((3840, 160), 25, 1_000, ("av01.0.04M.08", 4)),
    ],
)
def test_an_av1_level_holds_size_rate_and_bits_and_is_told_as_it_is(
    size: tuple[int, int], rate: int, rate_k: int, told: tuple[str, int]
) -> None:
    codec, picture = made(recipe_of("libsvtav1", size, rate, rate_k))

    header = read_sequence_header(picture)
    assert (codec, header.level) == told
    assert (header.profile, header.tier) == (0, 0)


def test_av1_of_10_bit_is_told_so() -> None:
    codec, picture = made(recipe_of("libsvtav1", (1280, 720), 25, 4_608, pixel_format="yuv420p10le"))

    assert codec == "av01.0.05M.10"
    assert read_sequence_header(picture).high_bitdepth


@pytest.mark.parametrize(
    ("size", "rate", "rate_k", "told"),
    [
        ((160, 96), 25, 1_000, ("vp09.00.10.08", 200)),
        ((320, 180), 25, 1_000, ("vp09.00.11.08", 800)),
        ((1280, 720), 25, 4_608, ("vp09.00.31.08", 4_608)),
        ((1920, 1080), 30, 25_000, ("vp09.00.40.08", 18_000)),
    ],
)
def test_vp9_keeps_to_the_bits_of_the_level_that_is_told(
    size: tuple[int, int], rate: int, rate_k: int, told: tuple[str, int]
) -> None:
    recipe = recipe_of("libvpx-vp9", size, rate, rate_k)

    codec, picture = made(recipe)

    assert codec == told[0]
    # Uncompressed header: the frame marker 0b10, then the profile's low and high bit.
    assert picture[0] >> 4 == 0b1000
    assert opening_options(recipe, recipe.renditions[0], 1).options["b"] == f"{told[1]}000"


def test_a_level_of_the_recipe_stands() -> None:
    recipe = recipe_of("libsvtav1", (160, 96), 25, 1_000)
    fixed = Rendition(name="r", width=160, height=96, crf=40, max_rate_k=1_000, level="4.1")

    options = opening_options(recipe, fixed, 1).options

    assert "level=41" in options["svtav1-params"].split(":")
