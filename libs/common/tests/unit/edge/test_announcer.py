"""Facts are awaited, progress is throttled and never fails."""

import asyncio

import msgspec
import pytest
from cinelog_common.announcer import PROGRESS_INTERVAL_S, Announcer
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.envelope import header_map, open_command, open_event
from cinelog_common.contract.events import JobRetried
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.errors import TransientError
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_common.tracing import continued

TRACE = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"


class World:
    def __init__(self) -> None:
        self.log = FakeLog({topics.EVENTS: 4, topics.PROGRESS: 1, topics.WORK_FETCH: 4})
        self.clock = ManualClock()
        self.announcer = Announcer(FakeProducer(self.log), service="test", clock=self.clock)

    def told(self) -> list[float]:
        records = self.log.records(topics.PROGRESS)
        return [msgspec.json.decode(record.value or b"", type=Progress).done for record in records]


def a_progress(done: float, total: float | None = 100, stage: str = "encode", job: str = "j") -> Progress:
    return Progress(job=job, run=1, stage=stage, done=done, total=total, unit="frames", at_ms=0)


def test_an_event_lies_under_its_job_with_who_said_it_and_its_trace() -> None:
    world = World()

    async def work() -> None:
        with continued(TRACE):
            await world.announcer.announce(JobRetried(job="j", run=2))

    asyncio.run(work())

    (record,) = world.log.records(topics.EVENTS)
    assert open_event(record.headers, record.value) == JobRetried(job="j", run=2)
    names = header_map(record.headers)
    assert (record.key, names["ce_source"]) == (b"j", "/cinelog/test")
    assert names["traceparent"].startswith("00-" + "1" * 32)


def test_a_command_is_spread_or_kept_together_as_it_was_ordered() -> None:
    world = World()
    command = FetchSource(job="j", source=Source(url="a"), audio=AudioRecipe())

    async def work() -> None:
        for _ in range(4):
            await world.announcer.order(topics.WORK_FETCH, None, command)

    asyncio.run(work())

    records = world.log.records(topics.WORK_FETCH)
    assert {record.partition for record in records} == {0, 1, 2, 3}
    assert all(open_command(record.headers, record.value) == command for record in records)


def test_progress_is_told_twice_a_second_and_its_end_always() -> None:
    world = World()

    async def work() -> None:
        for frame in range(101):
            await world.announcer.progress(a_progress(frame))
            world.clock.advance(0.01)

    asyncio.run(work())

    told = world.told()
    assert told[0] == 0
    assert told[-1] == 100
    assert len(told) <= 1 + 1 / PROGRESS_INTERVAL_S + 1


def test_that_a_subject_is_done_is_told_at_once_but_once() -> None:
    world = World()

    async def work() -> None:
        for _ in range(8):
            for unit in ("0", "1"):
                done = msgspec.structs.replace(a_progress(100), subject=unit)
                await world.announcer.progress(done)
            world.clock.advance(PROGRESS_INTERVAL_S / 100)

    asyncio.run(work())

    assert world.told() == [100, 100]


def test_jobs_and_stages_do_not_silence_each_other() -> None:
    world = World()

    async def work() -> None:
        for job in "ab":
            for stage in ("fetch", "encode"):
                await world.announcer.progress(a_progress(1, stage=stage, job=job))

    asyncio.run(work())

    assert len(world.told()) == 4


def test_thousands_of_jobs_are_forgotten_again() -> None:
    world = World()

    async def work() -> None:
        for number in range(5000):
            await world.announcer.progress(a_progress(1, job=str(number)))

    asyncio.run(work())

    assert len(world.announcer._told) < 5000


def test_while_the_log_is_out_facts_fail_and_progress_does_not() -> None:
    world = World()
    world.log.down = True

    async def work() -> None:
        await world.announcer.progress(a_progress(1))
        with pytest.raises(TransientError):
            await world.announcer.announce(JobRetried(job="j"))

    asyncio.run(work())
