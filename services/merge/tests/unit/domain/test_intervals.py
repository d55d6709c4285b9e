"""IntervalSet behaves as a set of integers, in little room."""

from cinelog_merge.domain.intervals import IntervalSet
from hypothesis import given
from hypothesis import strategies as st


def built(numbers: list[int]) -> IntervalSet:
    result = IntervalSet()
    for n in numbers:
        result = result.add(n)
    return result


@given(st.lists(st.integers(0, 40)))
def test_it_holds_exactly_what_was_added(numbers: list[int]) -> None:
    result = built(numbers)

    assert list(result) == sorted(set(numbers))
    assert len(result) == len(set(numbers))
    assert all((n in result) == (n in numbers) for n in range(42))


@given(st.lists(st.integers(0, 40)), st.randoms())
def test_the_order_of_adding_leaves_no_trace(numbers: list[int], random: object) -> None:
    shuffled = list(numbers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert built(numbers) == built(shuffled)


@given(st.lists(st.integers(0, 40)))
def test_the_prefix_ends_at_the_first_hole(numbers: list[int]) -> None:
    hole = next(n for n in range(100) if n not in numbers)

    assert built(numbers).prefix() == hole


def test_a_film_in_order_is_one_run() -> None:
    assert built(list(range(5000))).runs == ((0, 5000),)
