"""The package on a real Kafka."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from cinelog_common.contract.topics import Topic
from cinelog_common.errors import TransientError
from cinelog_common.kafka import compacted
from cinelog_common.kafka.admin import LogOffsets, apply_topics, check_topics
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings, Take
from cinelog_common.kafka.conformance import (
    GroupConformance,
    ProducerConformance,
    ReaderConformance,
    World,
    unique,
    until,
)
from cinelog_common.kafka.group import KafkaMember
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Partition, Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Lease
from cinelog_testkit.kafka import KafkaServer
from cinelog_testkit.servers import kafka_server

pytestmark = pytest.mark.real

WORKER = Path(__file__).with_name("worker.py")


class Real:
    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.producer = Producer(ProducerSettings(bootstrap=bootstrap))

    def member(self, settings: GroupSettings) -> KafkaMember:
        return KafkaMember(settings)

    def reader(self, settings: ReaderSettings, take: Take) -> CompactedReader:
        return CompactedReader(settings, take)

    async def committed(self, topic: str, group: str) -> dict[Partition, int]:
        offsets = LogOffsets(self.bootstrap)
        await offsets.start()
        try:
            return await offsets.committed(group, [topic])
        finally:
            await offsets.stop()


@asynccontextmanager
async def real(bootstrap: str, topics: Mapping[str, int]) -> AsyncIterator[Real]:
    await apply_topics(bootstrap, [Topic(name=name, partitions=count) for name, count in topics.items()])
    world = Real(bootstrap)
    await world.producer.start()
    try:
        yield world
    finally:
        await world.producer.stop()


class OnKafka:
    """Where the conformance classes run."""

    @pytest.fixture(autouse=True)
    def _kafka(self, kafka: KafkaServer) -> None:
        self._bootstrap = kafka.bootstrap

    @asynccontextmanager
    async def world(self, topics: Mapping[str, int]) -> AsyncIterator[World]:
        async with real(self._bootstrap, topics) as world:
            yield world


class TestKafkaProducer(OnKafka, ProducerConformance):
    pass


class TestKafkaReader(OnKafka, ReaderConformance):
    pass


class TestKafkaMember(OnKafka, GroupConformance):
    pass


# Worker processes


class Workers:
    """Processes that work on one topic in one group, and what they journalled."""

    def __init__(self, bootstrap: str, topic: str, folder: Path) -> None:
        self.topic = topic
        self.group = unique("group")
        self._bootstrap = bootstrap
        self._journal = folder / "journal"
        self._journal.touch()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, str(WORKER), self._bootstrap, self.group, self.topic, str(self._journal)]
        process = subprocess.Popen(argv)
        self.processes.append(process)
        return process

    def lines(self, word: str) -> list[list[str]]:
        lines = [line.split() for line in self._journal.read_text().splitlines()]
        return [rest for first, *rest in lines if first == word]

    def names(self, word: str) -> list[str]:
        return [name for name, *_ in self.lines(word)]


@contextmanager
def workers(bootstrap: str, topic: str, folder: Path) -> Iterator[Workers]:
    crew = Workers(bootstrap, topic, folder)
    try:
        yield crew
    finally:
        for process in crew.processes:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], *, deadline_s: float = 60.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def prepare(bootstrap: str, topic: str, *, partitions: int, values: list[str]) -> None:
    async def fill() -> None:
        async with real(bootstrap, {topic: partitions}) as world:
            await asyncio.gather(*(world.producer.send(topic, value.encode()) for value in values))

    asyncio.run(fill())


def committed(bootstrap: str, crew: Workers) -> dict[Partition, int]:
    async def ask() -> dict[Partition, int]:
        return await Real(bootstrap).committed(crew.topic, crew.group)

    return asyncio.run(ask())


def test_workers_killed_in_turn_lose_nothing(kafka: KafkaServer, tmp_path: Path) -> None:
    topic = unique("kills")
    names = [str(n) for n in range(400)]
    prepare(kafka.bootstrap, topic, partitions=4, values=[f"work:{name}" for name in names])

    with workers(kafka.bootstrap, topic, tmp_path) as crew:
        crew.start()
        crew.start()
        for goal in (40, 120, 200):
            wait_for(lambda goal=goal: len(crew.names("done")) >= goal)  # type: ignore[misc]
            victim = crew.processes.pop(0)
            victim.kill()
            victim.wait()
            crew.start()
        wait_for(lambda: set(crew.names("done")) == set(names))
        wait_for(lambda: sum(committed(kafka.bootstrap, crew).values()) == 400)

    done = crew.names("done")
    assert len(done) - len(set(done)) <= 3 * 2  # at most what three victims had in hand or not yet committed
    assert crew.names("failed") == []
    assert crew.names("poison") == []


def test_work_that_kills_its_worker_three_times_is_put_aside(kafka: KafkaServer, tmp_path: Path) -> None:
    topic = unique("poison")
    values = ["work:a", "die:bad", "work:b", "work:c"]
    prepare(kafka.bootstrap, topic, partitions=1, values=values)

    with workers(kafka.bootstrap, topic, tmp_path) as crew:
        for _ in range(3):
            assert crew.start().wait(60) != 0
        crew.start()
        wait_for(lambda: committed(kafka.bootstrap, crew) == {Partition(topic, 0): 4})

    assert [starts for name, starts in crew.lines("begun") if name == "bad"] == ["0", "1", "2"]
    assert crew.lines("poison") == [["bad", "3"]]
    assert set(crew.names("done")) == {"a", "b", "c"}


def test_a_worker_told_to_stop_hands_its_work_over_without_counting_it(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    topic = unique("drain")
    prepare(kafka.bootstrap, topic, partitions=1, values=["long:x"])

    with workers(kafka.bootstrap, topic, tmp_path) as crew:
        for turn in range(1, 5):
            process = crew.start()
            wait_for(lambda turn=turn: len(crew.names("begun")) == turn)  # type: ignore[misc]
            told = time.monotonic()
            process.terminate()
            assert process.wait(20) == 0
            assert time.monotonic() - told < 5

    assert crew.lines("begun") == [["x", "0"]] * 4
    assert crew.lines("ended") == [["x", "handed_over"]] * 4
    assert crew.lines("poison") == []


def test_a_frozen_worker_gives_up_what_others_took_over_when_it_thaws(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    topic = unique("frozen")
    prepare(kafka.bootstrap, topic, partitions=1, values=["long:x"])

    with workers(kafka.bootstrap, topic, tmp_path) as crew:
        frozen = crew.start()
        wait_for(lambda: crew.lines("begun") == [["x", "0"]])
        frozen.send_signal(signal.SIGSTOP)
        crew.start()
        wait_for(lambda: crew.lines("begun") == [["x", "0"], ["x", "1"]])
        frozen.send_signal(signal.SIGCONT)
        wait_for(lambda: ["x", "lost"] in crew.lines("ended") or len(crew.lines("begun")) > 2)

    assert committed(kafka.bootstrap, crew) == {Partition(topic, 0): 0}


def test_a_queue_and_a_producer_live_through_a_broker_that_dies_and_comes_back() -> None:
    topic = unique("outage")

    async def test(server: KafkaServer) -> None:
        async with asyncio.timeout(120), real(server.bootstrap, {topic: 2}) as world:
            desk = Desk()
            desk.gate.set()
            settings = QueueSettings(
                bootstrap=server.bootstrap,
                group=unique("group"),
                topics={topic: Priority.NORMAL},
                slots=4,
                session_s=6.0,
                heartbeat_s=0.5,
            )
            queue = WorkQueue(settings, desk.handle, hooks=desk, member=None)
            await queue.start()
            sending = asyncio.create_task(_send_all(world.producer, topic, 300))
            await until(lambda: len(desk.done) > 50)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.restart)
            await sending

            await until(lambda: len(set(desk.done)) == 300)
            await until(lambda: queue.state().running == 0)
            await queue.stop(5)
            assert sum((await world.committed(topic, settings.group)).values()) >= 300

    with kafka_server(own=True) as server:
        asyncio.run(test(server))


async def _send_all(producer: Producer, topic: str, count: int) -> None:
    for n in range(count):
        while True:
            try:
                await producer.send(topic, b"%d" % n)
            except TransientError:
                await asyncio.sleep(0.1)
            else:
                break
        await asyncio.sleep(0.005)


# Rebalances


class Desk:
    """Long work that ends when the test says so; counts how often each record was begun and done."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.done: list[bytes] = []
        self.lost: list[bytes] = []
        self.gate = asyncio.Event()

    async def handle(self, record: Record, lease: Lease) -> None:
        value = record.value or b""
        assert lease.starts == 0
        self.begun.append(value)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.lost.append(value)
            raise
        self.done.append(value)

    async def on_error(self, record: Record, error: Exception) -> None:
        raise AssertionError(repr(error))

    async def on_poison(self, record: Record, starts: int) -> None:
        raise AssertionError(starts)


