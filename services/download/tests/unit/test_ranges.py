from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.domain.ranges import RangePlan
from hypothesis import given
from hypothesis import strategies as st


def test_the_front_comes_first_and_each_request_goes_on_where_the_last_one_ends() -> None:
    plan = RangePlan(100, IntervalSet())

    first, second = plan.next_in_order(30), plan.next_in_order(30)

    assert first is not None
    assert second is not None
    assert [(each.position, each.stop) for each in (first, second)] == [(0, 30), (30, 60)]


def test_what_somebody_waits_for_comes_before_the_front() -> None:
    plan = RangePlan(100, IntervalSet([(0, 10)]))

    claim = plan.next_urgent([(0, 10), (90, 95)], 30)

    assert claim is not None
    assert (claim.position, claim.stop, claim.urgent) == (90, 100, True)


def test_what_is_on_its_way_is_not_asked_for_again() -> None:
    plan = RangePlan(100, IntervalSet())
    plan.next_in_order(50)

    assert plan.next_urgent([(20, 40)], 30) is None


def test_what_is_not_worth_a_connection_is_ended_from_the_back() -> None:
    plan = RangePlan(100, IntervalSet())
    front, back, urgent = plan.next_in_order(30), plan.next_in_order(30), plan.next_urgent([(90, 95)], 5)
    assert front is not None
    assert back is not None
    assert urgent is not None
    back.position = 40

    plan.keep(1)

    assert [(one.position, one.stop) for one in (front, back, urgent)] == [(0, 30), (40, 40), (90, 95)]


def test_a_released_claim_can_be_claimed_again_from_where_it_stopped() -> None:
    done = IntervalSet()
    plan = RangePlan(100, done)
    claim = plan.next_in_order(50)
    assert claim is not None
    done.add(0, 20)
    claim.position = 20

    plan.release(claim)

    again = plan.next_in_order(50)
    assert again is not None
    assert (again.position, again.stop) == (20, 70)


@given(
    size=st.integers(1, 200),
    length=st.integers(1, 40),
    wants=st.lists(st.tuples(st.integers(0, 220), st.integers(0, 220)), max_size=4),
    there=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=4),
)
def test_claims_bring_every_byte_exactly_once(
    size: int, length: int, wants: list[tuple[int, int]], there: list[tuple[int, int]]
) -> None:
    done = IntervalSet((start, min(stop, size)) for start, stop in there)
    plan = RangePlan(size, done)
    missing = size - done.total
    brought = 0

    while (claim := plan.next_urgent(wants, length) or plan.next_in_order(length)) is not None:
        assert 0 < claim.left <= length
        brought += claim.left
        done.add(claim.position, claim.stop)
        claim.position = claim.stop
        plan.release(claim)

    assert plan.complete
    assert brought == missing
