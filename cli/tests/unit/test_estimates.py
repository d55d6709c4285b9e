"""Sizes guessed before anything was encoded."""

from cinelog.estimates import Guess, constant, disk_needed, encoded
from cinelog_common.contract.values import Rendition, VideoInfo
from hypothesis import given
from hypothesis import strategies as st

VIDEO = VideoInfo(codec="h264", width=1920, height=1080, time_base=(1, 90_000))
FULL = Rendition(name="1080p", width=1920, height=1080, crf=23, max_rate_k=9000)
SMALL = Rendition(name="480p", width=854, height=480, crf=23, max_rate_k=2000)


def test_a_source_of_few_bits_is_not_expected_to_grow() -> None:
    size = encoded([FULL], VIDEO, duration_s=80, source_bps=1_000_000)

    assert 10_000_000 <= size.expected <= 10_100_000


def test_without_a_bitrate_of_the_source_the_cap_says_how_much_to_expect() -> None:
    size = encoded([FULL], VIDEO, duration_s=80, source_bps=0)

    assert 29_000_000 <= size.expected <= 31_000_000
    assert 90_000_000 <= size.at_most <= 91_000_000


@given(st.floats(0, 86_400), st.floats(0, 1e9))
def test_more_is_never_expected_than_is_said_to_be_the_most(duration_s: float, source_bps: float) -> None:
    size = encoded([FULL, SMALL], VIDEO, duration_s=duration_s, source_bps=source_bps)

    assert 0 <= size.expected <= size.at_most


def test_a_source_from_elsewhere_takes_its_size_once_more() -> None:
    made = constant(8_000_000, 10)

    here = disk_needed(made, Guess(), source=1000, remote=False, joined=False)
    elsewhere = disk_needed(made, Guess(), source=1000, remote=True, joined=False)

    assert elsewhere - here == 1000
