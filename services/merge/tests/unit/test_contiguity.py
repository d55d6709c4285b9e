"""No event is admitted before the ones before it; what comes again is."""

from cinelog_merge.adapters.contiguity import Contiguity
from hypothesis import given
from hypothesis import strategies as st


def test_events_in_order_are_admitted_from_what_is_committed_on() -> None:
    guard = Contiguity()
    guard.rewind({"p": 7})

    assert all(guard.admits("p", offset) for offset in range(7, 20))


def test_one_missing_event_is_enough_to_refuse() -> None:
    guard = Contiguity()
    guard.rewind({"p": 7})

    assert not guard.admits("p", 8)


def test_without_a_commit_any_offset_may_be_the_first() -> None:
    guard = Contiguity()
    guard.rewind({"p": None})

    assert guard.admits("p", 41)
    assert not guard.admits("p", 43)


def test_the_same_hole_met_again_is_in_the_log_itself() -> None:
    guard = Contiguity()
    guard.rewind({"p": 7})
    guard.admits("p", 10)
    guard.rewind({"p": 7})

    assert guard.admits("p", 10)
    assert guard.admits("p", 11)


@given(st.integers(0, 5), st.lists(st.integers(0, 12)))
def test_until_something_is_refused_what_was_admitted_has_no_hole(committed: int, offsets: list[int]) -> None:
    guard, admitted = Contiguity(), set[int]()
    guard.rewind({"p": committed})

    for offset in offsets:
        if not guard.admits("p", offset):
            assert offset > committed
            break
        admitted.add(offset)

    beyond = {offset for offset in admitted if offset >= committed}
    assert beyond == set(range(committed, committed + len(beyond)))