def test_thirty_long_tasks_survive_members_that_join_and_leave(kafka: KafkaServer) -> None:
    topic = unique("rebalance")

    async def test() -> None:
        async with asyncio.timeout(120), real(kafka.bootstrap, {topic: 6}) as world:
            for n in range(30):
                await world.producer.send(topic, b"%d" % n, partition=n % 6)
            settings = QueueSettings(
                bootstrap=kafka.bootstrap,
                group=unique("group"),
                topics={topic: Priority.NORMAL},
                slots=30,
                session_s=6.0,
                heartbeat_s=0.2,
            )
            desk = Desk()
            queue = WorkQueue(settings, desk.handle, hooks=desk)
            await queue.start()
            await until(lambda: len(desk.begun) == 30)
            guests: list[Desk] = []
            for _ in range(4):
                guest = Desk()
                visitor = WorkQueue(settings, guest.handle, hooks=guest)
                await visitor.start()
                await until(lambda guest=guest: len(guest.begun) == 15)  # type: ignore[misc]
                await until(lambda: queue.state().partitions == 3)
                await visitor.stop(0)
                await until(lambda: queue.state().partitions == 6 and queue.state().running == 30)
                guests.append(guest)
            desk.gate.set()
            await until(lambda: len(desk.done) == 30)
            await queue.stop(5)

            ends = await world.committed(topic, settings.group)
            assert set(ends.values()) == {5}
            assert sorted(desk.done, key=int) == [b"%d" % n for n in range(30)]
            kept = [value for value in desk.done if not any(value in guest.begun for guest in guests)]
            assert all(desk.begun.count(value) == 1 for value in kept)
            assert len(desk.begun) == 30 + len(desk.lost)

    asyncio.run(test())


