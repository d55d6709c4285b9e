"""When an attempt follows a failed one."""

import pytest
from cinelog_common.contract.values import Failure
from cinelog_merge.domain.retrying import MAX_ATTEMPTS, exhausted, retry_at_ms
from cinelog_merge.domain.state import Setback
from hypothesis import given
from hypothesis import strategies as st


def a_setback(attempt: int = 1, *, permanent: bool = False, retry_after_s: float = 0.0) -> Setback:
    return Setback(
        attempt=attempt,
        failure=Failure(category="internal", message="It failed."),
        permanent=permanent,
        at=(1, 1),
        at_ms=1_000_000,
        retry_after_s=retry_after_s,
    )


@pytest.mark.parametrize("kind", MAX_ATTEMPTS)
def test_a_kind_of_work_is_tried_so_often_and_no_more(kind: str) -> None:
    last = MAX_ATTEMPTS[kind]

    assert not exhausted(kind, "completed", a_setback(last - 1))
    assert exhausted(kind, "completed", a_setback(last))
    assert exhausted(kind, "completed", a_setback(1, permanent=True))


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_tombstone_is_tried_for_ever(outcome: str) -> None:
    assert not exhausted("publish", outcome, a_setback(10_000, permanent=True))


def test_a_kind_that_is_not_known_yet_is_not_tried_for_ever() -> None:
    assert exhausted("dream", "", a_setback(10))


@pytest.mark.parametrize(
    ("attempt", "retry_after_s", "delay_s"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 4), (7, 0, 60), (10_000, 0, 60), (1, 30, 30), (3, 2, 4), (1, 10**9, 3600)],
)
def test_the_wait_doubles_is_bounded_and_hears_the_other_side(
    attempt: int, retry_after_s: float, delay_s: float
) -> None:
    setback = a_setback(attempt, retry_after_s=retry_after_s)

    assert retry_at_ms(setback) == 1_000_000 + delay_s * 1000


@given(st.integers(0, 10**6), st.floats(-1e9, 1e9))
def test_the_next_attempt_is_always_later_and_never_much_later(attempt: int, retry_after_s: float) -> None:
    due = retry_at_ms(a_setback(attempt, retry_after_s=retry_after_s))

    assert 1_000_000 < due <= 1_000_000 + 3_600_000
