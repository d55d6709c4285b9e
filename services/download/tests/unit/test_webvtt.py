"""WebVTT in segments becomes one file."""

from cinelog_download.domain.webvtt import is_webvtt, joined
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
        "WEBVTT\n\n00:01.000 --> 00:02.000\none\n\n00:00:07.000 --> 00:00:08.000\ntwo\n\n"
        "a\n00:00:10.500 --> 00:00:11.500 line:1\nthree\n"
    )


def test_what_is_no_webvtt_and_segments_without_cues_add_nothing() -> None:
    assert joined(["WEBVTT", "<html>", "WEBVTT\n\n", FIRST.replace("00:01", "00:00")]).count("-->") == 1


@given(st.lists(st.text() | st.text().map("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:{}\n\n".format)))
def test_whatever_the_segments_hold_they_become_a_file(segments: list[str]) -> None:
    assert is_webvtt(joined(segments))
