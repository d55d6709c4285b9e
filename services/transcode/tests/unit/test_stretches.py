from fractions import Fraction
from typing import Any

import pytest
from cinelog_common.contract.values import Recipe, Rendition, VideoInfo
from cinelog_transcode.domain.colours import HLG, PQ
from cinelog_transcode.domain.stretches import (
    Stretch,
    boxed,
    first_stretch,
    is_other_gamut,
    other_transfer,
    widening,
)
from hypothesis import given
from hypothesis import strategies as st

START_CODES, BOXED = b"\0\0\0\1", b"\1d"


def stretch(
    size: tuple[int, int] = (720, 576),
    aspect: tuple[int, int] = (16, 15),
    *,
    extradata: bytes = START_CODES,
    **changes: Any,
) -> Stretch:
    recipe = Recipe(
        family="cpu",
        encoder="libx264",
        codec="h264",
        preset="medium",
        pixel_format=changes.pop("pixel_format", "yuv420p"),
        time_base=(1, 90000),
        frame_rate=(25, 1),
        renditions=(Rendition(name="a", width=size[0], height=size[1], crf=23, max_rate_k=0),),
        max_segment_s=8.0,
        sample_aspect=aspect,
        **changes,
    )
    video = VideoInfo(codec="h264", width=size[0], height=size[1], time_base=(1, 90000))
    return first_stretch(video, recipe, extradata)


@pytest.mark.parametrize(
    ("size", "pixels", "wider"),
    [
        ((720, 576), Fraction(16, 15), Fraction(1)),
        ((720, 576), Fraction(64, 45), Fraction(4, 3)),
        ((544, 576), Fraction(24, 17), Fraction(1)),
        ((1920, 1080), Fraction(1), Fraction(4, 3)),
        ((1440, 1088), Fraction(1), Fraction(1)),
        ((576, 720), Fraction(1), Fraction(3, 5)),
    ],
)
def test_a_broadcast_is_as_wide_as_its_pictures_say(
    size: tuple[int, int], pixels: Fraction, wider: Fraction
) -> None:
    assert widening(stretch(), size, pixels) == wider


@pytest.mark.parametrize(
    ("size", "pixels", "wider"),
    [
        ((720, 576), Fraction(1), Fraction(1)),
        ((720, 576), Fraction(64, 45), Fraction(1)),
        ((360, 288), Fraction(1), Fraction(1)),
        ((1920, 1080), Fraction(1), None),
        ((720, 480), Fraction(8, 9), Fraction(1)),
    ],
)
def test_a_file_is_as_wide_as_its_container_says_while_it_keeps_its_size(
    size: tuple[int, int], pixels: Fraction, wider: Fraction | None
) -> None:
    assert widening(stretch(extradata=BOXED), size, pixels) == wider


def test_square_pixels_stay_square_where_nobody_says_otherwise() -> None:
    first = stretch((160, 96), (1, 1), extradata=BOXED)

    assert widening(first, (96, 160), Fraction(1)) == Fraction(9, 25)


def test_two_roundings_of_the_same_pixel_are_no_change() -> None:
    assert widening(stretch(aspect=(12, 11)), (720, 576), Fraction(59, 54)) == 1


@given(
    st.integers(1, 1000).map(lambda half: half * 2),
    st.integers(1, 1000).map(lambda half: half * 2),
    st.fractions(Fraction(1, 100), Fraction(100)),
)
def test_a_boxed_picture_is_even_and_within_its_frame(width: int, height: int, wider: Fraction) -> None:
    box = boxed(width, height, wider)

    assert not any(number % 2 for number in (box.width, box.height, box.left, box.top))
    assert 2 <= box.width <= width - box.left
    assert 2 <= box.height <= height - box.top
    assert box.width == width or box.height == height


def test_a_wider_picture_has_bars_above_and_below_and_a_narrower_one_beside() -> None:
    wide, narrow = boxed(720, 576, Fraction(4, 3)), boxed(720, 576, Fraction(3, 4))

    assert (wide.width, wide.height, wide.left, wide.top) == (720, 432, 0, 72)
    assert (narrow.width, narrow.height, narrow.left, narrow.top) == (540, 576, 90, 0)


@pytest.mark.parametrize(
    ("first", "later", "other"),
    [(1, 6, None), (1, 2, None), (2, PQ, PQ), (PQ, 2, None), (PQ, 1, 1), (PQ, HLG, HLG), (HLG, HLG, None)],
)
def test_only_another_dynamic_range_is_another_transfer(first: int, later: int, other: int | None) -> None:
    assert other_transfer(stretch(color_transfer=first), later) == other


@pytest.mark.parametrize(
    ("transfer", "pixel_format", "converts"),
    [(1, "yuv420p10le", True), (PQ, "yuv420p", True), (PQ, "yuv420p10le", False)],
)
def test_what_keeps_its_high_dynamic_range_converts_no_other(
    transfer: int, pixel_format: str, converts: bool
) -> None:
    assert stretch(color_transfer=transfer, pixel_format=pixel_format).converts == converts


@pytest.mark.parametrize(
    ("first", "later", "other"), [(1, 9, True), (9, 1, True), (1, 6, False), (2, 9, False), (9, 2, False)]
)
def test_wide_colours_and_narrow_ones_are_two_gamuts(first: int, later: int, other: bool) -> None:
    assert is_other_gamut(stretch(color_primaries=first), later) == other
