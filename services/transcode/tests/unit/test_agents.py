"""Which work a transcode worker takes."""

import pytest
from cinelog_common.contract import topics
from cinelog_transcode.agents import worker_spec


@pytest.mark.parametrize("pool", topics.POOLS)
def test_a_pool_is_a_group_of_its_own_that_the_ledger_knows(pool: str) -> None:
    spec = worker_spec(pool, 2)

    assert {topics.group_of(name) for name in spec.topics} == {spec.group} == {f"cinelog-transcode-{pool}"}


def test_one_slot_beyond_those_told_is_for_urgent_work() -> None:
    assert worker_spec("cpu", 2).slots == 3
