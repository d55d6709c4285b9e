"""Who can work, as the heartbeats tell."""

import itertools

import pytest
from cinelog_common.contract.status import EncoderProof, WorkerBeat
from cinelog_merge.domain.pools import Pool, Pools, view
from hypothesis import given
from hypothesis import strategies as st


def a_beat(
    worker: str = "w1", pool: str = "cpu", slots: int = 2, at_ms: int = 0, **fields: object
) -> WorkerBeat:
    proofs = (EncoderProof(encoder="libx264", codec="h264", version="165"),) if pool == "cpu" else ()
    role = str(fields.get("role", "transcode"))
    active = fields.get("active_jobs", 0)
    assert isinstance(active, int)
    return WorkerBeat(
        worker=worker, role=role, at_ms=at_ms, pool=pool, slots=slots, encoders=proofs, active_jobs=active
    )


@pytest.mark.parametrize(
    ("slots", "jobs", "window"),
    [(0, 1, 2), (1, 1, 2), (2, 1, 3), (4, 1, 6), (4, 2, 3), (4, 3, 2), (4, 100, 2), (64, 1, 96), (3, 2, 3)],
)
def test_the_window_is_one_and_a_half_times_a_jobs_share_and_at_least_two(
    slots: int, jobs: int, window: int
) -> None:
    pools = Pools(pools={"cpu": Pool(live_slots=slots)}, active_jobs=jobs)

    assert pools.window("cpu") == window


def test_a_pool_that_sleeps_is_measured_by_what_it_may_become() -> None:
    assert Pools(pools={"nvidia": Pool(max_slots=8)}).window("nvidia") == 12
    assert Pools().window("nowhere") == 2


def test_live_slots_add_up_and_silent_workers_do_not_count() -> None:
    beats = [
        a_beat("a", slots=2, at_ms=100_000),
        a_beat("b", slots=3, at_ms=90_000),
        a_beat("c", slots=50, at_ms=84_999),
        a_beat("d", pool="nvidia", slots=1, at_ms=100_000),
    ]

    pools = view(beats, declared={"cpu": 8, "amd": 4}, now_ms=100_000)

    assert pools.pools["cpu"] == Pool(live_slots=5, max_slots=8, encoders={"libx264": "165"})
    assert pools.pools["nvidia"] == Pool(live_slots=1)
    assert pools.pools["amd"] == Pool(max_slots=4)
    assert pools.pools["amd"].eligible
    assert not Pool().eligible


def test_jobs_are_counted_over_all_ledger_members_and_of_nobody_else() -> None:
    beats = [
        a_beat("l1", pool="", role="ledger", active_jobs=2),
        a_beat("l2", pool="", role="ledger", active_jobs=3),
        a_beat("t1", active_jobs=100),
    ]

    assert view(beats, declared={}, now_ms=0).active_jobs == 5
    assert view([], declared={}, now_ms=0).active_jobs == 1


@given(
    st.permutations(
        [
            a_beat(f"w{n}", pool=pool, slots=n)
            for n, pool in enumerate(itertools.islice(itertools.cycle(["cpu", "intel", ""]), 6))
        ]
    )
)
def test_the_order_of_heartbeats_does_not_matter(beats: list[WorkerBeat]) -> None:
    straight = view(sorted(beats, key=lambda beat: beat.worker), declared={"cpu": 1}, now_ms=0)

    assert view(beats, declared={"cpu": 1}, now_ms=0) == straight


def test_an_encoder_is_shallow_if_any_worker_of_its_pool_has_it_so() -> None:
    def proof(*, ten_bit: bool) -> EncoderProof:
        return EncoderProof(encoder="hevc_nvenc", codec="hevc", version="13", ten_bit=ten_bit)

    def beat(worker: str, *, ten_bit: bool, at_ms: int = 0) -> WorkerBeat:
        proofs = (proof(ten_bit=ten_bit),)
        return WorkerBeat(
            worker=worker, role="transcode", at_ms=at_ms, pool="nvidia", slots=1, encoders=proofs
        )

    mixed = [beat("a", ten_bit=False), beat("b", ten_bit=True)]
    silent = [beat("a", ten_bit=False, at_ms=-99_000), beat("b", ten_bit=True)]

    assert view(mixed, declared={}, now_ms=0).pools["nvidia"].shallow == {"hevc_nvenc"}
    assert view(silent, declared={}, now_ms=0).pools["nvidia"].shallow == frozenset()
