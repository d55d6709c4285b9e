"""Where sound is cut, and how it is placed."""

from fractions import Fraction
from itertools import pairwise

import pytest
from cinelog_download.domain.sounding import (
    MOST_HELD,
    Grid,
    Leaps,
    PictureCuts,
    Placed,
    Step,
    next_cut,
    place,
)
from hypothesis import given
from hypothesis import strategies as st

GRID = Grid(step=4000, longest=8000)


def cut_all(cuts: list[int], end: int, floors: list[int]) -> list[int]:
    """Cut sound while the picture's cuts become known, at the given floors one after another."""
    made: list[int] = []
    last = 0
    for floor in [*sorted(floors), None]:
        known = [cut for cut in cuts if floor is None or cut <= floor]
        state = PictureCuts(at=known, floor=floor)
        while (at := next_cut(last, state, GRID)) is not None and at < end:
            made.append(at)
            last = at
    return made


@given(
    st.lists(st.integers(100, 20_000), min_size=1, max_size=20),
    st.lists(st.integers(0, 100_000), max_size=20),
)
def test_when_the_picture_is_cut_decides_not_when_it_is_known(gaps: list[int], floors: list[int]) -> None:
    cuts: list[int] = []
    for gap in gaps:
        cuts.append((cuts[-1] if cuts else 0) + gap)
    end = cuts[-1] + 3000

    assert cut_all(cuts, end, floors) == cut_all(cuts, end, [])


@given(st.lists(st.integers(100, 20_000), min_size=1, max_size=20))
def test_no_fragment_is_longer_than_allowed(gaps: list[int]) -> None:
    cuts: list[int] = []
    for gap in gaps:
        cuts.append((cuts[-1] if cuts else 0) + gap)

    made = [0, *cut_all(cuts, cuts[-1], [])]

    assert all(after - before <= GRID.longest for before, after in pairwise(made))


def test_the_beginning_is_exact_and_jitter_later_is_not_mended() -> None:
    assert place(5, 0, rate=48_000) == Step(silence=5)
    assert place(-5, 0, rate=48_000) == Step(drop=5)
    assert place(48_500, 48_000, rate=48_000) == Step()
    assert place(50_000, 48_000, rate=48_000) == Step(silence=2000)
    assert place(46_000, 48_000, rate=48_000) == Step(drop=2000)


def test_where_one_recording_follows_another_nothing_is_taken_as_jitter() -> None:
    assert place(48_500, 48_000, rate=48_000) == Step()
    assert place(48_500, 48_000, rate=48_000, exact=True) == Step(silence=500)
    assert place(47_500, 48_000, rate=48_000, exact=True) == Step(drop=500)


LASTS_S = Fraction(1, 50)


def followed(*times: float | None) -> list[Placed[int]]:
    """Return where 20 ms pieces go that say these times; a piece is its number."""
    leaps: Leaps[int] = Leaps()
    placed: list[Placed[int]] = []
    for number, at in enumerate(times):
        placed += leaps.add(number, None if at is None else Fraction(str(at)), LASTS_S)
    return placed + leaps.finish()


def even(first: float, count: int) -> list[float]:
    return [round(first + n * 0.02, 2) for n in range(count)]


def odd(placed: list[Placed[int]]) -> list[int]:
    return [one.piece for one in placed if one.odd]


@pytest.mark.parametrize("wrong", [[30.0], [30.0, None, None], [30.0, 30.02, 30.04], [5.0, 900.0], [-700.0]])
@pytest.mark.parametrize("before", [1, 100])
def test_wrong_times_do_not_lead_away_from_what_follows(wrong: list[float | None], before: int) -> None:
    times = [*even(0, before), *wrong, *even((before + len(wrong)) * 0.02, 200)]

    placed = followed(*times)

    assert [one.piece for one in placed] == list(range(len(times)))
    assert odd(placed) == list(range(before, before + len(wrong)))
    assert not any(one.left_out for one in placed)


def test_the_first_time_may_be_a_wrong_one() -> None:
    assert odd(followed(30.0, *even(0.02, 200))) == [0]


def test_a_wrong_time_without_room_behind_the_right_ones_is_left_out() -> None:
    placed = followed(*even(0, 10), 30.0, *even(0.2, 200))

    assert [one.piece for one in placed if one.left_out] == odd(placed) == [10]


@pytest.mark.parametrize("gap_s", [0.5, 1.03, 30, 7200])
@pytest.mark.parametrize("after", [2, MOST_HELD, 200])
def test_what_comes_after_a_gap_is_believed(gap_s: float, after: int) -> None:
    times = [*even(0, 50), *even(1 + gap_s, after)]

    placed = followed(*times)

    assert [one.at_s for one in placed] == [Fraction(str(at)) for at in times]


def test_a_lone_piece_at_the_end_needs_a_witness_unless_it_is_all_there_is() -> None:
    assert odd(followed(*even(0, 50), 30.0)) == [50]
    assert odd(followed(30.0)) == []


def test_sound_may_begin_long_before_the_picture_and_long_after() -> None:
    for first in (-20, 40):
        assert [one.at_s for one in followed(*even(first, 90))] == [
            Fraction(str(at)) for at in even(first, 90)
        ]


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100).map(lambda at: round(at, 2))), max_size=200))
def test_every_piece_comes_out_once_in_its_order_and_few_are_held(times: list[float | None]) -> None:
    leaps: Leaps[int] = Leaps()
    out: list[int] = []
    for number, at in enumerate(times):
        out += [one.piece for one in leaps.add(number, None if at is None else Fraction(str(at)), LASTS_S)]
        assert number + 1 - len(out) < MOST_HELD

    out += [one.piece for one in leaps.finish()]

    assert out == list(range(len(times)))
