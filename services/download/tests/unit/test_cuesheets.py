"""Cues in order: none before zero, none without an end, never too many at once."""

from fractions import Fraction

import pytest
from cinelog_common.contract.sidecars import Cue
from cinelog_download.domain.cuesheets import LONGEST_MS, MOST_AT_ONCE, Spoken, merged, placed, sheet_of
from hypothesis import given
from hypothesis import strategies as st


def spoken(start_s: float, lasts_s: float | None, text: str = "x") -> Spoken:
    return Spoken(Fraction(start_s), None if lasts_s is None else Fraction(lasts_s), text)


def spans(*cues: Spoken, zero_s: float = 0) -> list[tuple[int, int]]:
    return [(cue.start_ms, cue.end_ms) for cue in sheet_of(cues, Fraction(zero_s)).cues]


def test_times_count_from_the_films_first_picture() -> None:
    assert spans(spoken(1.5, 1), zero_s=0.5) == [(1000, 2000)]


def test_what_begins_before_the_film_is_cut_and_what_ends_before_it_is_gone() -> None:
    assert spans(spoken(0, 1), spoken(0, 3), spoken(-9, 1), zero_s=2) == [(0, 1000)]


@pytest.mark.parametrize(
    ("start_s", "lasts_s", "found"),
    [
        (100.0, 1.0, (30.0, 1.0)),
        (101.5, 1.0, (31.5, 0.5)),
        (99.5, 1.0, (30.0, 0.5)),
        (99.5, 9.0, (30.0, 2.0)),
        (101.0, None, (31.0, None)),
        (102.0, 1.0, None),
        (98.0, 1.0, None),
        (99.0, None, None),
    ],
)
def test_of_a_file_for_a_part_of_the_film_only_what_falls_in_it_is_shown(
    start_s: float, lasts_s: float | None, found: tuple[float, float | None] | None
) -> None:
    cue = placed(spoken(start_s, lasts_s), origin_s=Fraction(100), begins_s=Fraction(30), lasts_s=Fraction(2))

    assert cue == (None if found is None else spoken(*found))


def test_a_part_without_an_end_shows_all_that_follows() -> None:
    cue = placed(spoken(999, 1), origin_s=Fraction(100), begins_s=Fraction(0), lasts_s=None)

    assert cue == spoken(899, 1)


def test_what_every_sample_says_again_is_one_cue() -> None:
    cues = [spoken(2, 2, "a"), spoken(0, 1, "a"), spoken(1, 1, "b"), spoken(1, 1, "a"), spoken(5, 1, "a")]

    assert merged(cues) == [spoken(0, 4, "a"), spoken(1, 1, "b"), spoken(5, 1, "a")]


def test_cues_without_an_end_are_not_made_one() -> None:
    cues = [spoken(0, None, "a"), spoken(1, 1, "a"), spoken(2, None, "a")]

    assert merged(cues) == cues


def test_a_cue_without_an_end_lasts_until_the_next_one_but_never_long() -> None:
    assert spans(spoken(1, None), spoken(3, None), spoken(30, None)) == [
        (1000, 3000),
        (3000, 8000),
        (30_000, 35_000),
    ]


def test_cues_that_last_no_time_or_less_are_left_out() -> None:
    assert spans(spoken(1, 0), spoken(2, -1), spoken(4e9, 1)) == []


def test_the_same_cue_is_shown_once() -> None:
    assert spans(spoken(1, 1), spoken(1, 1)) == [(1000, 2000)]


@given(
    st.lists(
        st.builds(
            Spoken,
            st.fractions(-(10**12), 10**12),
            st.none() | st.fractions(-(10**12), 10**12),
            st.sampled_from("abc"),
        ),
        max_size=60,
    ),
    st.fractions(-100, 100),
)
def test_whatever_comes_is_in_order_and_within_bounds(cues: list[Spoken], zero_s: Fraction) -> None:
    found = sheet_of(cues, zero_s).cues

    assert all(0 <= cue.start_ms < cue.end_ms <= LONGEST_MS for cue in found)
    assert list(found) == sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms))
    assert all(shown_at(found, cue.start_ms) <= MOST_AT_ONCE for cue in found)


def shown_at(cues: tuple[Cue, ...], at_ms: int) -> int:
    return sum(cue.start_ms <= at_ms < cue.end_ms for cue in cues)
