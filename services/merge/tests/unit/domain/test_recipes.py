"""Recipes: every size, codec, bit depth and vendor that a request can ask for."""

from typing import Any

import pytest
from cinelog_common.contract.options import settle
from cinelog_common.contract.values import Failure, Options, Recipe, VideoInfo
from cinelog_common.errors import Category
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.recipes import ENCODERS, Chosen, choose_recipe
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

FILM = VideoInfo(codec="h264", width=1920, height=1080, time_base=(1, 90_000), frame_rate=(25, 1))
CPU = Pools(pools={"cpu": Pool(live_slots=2, encoders={"libx264": "165"})})


def chosen(video: VideoInfo = FILM, pools: Pools = CPU, **options: Any) -> Chosen:
    made = choose_recipe(settle(Options(**options)), video, pools)
    assert isinstance(made, Chosen)
    return made


def sizes(recipe: Recipe) -> list[tuple[str, int, int]]:
    return [(one.name, one.width, one.height) for one in recipe.renditions]


def of_size(width: int, height: int, **fields: Any) -> VideoInfo:
    return replace(FILM, width=width, height=height, **fields)


@pytest.mark.parametrize(
    ("video", "options", "expected"),
    [
        (of_size(1920, 1080), {}, [("1080p", 1920, 1080)]),
        (of_size(3840, 2160), {}, [("1080p", 1920, 1080)]),
        (of_size(1280, 720), {}, [("720p", 1280, 720)]),
        (of_size(1280, 720), {"height": 480}, [("480p", 852, 480)]),
        (of_size(1080, 1920), {"height": 720}, [("720p", 720, 1280)]),
        (of_size(853, 481), {}, [("481p", 852, 480)]),
        (of_size(1, 1), {}, [("1p", 2, 2)]),
        (of_size(3840, 2160), {"height": 2160}, [("2160p", 3840, 2160)]),
        (of_size(4096, 1716), {"height": 1080}, [("1080p", 2576, 1080)]),
        (
            of_size(1920, 1080),
            {"profile": "ladder"},
            [("1080p", 1920, 1080), ("720p", 1280, 720), ("480p", 852, 480)],
        ),
        (of_size(1280, 720), {"profile": "ladder"}, [("720p", 1280, 720), ("480p", 852, 480)]),
        (of_size(640, 360), {"profile": "ladder"}, [("360p", 640, 360)]),
        (of_size(800, 600), {"profile": "ladder"}, [("600p", 800, 600), ("480p", 640, 480)]),
        (
            of_size(2160, 3840),
            {"profile": "ladder", "height": 1440},
            [("1440p", 1440, 2560), ("1080p", 1080, 1920), ("720p", 720, 1280), ("480p", 480, 852)],
        ),
    ],
)
def test_sizes_follow_the_source_and_the_request(
    video: VideoInfo, options: dict[str, Any], expected: list[tuple[str, int, int]]
) -> None:
    assert sizes(chosen(video, **options).recipe) == expected


@given(st.integers(1, 16_384), st.integers(1, 16_384), st.sampled_from(["web", "ladder"]))
def test_whatever_the_size_sides_are_even_and_nothing_is_enlarged(
    width: int, height: int, profile: str
) -> None:
    renditions = chosen(of_size(width, height), profile=profile).recipe.renditions

    assert renditions
    assert len({one.name for one in renditions}) == len(renditions)
    for one in renditions:
        assert one.width % 2 == one.height % 2 == 0
        assert 2 <= one.width <= max(2, width)
        assert 2 <= one.height <= max(2, height)
        assert one.max_rate_k >= 1000


@pytest.mark.parametrize(
    ("codec", "depth", "pixel_format"),
    [
        ("h264", 8, "yuv420p"),
        ("h264", 10, "yuv420p"),
        ("hevc", 8, "yuv420p"),
        ("hevc", 10, "yuv420p10le"),
        ("hevc", 12, "yuv420p10le"),
        ("av1", 10, "yuv420p10le"),
        ("vp9", 10, "yuv420p"),
    ],
)
def test_ten_bits_stay_ten_where_players_and_encoders_take_them(
    codec: str, depth: int, pixel_format: str
) -> None:
    # The libvpx that PyAV is built with encodes eight bits only.
    video = replace(FILM, bit_depth=depth, pixel_format="yuv420p10le")

    assert chosen(video, codec=codec).recipe.pixel_format == pixel_format


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
def test_the_processor_has_an_encoder_for_every_codec(codec: str) -> None:
    recipe = chosen(codec=codec, hardware="never").recipe

    assert (recipe.family, recipe.encoder) == ("cpu", ENCODERS["cpu", codec])


def pools(**vendors: Pool) -> Pools:
    return Pools(pools={**CPU.pools, **vendors})


PROVEN = Pool(live_slots=2, encoders={"h264_nvenc": "12", "hevc_nvenc": "12"})
INTEL = Pool(live_slots=1, encoders={"h264_qsv": "2", "vp9_qsv": "2"})


