import asyncio

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.status import EncoderProof, WorkerBeat
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_merge.workers import BEAT_S, Heartbeat, WorkersView
from msgspec.structs import replace


def _record(key: bytes, value: bytes | None, at_ms: int = 0) -> Record:
    return Record(topic=topics.WORKERS, partition=0, offset=0, timestamp_ms=at_ms, key=key, value=value)


def _beat(clock: ManualClock, worker: str, slots: int = 2) -> Record:
    proof = EncoderProof(encoder="libx264", codec="h264", version="164")
    beat = WorkerBeat(
        worker=worker,
        role="transcode",
        at_ms=int(clock.now() * 1000),
        pool="cpu",
        slots=slots,
        encoders=(proof,),
    )
    return _record(worker.encode(), msgspec.json.encode(beat), beat.at_ms)


def _take(view: WorkersView, *records: Record) -> None:
    async def take() -> None:
        for record in records:
            await view.take(record)

    asyncio.run(take())


def test_the_pools_are_what_the_living_workers_tell() -> None:
    clock = ManualClock()
    view = WorkersView(clock, {"nvidia": 4})

    _take(view, _beat(clock, "a"), _beat(clock, "b", slots=3), _beat(clock, "a"))

    pools = view.now().pools
    assert (pools["cpu"].live_slots, pools["cpu"].encoders) == (5, {"libx264": "164"})
    assert (pools["nvidia"].live_slots, pools["nvidia"].max_slots) == (0, 4)


def test_a_vendor_is_there_if_a_living_worker_has_proven_it_or_its_pool_can_be_woken() -> None:
    clock = ManualClock()
    view = WorkersView(clock, {"intel": 4, "amd": 0})
    proof = EncoderProof(encoder="h264_nvenc", codec="h264", version="13")
    beat = WorkerBeat(worker="n", role="transcode", at_ms=0, pool="nvidia", slots=1, encoders=(proof,))

    before = view.vendors("h264")
    _take(view, _beat(clock, "a"), _record(b"n", msgspec.json.encode(beat), int(clock.now() * 1000)))
    proven, other = view.vendors("h264"), view.vendors("hevc")
    clock.advance(3 * BEAT_S + 1)
    _take(view, _beat(clock, "a"))

    assert before is None
    assert (proven, other) == ({"nvidia", "intel"}, {"intel"})
    assert view.vendors("h264") == {"intel"}


def test_a_worker_that_says_goodbye_or_falls_silent_is_not_counted() -> None:
    clock = ManualClock()
    view = WorkersView(clock, {})
    _take(view, _beat(clock, "a"), _beat(clock, "b"))

    _take(view, _record(b"a", None))
    assert view.now().pools["cpu"].live_slots == 2
    clock.advance(3 * BEAT_S + 1)

    assert view.now().pools == {}


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
def test_a_worker_whose_clock_is_wrong_lives_and_dies_as_others_do(ahead_s: int) -> None:
    clock = ManualClock()
    view = WorkersView(clock, {})
    beat = _beat(ManualClock(clock.now() + ahead_s), "a")

    _take(view, replace(beat, timestamp_ms=int(clock.now() * 1000)))
    alive = view.now().pools["cpu"].live_slots
    clock.advance(3 * BEAT_S + 1)

    assert alive == 2
    assert view.now().pools == {}


def test_garbage_among_the_heartbeats_is_ignored() -> None:
    clock = ManualClock()
    view = WorkersView(clock, {})

    _take(view, _record(b"x", b"garbage"), _record(b"y", b"\xff\xfe"), _beat(clock, "a"))

    assert view.now().pools["cpu"].live_slots == 2


def test_a_member_tells_its_open_jobs_and_says_goodbye() -> None:
    log = FakeLog({topics.WORKERS: 1})
    clock = ManualClock()
    view = WorkersView(clock, {})

    async def live() -> None:
        heartbeat = Heartbeat(FakeProducer(log), clock, worker="w", active_jobs=lambda: 3)
        changed = log.watch()
        heartbeat.start()
        async with asyncio.timeout(5):
            await changed.wait()
        log.unwatch(changed)
        for record in log.records(topics.WORKERS):
            await view.take(replace(record, timestamp_ms=int(clock.now() * 1000)))
        assert view.now().active_jobs == 3
        await heartbeat.stop()

    asyncio.run(live())

    last = log.records(topics.WORKERS)[-1]
    assert (last.key, last.value) == (b"ledger/w", None)


def test_a_heartbeat_that_the_log_does_not_take_does_no_harm() -> None:
    log = FakeLog({topics.WORKERS: 1})
    log.down = True

    asyncio.run(Heartbeat(FakeProducer(log), ManualClock(), worker="w", active_jobs=lambda: 0).beat())

    assert log.records(topics.WORKERS) == []
