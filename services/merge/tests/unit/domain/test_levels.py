"""Levels against the standards' own tables: ITU-T H.264 A-1, H.265 A.8 and A.9."""

import pytest
from cinelog_merge.domain.levels import h264_level, hevc_level
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("width", "height", "fps", "level"),
    [
        (320, 240, 10, "3.0"),
        (720, 480, 30, "3.0"),
        (720, 576, 25, "3.0"),
        (854, 480, 60, "3.1"),
        (1280, 720, 30, "3.1"),
        (1280, 720, 60, "3.2"),
        (1920, 1080, 30, "4.0"),
        (1080, 1920, 30, "4.0"),
        (2048, 1024, 30, "4.0"),
        (1920, 1080, 60, "4.2"),
        (2560, 1440, 30, "5.0"),
        (3840, 2160, 30, "5.1"),
        (3840, 2160, 60, "5.2"),
        (4096, 2304, 56, "5.2"),
        (7680, 4320, 30, "6.0"),
        (7680, 4320, 60, "6.1"),
        (8192, 4320, 120, "6.2"),
    ],
)
def test_h264_gets_the_smallest_level_that_holds_size_and_rate(
    width: int, height: int, fps: float, level: str
) -> None:
    assert h264_level(width, height, fps, 1000) == (level, 1000)


@pytest.mark.parametrize(
    ("width", "height", "fps", "level"),
    [
        (720, 576, 37, "3.0"),
        (960, 540, 30, "3.0"),
        (1280, 720, 33, "3.1"),
        (1280, 720, 60, "4.0"),
        (1920, 1080, 30, "4.0"),
        (1920, 1080, 60, "4.1"),
        (3840, 2160, 30, "5.0"),
        (2160, 3840, 30, "5.0"),
        (3840, 2160, 60, "5.1"),
        (3840, 2160, 120, "5.2"),
        (7680, 4320, 30, "6.0"),
        (7680, 4320, 60, "6.1"),
        (7680, 4320, 120, "6.2"),
    ],
)
def test_hevc_gets_the_smallest_level_that_holds_size_and_rate(
    width: int, height: int, fps: float, level: str
) -> None:
    assert hevc_level(width, height, fps, 1000) == (level, 1000)


@pytest.mark.parametrize(
    ("rate_k", "expected"),
    [
        (12_500, ("3.0", 12_500)),
        (12_501, ("3.1", 12_501)),
        (25_001, ("4.1", 25_001)),
        (62_501, ("5.0", 62_501)),
        (2_000_000, ("6.2", 1_000_000)),
    ],
)
def test_a_bitrate_beyond_the_level_raises_it_and_the_highest_caps_it(
    rate_k: int, expected: tuple[str, int]
) -> None:
    assert h264_level(640, 360, 25, rate_k) == expected


@pytest.mark.parametrize(("width", "height"), [(7680, 96), (96, 7680)])
def test_a_panorama_needs_more_than_its_area(width: int, height: int) -> None:
    # 480 macroblocks across: √(8 × 22080) is 420, of level 5.1 it is 543.
    assert h264_level(width, height, 10, 1000)[0] == "5.1"
    # 7680 samples: √(8 × 2228224) is 4222, √(8 × 8912896) is 8444.
    assert hevc_level(width, height, 10, 1000)[0] == "5.0"


@given(st.integers(2, 16_384), st.integers(2, 16_384), st.floats(1, 1000), st.integers(1, 3_000_000))
def test_more_never_needs_less(width: int, height: int, fps: float, rate_k: int) -> None:
    for level_of in (h264_level, hevc_level):
        level, cap = level_of(width, height, fps, rate_k)
        larger, _ = level_of(width + 16, height, fps * 1.1, rate_k)

        assert cap <= rate_k
        assert float(level) <= float(larger)
