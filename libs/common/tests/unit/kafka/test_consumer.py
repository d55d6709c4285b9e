import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from cinelog_common.errors import PermanentError, TransientError
from cinelog_common.kafka import consumer as consumer_module
from cinelog_common.kafka.consumer import EventConsumer
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.testing import FakeLog, FakeMember, FakeProducer
from cinelog_testkit.desks import run, until

TOPIC = "events"
GROUP = "mirror"
SETTINGS = GroupSettings(bootstrap="memory", group=GROUP, topics=(TOPIC,))


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "BROKER_RETRY_S", 0.0)
    monkeypatch.setattr(consumer_module, "HANDLER_RETRY_S", (0.0, 0.0))


class Handler:
    """Handles what it is given; fails as often as it is told."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.errors: list[tuple[bytes, Exception]] = []
        self.failures: dict[bytes, list[Exception]] = {}
        self.telling_fails = 0
        self.gate: asyncio.Event | None = None

    async def handle(self, record: Record) -> None:
        value = record.value or b""
        if self.gate is not None:
            await self.gate.wait()
        if self.failures.get(value):
            raise self.failures[value].pop(0)
        self.seen.append(value)

    async def on_error(self, record: Record, error: Exception) -> None:
        if self.telling_fails:
            self.telling_fails -= 1
            raise TransientError("the log is out")
        self.errors.append((record.value or b"", error))


class World:
    def __init__(self, partitions: int) -> None:
        self.log = FakeLog({TOPIC: partitions})
        self.producer = FakeProducer(self.log)
        self.consumers: list[EventConsumer] = []
        self.members: list[FakeMember] = []

    async def consume(self, handler: Handler) -> EventConsumer:
        member = FakeMember(self.log, SETTINGS)
        consumer = EventConsumer(SETTINGS, handler.handle, on_error=handler.on_error, member=member)
        await consumer.start()
        self.consumers.append(consumer)
        self.members.append(member)
        return consumer

    async def send(self, *values: bytes, partition: int = 0) -> None:
        for value in values:
            await self.producer.send(TOPIC, value, partition=partition)

    def committed(self, partition: int = 0) -> int:
        return self.log.committed.get((GROUP, Partition(TOPIC, partition)), Committed(offset=0)).offset


@asynccontextmanager
async def world(partitions: int = 1) -> AsyncIterator[World]:
    world = World(partitions)
    try:
        yield world
    finally:
        for consumer in world.consumers:
            await consumer.stop(0.1)


def test_what_was_handled_is_committed() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            await w.send(b"a", b"b")

            await w.consume(handler)

            await until(lambda: w.committed() == 2)
            assert handler.seen == [b"a", b"b"]

    run(test)


def test_nothing_is_committed_before_it_was_handled() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            handler.gate = asyncio.Event()
            await w.send(b"a")

            await w.consume(handler)

            for _ in range(30):
                await asyncio.sleep(0)
            assert w.committed() == 0
            handler.gate.set()
            await until(lambda: w.committed() == 1)

    run(test)


def test_a_record_that_fails_for_now_is_tried_until_it_succeeds_and_keeps_its_place() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            handler.failures = {b"a": [TransientError("out"), TransientError("still out")]}
            await w.send(b"a", b"b")

            await w.consume(handler)

            await until(lambda: w.committed() == 2)
            assert handler.seen == [b"a", b"b"]
            assert handler.errors == []

    run(test)


def test_a_record_that_fails_for_good_is_told_and_passed() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            error = PermanentError("broken")
            handler.failures = {b"a": [error]}
            await w.send(b"a", b"b")

            await w.consume(handler)

            await until(lambda: w.committed() == 2)
            assert handler.errors == [(b"a", error)]
            assert handler.seen == [b"b"]

    run(test)


def test_a_failure_that_cannot_be_told_is_not_passed() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            handler.failures = {b"a": [PermanentError("1"), PermanentError("2"), PermanentError("3")]}
            handler.telling_fails = 2
            await w.send(b"a")

            await w.consume(handler)

            await until(lambda: w.committed() == 1)
            assert [str(error) for _, error in handler.errors] == ["3"]

    run(test)


def test_a_slow_partition_does_not_reorder_another() -> None:
    async def test() -> None:
        async with world(partitions=2) as w:
            handler = Handler()
            handler.failures = {b"a0": [TransientError("out")] * 5}
            await w.send(b"a0", b"a1", partition=0)
            await w.send(b"b0", b"b1", partition=1)

            await w.consume(handler)

            await until(lambda: w.committed(0) == 2 and w.committed(1) == 2)
            assert [v for v in handler.seen if v.startswith(b"a")] == [b"a0", b"a1"]
            assert [v for v in handler.seen if v.startswith(b"b")] == [b"b0", b"b1"]

    run(test)


def test_members_that_come_and_go_skip_nothing() -> None:
    async def test() -> None:
        async with world(partitions=4) as w:
            handlers = [Handler() for _ in range(4)]
            await w.consume(handlers[0])
            for n in range(100):
                await w.send(b"%d" % n, partition=n % 4)
                match n:
                    case 20 | 50:
                        await w.consume(handlers[1 + n // 40])
                    case 35:
                        await w.members.pop(0).die()
                        await w.consumers.pop(0).stop(0)
                    case 70:
                        await w.consumers.pop(0).stop()
                        w.members.pop(0)

            seen = [handler.seen for handler in handlers]
            await until(lambda: {v for values in seen for v in values} == {b"%d" % n for n in range(100)})
            await until(lambda: all(w.committed(partition) == 25 for partition in range(4)))

    run(test)


def test_a_refused_commit_is_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_module, "POLL_S", 0.01)

    async def test() -> None:
        async with world() as w:
            handler = Handler()
            w.log.refusing_commits = True
            await w.send(b"a")
            await w.consume(handler)
            await until(lambda: handler.seen == [b"a"])

            w.log.refusing_commits = False

            await until(lambda: w.committed() == 1)

    run(test)


def test_a_stop_lets_the_record_in_hand_end_and_leaves_the_rest() -> None:
    async def test() -> None:
        async with world() as w:
            handler = Handler()
            handler.gate = asyncio.Event()
            await w.send(b"a", b"b")
            consumer = await w.consume(handler)
            await until(lambda: not consumer._idle.is_set())

            stopping = asyncio.create_task(consumer.stop(5))
            await asyncio.sleep(0)
            handler.gate.set()
            await stopping

            assert handler.seen == [b"a"]
            assert w.committed() == 1
            assert not consumer.alive

    run(test)
