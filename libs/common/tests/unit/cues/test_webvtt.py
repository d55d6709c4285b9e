"""Cues as WebVTT: a file of their own, and the segments of a playlist."""

from cinelog_common.contract.sidecars import Cue
from cinelog_common.cues.webvtt import ORIGIN, segmented, stamp, within, write_webvtt
from hypothesis import given
from hypothesis import strategies as st

END_MS = 10_000

CUES = st.lists(
    st.builds(
        lambda start, lasts: Cue(start_ms=start, end_ms=start + lasts, text="x"),
        st.integers(0, 2 * END_MS),
        st.integers(1, END_MS),
    )
)


def cue(start_ms: int, end_ms: int, text: str = "x") -> Cue:
    return Cue(start_ms=start_ms, end_ms=end_ms, text=text)


def test_a_file_begins_with_its_name_and_has_a_blank_line_between_cues() -> None:
    text = write_webvtt([cue(500, 1500, "<i>one</i>"), cue(3_723_004, 3_724_000, "two\nlines")])

    assert text == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\n<i>one</i>\n\n01:02:03.004 --> 01:02:04.000\ntwo\nlines\n"
    )


def test_a_segment_says_where_on_the_films_timeline_it_lies() -> None:
    assert write_webvtt([], mapped=True) == f"WEBVTT\n{ORIGIN}\n"


def test_times_beyond_a_hundred_hours_are_written_whole() -> None:
    assert stamp(100 * 3_600_000 + 1) == "100:00:00.001"


@given(CUES)
def test_nothing_is_seen_after_the_film(cues: list[Cue]) -> None:
    seen = within(cues, END_MS)

    assert all(one.start_ms < one.end_ms <= END_MS for one in seen)
    assert len(seen) == sum(one.start_ms < END_MS for one in cues)


@given(CUES, st.integers(1, END_MS))
def test_every_cue_is_in_each_segment_that_it_is_seen_in_and_in_no_other(
    cues: list[Cue], every_ms: int
) -> None:
    seen = within(cues, END_MS)
    count = -(-END_MS // every_ms)

    segments = segmented(seen, every_ms, count)

    for number, own in enumerate(segments):
        first, last = number * every_ms, (number + 1) * every_ms
        assert own == [one for one in seen if one.start_ms < last and one.end_ms > first]
