from collections import Counter

from cinelog_common.kafka.slots import Priority, Slots
from hypothesis import example, given
from hypothesis import strategies as st

ALL = list(Priority)
CLASSES = st.sets(st.sampled_from(ALL))


BOTH = {Priority.HIGH, Priority.NORMAL}
COMING_AND_GOING = [
    BOTH,
    {Priority.HIGH},
    BOTH,
    BOTH,
    {Priority.HIGH},
    {Priority.HIGH},
    BOTH,
    {Priority.NORMAL},
    BOTH,
    BOTH,
]


@given(st.lists(CLASSES, min_size=8, max_size=60))
@example(COMING_AND_GOING)
def test_bulk_that_waits_gets_at_least_every_eighth_start(rounds: list[set[Priority]]) -> None:
    slots = Slots(1, ALL)
    since_bulk = 0

    for others in rounds:
        chosen = slots.choose({*others, Priority.BULK}, {})
        since_bulk = 0 if chosen is Priority.BULK else since_bulk + 1

        assert since_bulk < 8


def test_when_all_wait_each_gets_its_share() -> None:
    slots = Slots(1, ALL)

    starts = Counter(slots.choose(ALL, {}) for _ in range(70))

    assert starts == {Priority.HIGH: 40, Priority.NORMAL: 20, Priority.BULK: 10}


def test_of_several_slots_one_is_kept_for_high() -> None:
    slots = Slots(4, ALL)
    running: Counter[Priority] = Counter()

    while (chosen := slots.choose([Priority.NORMAL, Priority.BULK], running)) is not None:
        running[chosen] += 1

    assert sum(running.values()) == 3
    assert slots.choose(ALL, running) is Priority.HIGH


def test_high_may_take_every_slot() -> None:
    slots = Slots(3, ALL)

    assert slots.choose([Priority.HIGH], {Priority.HIGH: 2}) is Priority.HIGH
    assert slots.choose([Priority.HIGH], {Priority.HIGH: 3}) is None


def test_without_a_class_of_high_no_slot_is_kept_free() -> None:
    slots = Slots(2, [Priority.NORMAL])

    assert slots.choose([Priority.NORMAL], {Priority.NORMAL: 1}) is Priority.NORMAL


def test_a_single_slot_serves_all() -> None:
    slots = Slots(1, ALL)

    assert slots.choose([Priority.BULK], {}) is Priority.BULK


@given(
    st.integers(1, 6),
    st.lists(st.tuples(CLASSES, st.lists(st.sampled_from(ALL), max_size=6)), max_size=50),
)
def test_only_what_waits_is_chosen_and_never_beyond_the_slots(
    count: int, rounds: list[tuple[set[Priority], list[Priority]]]
) -> None:
    slots = Slots(count, ALL)

    for waiting, running in rounds:
        chosen = slots.choose(waiting, Counter(running))

        assert chosen is None or (chosen in waiting and len(running) < count)
        if len(running) < count and Priority.HIGH in waiting:
            assert chosen is not None


def test_fewer_slots_let_what_runs_end_and_begin_nothing_beyond_them() -> None:
    slots = Slots(4, ALL)

    slots.resize(2)

    assert slots.choose(ALL, {Priority.NORMAL: 2}) is None
    assert slots.choose([Priority.NORMAL], {Priority.NORMAL: 1}) is None
    assert slots.choose(ALL, {Priority.NORMAL: 1}) is Priority.HIGH
    assert slots.choose([Priority.NORMAL], {}) is Priority.NORMAL