@pytest.mark.parametrize(
    ("options", "there", "family"),
    [
        ({}, pools(), "cpu"),
        ({}, pools(nvidia=PROVEN), "nvidia"),
        ({}, pools(nvidia=PROVEN, intel=INTEL), "nvidia"),
        ({"vendor": "intel"}, pools(nvidia=PROVEN, intel=INTEL), "intel"),
        ({"hardware": "never"}, pools(nvidia=PROVEN), "cpu"),
        ({"codec": "av1"}, pools(nvidia=PROVEN), "cpu"),
        ({"codec": "vp9"}, pools(nvidia=PROVEN, intel=INTEL), "intel"),
        ({"hardware": "require"}, pools(nvidia=PROVEN), "nvidia"),
        ({"hardware": "require", "vendor": "intel"}, pools(intel=INTEL), "intel"),
        ({}, pools(nvidia=Pool(max_slots=8)), "nvidia"),
        ({}, pools(nvidia=Pool()), "cpu"),
        ({"codec": "vp9"}, pools(apple=Pool(live_slots=1)), "cpu"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_family_is_one_that_has_proven_itself_or_can_be_woken(
    options: dict[str, Any], there: Pools, family: str
) -> None:
    assert chosen(pools=there, **options).recipe.family == family


@pytest.mark.parametrize(
    ("options", "there"),
    [
        ({"hardware": "require"}, pools()),
        ({"hardware": "require", "vendor": "amd"}, pools(nvidia=PROVEN)),
        ({"hardware": "require", "codec": "av1"}, pools(nvidia=PROVEN)),
        ({"hardware": "require", "codec": "vp9", "vendor": "intel"}, pools(nvidia=PROVEN)),
    ],
)
def test_hardware_that_is_required_and_not_there_is_a_failure(options: dict[str, Any], there: Pools) -> None:
    made = choose_recipe(settle(Options(**options)), FILM, there)

    assert isinstance(made, Failure)
    assert made.category == Category.ENCODER_UNAVAILABLE
    assert made.action


def test_a_device_that_was_proven_for_8_bit_only_is_given_no_10_bit() -> None:
    deep = replace(FILM, bit_depth=10, pixel_format="yuv420p10le")
    weak = pools(
        nvidia=Pool(live_slots=1, encoders={"hevc_nvenc": "13"}, shallow=frozenset({"hevc_nvenc"})),
    )

    required = choose_recipe(settle(Options(codec="hevc", hardware="require")), deep, weak)

    assert chosen(pools=weak, codec="hevc").recipe.family == "nvidia"
    assert chosen(deep, weak, codec="hevc").recipe.family == "cpu"
    assert isinstance(required, Failure)
    assert "10 bit" in required.message


def test_a_vendor_that_was_only_wished_for_is_replaced_with_a_warning() -> None:
    made = chosen(vendor="amd")

    assert made.recipe.family == "cpu"
    assert len(made.warnings) == 1


def test_the_encoders_version_is_in_the_recipe_and_so_in_every_key() -> None:
    older = Pools(pools={"cpu": Pool(live_slots=2, encoders={"libx264": "164"})})

    assert chosen().recipe.version == "165"
    assert chosen().recipe.hash != chosen(pools=older).recipe.hash


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ((25, 1), (25, 1)),
        ((30_000, 1001), (30_000, 1001)),
        ((0, 1), (30, 1)),
        ((5, 0), (30, 1)),
        ((10**6, 1), (30, 1)),
    ],
)
def test_a_frame_rate_that_is_none_is_replaced(rate: tuple[int, int], expected: tuple[int, int]) -> None:
    assert chosen(replace(FILM, frame_rate=rate)).recipe.frame_rate == expected


@pytest.mark.parametrize(
    ("order", "deinterlace"),
    [("progressive", False), ("unknown", False), ("", False), ("tt", True), ("bb", True)],
)
def test_fields_are_woven_only_where_there_are_some(order: str, *, deinterlace: bool) -> None:
    assert chosen(replace(FILM, field_order=order)).recipe.deinterlace is deinterlace


@pytest.mark.parametrize(("order", "fields"), [("progressive", False), ("tt", True)])
def test_a_picture_of_each_field_has_half_the_time(order: str, *, fields: bool) -> None:
    recipe = chosen(replace(FILM, field_order=order, frame_rate=(25, 1)), field_rate=True).recipe

    numerator, denominator = recipe.time_base
    assert recipe.field_rate is fields
    assert recipe.frame_rate == ((50, 1) if fields else (25, 1))
    assert recipe.picture_base == (numerator, denominator * (2 if fields else 1))
    assert recipe.timescale == recipe.picture_base[1]


def test_the_same_request_on_the_same_source_makes_the_same_recipe() -> None:
    assert chosen().recipe.hash == chosen().recipe.hash


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_the_level_and_the_cap_fit_each_other(codec: str) -> None:
    (one,) = chosen(codec=codec, crf=0).recipe.renditions

    assert one.level
    assert one.max_rate_k > 10_000


@pytest.mark.parametrize("video", [of_size(0, 0), of_size(1920, 0), replace(FILM, time_base=(1, 0))])
def test_a_picture_without_size_or_time_is_refused_and_nothing_raises(video: VideoInfo) -> None:
    refused = choose_recipe(settle(Options()), video, CPU)

    assert isinstance(refused, Failure)
    assert refused.category == Category.DAMAGED
