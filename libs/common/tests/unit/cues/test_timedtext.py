"""Cues as samples of 3GPP timed text."""

import struct

from cinelog_common.contract.sidecars import Cue
from cinelog_common.cues.timedtext import MOST_SHOWN, sample, timed_samples
from hypothesis import given
from hypothesis import strategies as st

SIZE = 36
EMPTY = bytes(2)


def plain(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()


def test_what_is_bold_italic_or_underlined_is_told_in_characters() -> None:
    data = sample("Olá <b>w<i>elt</i></b> &amp; <u></u>all", SIZE)

    text = "Olá welt & all"
    styles = struct.pack(">HHHBBI", 4, 5, 1, 1, SIZE, 0xFFFFFFFF)
    styles += struct.pack(">HHHBBI", 5, 8, 1, 3, SIZE, 0xFFFFFFFF)
    assert data == plain(text) + struct.pack(">I4sH", 34, b"styl", 2) + styles


def test_gaps_are_empty_and_what_overlaps_is_shown_together() -> None:
    cues = [Cue(start_ms=500, end_ms=2000, text="one"), Cue(start_ms=1500, end_ms=3000, text="two")]

    samples = timed_samples(cues, 5000, SIZE)

    assert samples == [
        (500, EMPTY),
        (1000, plain("one")),
        (500, plain("one\ntwo")),
        (1000, plain("two")),
        (2000, EMPTY),
    ]


def test_text_that_fills_its_length_field_is_cut_at_a_character() -> None:
    data = sample("ä" * 40_000, SIZE)

    assert struct.unpack_from(">H", data)[0] == len(data) - 2 == 65_534
    assert data[2:].decode() == "ä" * 32_767


def test_of_very_many_at_once_only_the_latest_are_shown() -> None:
    cues = [Cue(start_ms=at, end_ms=100, text=str(at)) for at in range(50)]

    _, data = timed_samples(cues, 100, SIZE)[-1]

    assert data == plain("\n".join(str(at) for at in range(50 - MOST_SHOWN, 50)))


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(1, 500))),
    st.integers(1000, 5000),
)
def test_samples_follow_each_other_from_the_films_beginning_to_its_end(
    spans: list[tuple[int, int]], end_ms: int
) -> None:
    cues = [
        Cue(start_ms=start, end_ms=min(start + lasts, end_ms), text="x") for start, lasts in sorted(spans)
    ]

    samples = timed_samples(cues, end_ms, SIZE)

    assert sum(lasts for lasts, _ in samples) == end_ms
    assert all(lasts > 0 for lasts, _ in samples)