# Topics


def test_topics_are_made_as_wanted_and_left_alone_the_next_time(kafka: KafkaServer) -> None:
    wanted = [
        Topic(name=unique("events"), partitions=3, retention_ms=3_600_000),
        Topic(name=unique("status"), partitions=2, cleanup="compact", max_message_bytes=2_000_000),
    ]

    async def test() -> None:
        missing = await check_topics(kafka.bootstrap, wanted)
        first = await apply_topics(kafka.bootstrap, wanted)
        second = await apply_topics(kafka.bootstrap, wanted)

        assert missing.created == tuple(topic.name for topic in wanted)
        assert first == missing
        assert second.as_wanted

    asyncio.run(test())


def test_too_few_partitions_are_added_and_other_differences_reported(kafka: KafkaServer) -> None:
    name = unique("grown")

    async def test() -> None:
        await apply_topics(kafka.bootstrap, [Topic(name=name, partitions=2, retention_ms=1000)])
        wanted = [Topic(name=name, partitions=5, retention_ms=2000)]

        report = await apply_topics(kafka.bootstrap, wanted)

        assert report.extended == (name,)
        assert [(d.setting, d.wanted, d.found) for d in report.drifted] == [("retention.ms", "2000", "1000")]
        async with real(kafka.bootstrap, {}) as world:
            offsets = LogOffsets(world.bootstrap)
            await offsets.start()
            assert len(await offsets.end_offsets([name])) == 5
            await offsets.stop()

    asyncio.run(test())


def test_a_reader_notices_new_partitions(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    name = unique("grown")
    monkeypatch.setattr(compacted, "METADATA_AGE_S", 0.5)
    monkeypatch.setattr(compacted, "POLL_S", 0.2)

    async def test() -> None:
        async with asyncio.timeout(60), real(kafka.bootstrap, {name: 1}) as world:
            seen: list[bytes | None] = []

            async def take(record: Record) -> None:
                seen.append(record.value)

            reader = world.reader(ReaderSettings(bootstrap=kafka.bootstrap, topics=(name,)), take)
            await reader.start()
            await world.producer.send(name, b"old", partition=0)
            await until(lambda: seen == [b"old"])
            await apply_topics(kafka.bootstrap, [Topic(name=name, partitions=2)])
            async with real(kafka.bootstrap, {}) as fresh:
                await fresh.producer.send(name, b"new", partition=1)

            await until(lambda: b"new" in seen)
            await reader.stop()
            assert seen == [b"old", b"new"]

    asyncio.run(test())


def test_without_a_broker_starting_fails_as_transient() -> None:
    async def test() -> None:
        nowhere = "127.0.0.1:1"
        settings = GroupSettings(bootstrap=nowhere, group="g", topics=("t",))
        with pytest.raises(TransientError):
            await Producer(ProducerSettings(bootstrap=nowhere)).start()
        with pytest.raises(TransientError):
            await KafkaMember(settings).start(_Nobody())
        with pytest.raises(TransientError):
            await LogOffsets(nowhere).start()
        with pytest.raises(TransientError):
            await apply_topics(nowhere, [Topic(name="t", partitions=1)])

    asyncio.run(test())


class _Nobody:
    async def on_revoked(self) -> None:
        pass

    def on_assigned(self, partitions: object) -> None:
        pass
