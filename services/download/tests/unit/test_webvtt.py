"""WebVTT in segments becomes one file."""

from fractions import Fraction

import pytest
from cinelog_download.domain.webvtt import is_webvtt, joined, origin_s
from hypothesis import given
from hypothesis import strategies as st

FIRST = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.000\none\n"
SAME = FIRST.replace("00:01.", "00:00:07.").replace("00:02.", "00:00:08.").replace("one", "two")
SAME = "\ufeff" + SAME.replace("\n", "\r\n")
OWN = (
    "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1800000,LOCAL:00:00:01.000\n\na\n00:01.500 --> 00:02.500 line:1\nthree\n"
)


def test_times_of_all_segments_count_as_those_of_the_first() -> None:
    assert joined([FIRST, SAME, OWN]) == (
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n\n"
        "00:01.000 --> 00:02.000\none\n\n00:00:07.000 --> 00:00:08.000\ntwo\n\n"
        "a\n00:00:10.500 --> 00:00:11.500 line:1\nthree\n"
    )


def test_segments_that_go_by_another_clock_keep_their_times() -> None:
    assert joined([FIRST, OWN], mapped=False) == (
        "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\na\n00:01.500 --> 00:02.500 line:1\nthree\n"
    )


def test_what_is_no_webvtt_and_segments_without_cues_add_nothing() -> None:
    assert joined(["WEBVTT", "<html>", "WEBVTT\n\n", FIRST.replace("00:01", "00:00")]).count("-->") == 1


@given(st.lists(st.text() | st.text().map("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:{}\n\n".format)))
def test_whatever_the_segments_hold_they_become_a_file(segments: list[str]) -> None:
    assert is_webvtt(joined(segments))


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("MPEGTS:900000,LOCAL:00:00:00.000", Fraction(10)),
        ("LOCAL:00:00:04.000,MPEGTS:126000", Fraction(-26, 10)),
        ("MPEGTS:0,LOCAL:00:00:00.000", Fraction(0)),
        ("MPEGTS:nine", None),
    ],
)
def test_a_file_of_segments_says_what_clock_they_went_by(stated: str, shown: Fraction | None) -> None:
    segment = f"WEBVTT\nX-TIMESTAMP-MAP={stated}\n\n00:01.000 --> 00:02.000\none\n"

    assert origin_s(segment) == origin_s(joined([segment])) == shown
    assert origin_s("WEBVTT\n\n00:01.000 --> 00:02.000\none\n") is None
