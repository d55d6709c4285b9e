import itertools

from cinelog_download.domain.intervals import IntervalSet
from hypothesis import given
from hypothesis import strategies as st

_BOUND = 60
intervals = st.tuples(st.integers(0, _BOUND), st.integers(0, _BOUND))


def members(pairs: list[tuple[int, int]]) -> set[int]:
    return {number for start, stop in pairs for number in range(start, stop)}


@given(st.lists(intervals))
def test_a_set_holds_what_was_added_whatever_the_order(pairs: list[tuple[int, int]]) -> None:
    there = IntervalSet(pairs)

    assert there == IntervalSet(reversed(pairs))
    assert members(list(there)) == members(pairs)
    assert there.total == len(members(pairs))


@given(st.lists(intervals))
def test_intervals_are_sorted_and_do_not_touch(pairs: list[tuple[int, int]]) -> None:
    there = list(IntervalSet(pairs))

    assert all(start < stop for start, stop in there)
    assert all(one[1] < other[0] for one, other in itertools.pairwise(there))


@given(st.lists(intervals), intervals)
def test_gaps_are_what_is_missing(pairs: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    there = IntervalSet(pairs)

    gaps = list(there.gaps(*asked))

    assert members(gaps) == members([asked]) - members(pairs)
    assert there.covers(*asked) == (not gaps)
    assert there.first_gap(*asked) == (gaps[0] if gaps else None)
