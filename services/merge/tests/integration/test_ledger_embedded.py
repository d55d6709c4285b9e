"""The whole ledger on the in-process broker: quick to start, quick to answer, hard to disturb."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import SystemClock
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import JobRequested, JobTicked, SegmentReady, WorkFailed
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Failure, Source
from cinelog_common.errors import TransientError
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Record
from cinelog_merge.adapters.table_values import frame
from cinelog_merge.domain.state import LedgerState, decode_state
from cinelog_merge.ledger import Ledger, LedgerOptions
from cinelog_merge.ledger_testing import bare_platform
from cinelog_testkit.waiting import eventually, within

WATCHED = (
    topics.EVENTS,
    topics.STATUS,
    topics.WORK_FETCH,
    topics.DEAD_LETTERS,
    topics.WORKERS,
)
REQUEST = JobRequested(job="job-1", source=Source(url="http://example.org/a.mp4"))


class World:
    """A broker that outlives the ledgers, and everything they wrote."""

    def __init__(self, broker: EmbeddedBroker, folder: Path) -> None:
        self.folder = folder
        self.producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
        self.announcer = Announcer(self.producer, service="test", clock=SystemClock())
        self.records: list[Record] = []
        self._bootstrap = broker.bootstrap
        self.reader = CompactedReader(ReaderSettings(bootstrap=broker.bootstrap, topics=WATCHED), self._take)

    async def _take(self, record: Record) -> None:
        self.records.append(record)

    def in_topic(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        ledger = Ledger(
            bare_platform(self._bootstrap, self.producer, self.folder),
            # This broker keeps a member's place for a session, even if it left in good order.
            LedgerOptions(session_s=2.0, heartbeat_s=0.5),
        )
        await ledger.start()
        try:
            # One that meets at once what it does not know is ready for less than a look takes.
            await eventually(lambda: ledger.ready() or ledger.failure is not None)
            yield ledger
        finally:
            await ledger.stop(5)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    names = [(topic.name, 2) for topic in topics.topics(partitions=2)]
    with EmbeddedBroker(names) as broker:
        world = World(broker, folder)
        await world.producer.start()
        await world.reader.start()
        try:
            yield world
        finally:
            await world.reader.stop()
            await world.producer.stop()


def _live(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def live() -> None:
        async with _world(folder) as world:
            await story(world)

    within(live())


def _state(ledger: Ledger, job: str = "job-1") -> LedgerState | None:
    kept = ledger.table.get(job)
    return decode_state(kept) if kept is not None else None


def test_a_request_from_another_system_becomes_a_command_and_a_snapshot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.ledger():
            await world.producer.send(topics.REQUESTED, b'{"source": "http://example.org/a.mp4"}')
            await eventually(lambda: bool(world.in_topic(topics.WORK_FETCH)))
            await eventually(lambda: bool(world.in_topic(topics.STATUS)))

        (status,) = world.in_topic(topics.STATUS)
        assert msgspec.json.decode(status.value or b"", type=JobStatus).state == "queued"

    _live(tmp_path, story)


def test_garbage_goes_to_the_dead_letters_and_others_go_on(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.ledger():
            for partition in range(2):
                await world.producer.send(topics.EVENTS, b"garbage", key=b"\xff", partition=partition)
                await world.producer.send(topics.EVENTS, b"", partition=partition)
                await world.producer.send(topics.EVENTS, None, key=b"k", partition=partition)
            await world.producer.send(topics.REQUESTED, b"garbage")
            await world.announcer.announce(REQUEST)
            await eventually(lambda: bool(world.in_topic(topics.WORK_FETCH)))
            await eventually(lambda: len(world.in_topic(topics.DEAD_LETTERS)) == 7)

    _live(tmp_path, story)


def test_an_unknown_fact_stops_the_ledger_and_waits_for_the_next_version(tmp_path: Path) -> None:
    headers = (("ce_specversion", b"1.0"), ("ce_type", b"cinelog.job.frobbed.v1"), ("ce_id", b"1"))

    async def story(world: World) -> None:
        async with world.ledger() as ledger:
            await world.announcer.announce(REQUEST)
            await eventually(lambda: _state(ledger) is not None)
            await world.producer.send(topics.EVENTS, b"{}", key=b"job-1", headers=headers)
            await eventually(lambda: ledger.failure is not None)
            assert not ledger.ready()
            assert "cinelog.job.frobbed" in str(ledger.failure)
        async with world.ledger() as again:
            await eventually(lambda: again.failure is not None)

    _live(tmp_path, story)


def test_what_was_known_is_known_after_a_restart_and_nothing_is_ordered_twice(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.ledger() as first:
            await world.announcer.announce(REQUEST)
            await eventually(lambda: _state(first) is not None)
        async with world.ledger() as second:
            assert _state(second) is not None
            ready = SegmentReady(job="job-1", n=0, key="k", start=0, end=1, frames=1, size_bytes=1)
            await world.announcer.announce(ready)
            await eventually(lambda: bool((s := _state(second)) and s.current.ready))
        assert len(world.in_topic(topics.WORK_FETCH)) == 1

    _live(tmp_path, story)


def test_what_was_known_is_known_after_the_stream_broke_although_the_log_keeps_little(tmp_path: Path) -> None:
    """The in-process log drops the oldest, and with it the only record of a job that waits its turn."""

    async def story(world: World) -> None:
        async with world.ledger() as ledger:
            await world.announcer.announce(REQUEST)
            await eventually(lambda: _state(ledger) is not None)
            for number in range(8):
                for partition in range(2):
                    value = frame((1, number), os.urandom(1_000_000))
                    await world.producer.send(
                        topics.LEDGER_CHANGELOG, value, key=b"job-2", partition=partition
                    )
            before = ledger.table.generation
            ledger._stream._fail(TransientError("The stream broke."))
            await eventually(lambda: ledger.ready() and ledger.table.generation != before)
            await world.announcer.announce(JobTicked(job="job-1", tick=1))
            state = _state(ledger)
            assert state is not None
            assert state.request == REQUEST
            assert [job for job, _ in ledger.table.owned()].count("job-1") == 1

    _live(tmp_path, story)


def test_a_failed_attempt_is_followed_by_another_when_its_time_has_come(tmp_path: Path) -> None:
    failure = Failure(category="source_unreachable", message="No answer.")

    async def story(world: World) -> None:
        async with world.ledger():
            await world.announcer.announce(REQUEST)
            failed = WorkFailed(job="job-1", attempt=1, command="fetch", work="", failure=failure)
            await world.announcer.announce(failed)
            await eventually(lambda: len(world.in_topic(topics.WORK_FETCH)) == 2)
            events = [open_event(record.headers, record.value) for record in world.in_topic(topics.EVENTS)]
            assert any(isinstance(event, JobTicked) for event in events)

    _live(tmp_path, story)


def test_the_ledger_tells_how_many_jobs_it_has_open(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with world.ledger():
            await eventually(lambda: bool(world.in_topic(topics.WORKERS)))
        last = world.in_topic(topics.WORKERS)[0]
        assert last.key == f"ledger/{tmp_path.name}".encode()

    _live(tmp_path, story)


def test_nothing_is_written_into_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    async def story(world: World) -> None:
        async with world.ledger():
            await world.announcer.announce(REQUEST)
            await eventually(lambda: bool(world.in_topic(topics.STATUS)))

    _live(tmp_path / "scratch", story)

    assert os.listdir(here) == []  # noqa: PTH208


def test_a_stopped_ledger_leaves_none_of_its_tasks_and_no_thread_behind(tmp_path: Path) -> None:
    threads = set(threading.enumerate())

    async def story(world: World) -> None:
        async with world.ledger():
            pass
        left = {task.get_name() for task in asyncio.all_tasks() if not task.get_name().startswith("Task-")}
        assert left == set()

    _live(tmp_path, story)

    assert {thread for thread in set(threading.enumerate()) - threads if not thread.daemon} == set()
