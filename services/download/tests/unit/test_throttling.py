import pytest
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.throttling import Throttle
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500_000)), min_size=1, max_size=50))
def test_no_stretch_of_time_brings_more_than_the_rate_and_its_burst(steps: list[tuple[float, int]]) -> None:
    throttle = Throttle(100_000)
    now, taken = 0.0, 0

    for idle_s, size in steps:
        now += idle_s
        wait_s = throttle.wait_s(now, size)
        taken += size
        now += wait_s

        assert taken <= 100_000 * (now + 0.25) + 1


def test_after_a_pause_only_the_burst_is_free() -> None:
    throttle = Throttle(1000)
    throttle.wait_s(0.0, 250)

    assert throttle.wait_s(100.0, 250) == pytest.approx(0.0)
    assert throttle.wait_s(100.0, 1000) == pytest.approx(1.0)


@pytest.mark.parametrize("chunk", [65_536, 300_000, 512 * 1024, 8 << 20, 64 << 20])
def test_what_a_crash_costs_is_less_than_a_chunk(chunk: int) -> None:
    policy = FetchPolicy(chunk_bytes=chunk)

    assert policy.at_stake_bytes + policy.opening_bytes < chunk
    assert policy.note_bytes < policy.at_stake_bytes
