"""What everything that is a log must do; run by the tests on memory, the in-process broker and Kafka.

A test class inherits a conformance class and says with `world` where it runs.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import uuid4

from cinelog_common.errors import Category, PermanentError
from cinelog_common.kafka.compacted import ReaderSettings, Take
from cinelog_common.kafka.consumer import EventConsumer
from cinelog_common.kafka.dead_letters import Sender
from cinelog_common.kafka.membership import GroupSettings, Member
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Partition, Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Lease

DEADLINE_S = 30.0


class Reader(Protocol):
    """What follows topics: `compacted.CompactedReader` or its fake."""

    @property
    def ready(self) -> bool:
        """Whether all that lay there at the start was taken in."""

    async def wait_ready(self) -> None:
        """Wait for that."""

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End."""


class World(Protocol):
    """A log with the topics a test asked for."""

    @property
    def bootstrap(self) -> str:
        """Its address."""

    @property
    def producer(self) -> Sender:
        """A started producer."""

    def member(self, settings: GroupSettings) -> Member:
        """Return a new member."""

    def reader(self, settings: ReaderSettings, take: Take) -> Reader:
        """Return a new reader."""

    async def committed(self, topic: str, group: str) -> dict[Partition, int]:
        """Return what a group has committed for a topic."""


class Conformance(ABC):
    """Where the tests of a class run."""

    @abstractmethod
    def world(self, topics: Mapping[str, int]) -> AbstractAsyncContextManager[World]:
        """Give a log with these topics, and end it."""

    def run(self, topics: Mapping[str, int], test: Callable[[World], Awaitable[None]]) -> None:
        """Run a test in a world of its own."""

        async def main() -> None:
            async with asyncio.timeout(DEADLINE_S), self.world(topics) as world:
                await test(world)

        asyncio.run(main())


def unique(word: str) -> str:
    """Return a name nobody else uses: servers are shared between tests."""
    return f"test.{word}.{uuid4().hex[:12]}"


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the test's deadline ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in another process or thread
        await asyncio.sleep(0.005)


class ProducerConformance(Conformance):
    """A producer returns when the record is in the log, and says where."""

    def test_a_sent_record_lies_where_the_producer_says(self) -> None:
        """Key, value, headers and place survive."""
        topic = unique("sent")

        async def test(world: World) -> None:
            headers = (("ce_type", b"x"), ("ce_type", b"y"))

            position = await world.producer.send(topic, b"value", key=b"key", headers=headers)

            (record,) = await _read(world, topic, count=1)
            assert (record.partition, record.offset) == (position.partition, position.offset)
            assert (record.key, record.value, record.headers) == (b"key", b"value", headers)
            assert record.topic == topic

        self.run({topic: 3}, test)

    def test_records_of_one_key_keep_their_order_in_one_partition(self) -> None:
        """The partition is a function of the key alone."""
        topic = unique("keyed")

        async def test(world: World) -> None:
            sent = [await world.producer.send(topic, b"%d" % n, key=b"job-7") for n in range(20)]

            records = await _read(world, topic, count=20)
            assert len({position.partition for position in sent}) == 1
            assert [record.value for record in records] == [b"%d" % n for n in range(20)]

        self.run({topic: 3}, test)

    def test_records_without_a_key_are_spread_evenly(self) -> None:
        """No partition gets more than one more than another."""
        topic = unique("spread")

        async def test(world: World) -> None:
            sent = [await world.producer.send(topic, b"x") for _ in range(9)]

            partitions = [position.partition for position in sent]
            assert sorted(partitions) == [0, 0, 0, 1, 1, 1, 2, 2, 2]

        self.run({topic: 3}, test)

    def test_a_tombstone_is_a_key_without_a_value(self) -> None:
        """None arrives as None."""
        topic = unique("tombstone")

        async def test(world: World) -> None:
            await world.producer.send(topic, None, key=b"gone")

            (record,) = await _read(world, topic, count=1)
            assert (record.key, record.value) == (b"gone", None)

        self.run({topic: 1}, test)

    def test_a_record_that_is_too_large_is_refused_for_good(self) -> None:
        """The caller learns that trying again is useless."""
        topic = unique("large")

        async def test(world: World) -> None:
            refusal: PermanentError | None = None

            try:
                await world.producer.send(topic, b"x" * (2 * 1024 * 1024))
            except PermanentError as error:
                refusal = error

            assert refusal is not None
            assert refusal.category is Category.LIMIT_EXCEEDED
            await world.producer.send(topic, b"small")

        self.run({topic: 1}, test)


class ReaderConformance(Conformance):
    """A reader sees everything, and knows when it has caught up."""

    def test_what_lay_there_is_read_before_the_reader_is_ready(self) -> None:
        """The state is whole when `ready` says so, and what follows is seen too."""
        topic = unique("state")

        async def test(world: World) -> None:
            for n in range(50):
                await world.producer.send(topic, b"%d" % n, key=b"%d" % n)
            seen: list[Record] = []
            reader = world.reader(_reader_settings(world, topic), _into(seen))
            await reader.start()
            try:
                await reader.wait_ready()
                assert sorted(int(record.value or b"") for record in seen) == list(range(50))

                await world.producer.send(topic, b"later", key=b"k")

                await until(lambda: len(seen) == 51)
            finally:
                await reader.stop()

        self.run({topic: 2}, test)

    def test_a_reader_of_an_empty_topic_is_ready(self) -> None:
        """There is nothing to wait for."""
        topic = unique("empty")

        async def test(world: World) -> None:
            reader = world.reader(_reader_settings(world, topic), _into([]))

            await reader.start()

            await reader.wait_ready()
            await reader.stop()

        self.run({topic: 2}, test)

    def test_a_reader_from_the_end_sees_only_what_comes(self) -> None:
        """And nothing written after its start escapes it."""
        topic = unique("live")

        async def test(world: World) -> None:
            await world.producer.send(topic, b"before", key=b"k")
            seen: list[Record] = []
            settings = ReaderSettings(bootstrap=world.bootstrap, topics=(topic,), from_end=True)
            reader = world.reader(settings, _into(seen))
            await reader.start()

            await world.producer.send(topic, b"after", key=b"k")

            await until(lambda: bool(seen))
            await reader.stop()
            assert [record.value for record in seen] == [b"after"]

        self.run({topic: 2}, test)

    def test_a_record_that_cannot_be_taken_in_does_not_end_the_reading(self) -> None:
        """It is logged and counts as read."""
        topic = unique("bad")

        async def test(world: World) -> None:
            seen: list[bytes | None] = []

            async def take(record: Record) -> None:
                if record.value == b"bad":
                    raise ValueError("bad")
                seen.append(record.value)

            for value in (b"1", b"bad", b"2"):
                await world.producer.send(topic, value, key=b"k")
            reader = world.reader(_reader_settings(world, topic), take)
            await reader.start()
            await reader.wait_ready()
            await reader.stop()
            assert seen == [b"1", b"2"]

        self.run({topic: 1}, test)


class GroupConformance(Conformance):
    """Queues and consumers on a member of a group."""

    def test_a_queue_works_off_what_lies_there_and_what_comes(self) -> None:
        """Every record once, and all of it committed."""
        topic = unique("work")
        group = unique("group")

        async def test(world: World) -> None:
            desk = _Desk()
            sent = [await world.producer.send(topic, b"%d" % n) for n in range(20)]
            queue = _queue(world, topic, group, desk)
            await queue.start()
            sent += [await world.producer.send(topic, b"%d" % n) for n in range(20, 40)]
            await until(lambda: len(desk.done) == 40)
            await queue.stop(5)

            ends = {Partition(topic, p.partition): p.offset + 1 for p in sent}
            assert sorted(int(value) for value in desk.done) == list(range(40))
            assert await world.committed(topic, group) == ends

        self.run({topic: 2}, test)

    def test_a_queue_that_stops_leaves_the_rest_to_the_next(self) -> None:
        """Nothing is lost, nothing finished is done again, no start is counted."""
        topic = unique("work")
        group = unique("group")

        async def test(world: World) -> None:
            first, second = _Desk(), _Desk()
            first.hold.add(b"3")
            for n in range(10):
                await world.producer.send(topic, b"%d" % n, partition=0)
            queue = _queue(world, topic, group, first)
            await queue.start()
            await until(lambda: len(first.done) >= 5 and b"3" in first.begun)
            await queue.stop(0)

            queue = _queue(world, topic, group, second)
            await queue.start()
            await until(lambda: len(set(first.done) | set(second.done)) == 10)
            await queue.stop(5)

            assert not set(first.done) & set(second.done)
            assert set(second.starts.values()) == {0}

        self.run({topic: 1}, test)

    def test_cancelled_work_is_committed(self) -> None:
        """So that it does not come back."""
        topic = unique("work")
        group = unique("group")

        async def test(world: World) -> None:
            desk = _Desk()
            desk.hold.add(b"job")
            await world.producer.send(topic, b"job", partition=0)
            queue = _queue(world, topic, group, desk)
            await queue.start()
            await until(lambda: desk.begun == [b"job"])

            cancelled = queue.cancel(lambda record: record.value == b"job")

            await until(lambda: queue.state().finished == 1)
            await queue.stop(5)
            assert cancelled == 1
            assert await world.committed(topic, group) == {Partition(topic, 0): 1}

        self.run({topic: 1}, test)

    def test_a_consumer_hands_over_each_partition_in_order(self) -> None:
        """One at a time, and commits what was handled."""
        topic = unique("events")
        group = unique("group")

        async def test(world: World) -> None:
            seen: list[Record] = []
            settings = _group_settings(world, topic, group)
            consumer = EventConsumer(settings, _into(seen), on_error=_no_error, member=world.member(settings))
            sent = [await world.producer.send(topic, b"%d" % n) for n in range(30)]
            await consumer.start()
            await until(lambda: len(seen) == 30)
            await consumer.stop()

            for partition in (0, 1):
                offsets = [record.offset for record in seen if record.partition == partition]
                assert offsets == sorted(offsets)
            ends = {Partition(topic, p.partition): p.offset + 1 for p in sent}
            assert await world.committed(topic, group) == ends

        self.run({topic: 2}, test)


class _Desk:
    """Does work at once, except what it holds, and remembers."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.done: list[bytes] = []
        self.starts: dict[bytes, int] = {}
        self.hold: set[bytes] = set()

    async def handle(self, record: Record, lease: Lease) -> None:
        """Work on one record."""
        value = record.value or b""
        self.begun.append(value)
        self.starts[value] = lease.starts
        if value in self.hold:
            await asyncio.Event().wait()
        self.done.append(value)

    async def on_error(self, record: Record, error: Exception) -> None:
        """There is none."""
        raise AssertionError(f"{record}: {error!r}")

    async def on_poison(self, record: Record, starts: int) -> None:
        """There is none."""
        raise AssertionError(f"{record}: {starts}")


def _into(seen: list[Record]) -> Take:
    async def take(record: Record) -> None:
        seen.append(record)

    return take


async def _no_error(record: Record, error: Exception) -> None:
    raise AssertionError(f"{record}: {error!r}")


def _reader_settings(world: World, topic: str) -> ReaderSettings:
    return ReaderSettings(bootstrap=world.bootstrap, topics=(topic,))


def _group_settings(world: World, topic: str, group: str) -> GroupSettings:
    return GroupSettings(
        bootstrap=world.bootstrap, group=group, topics=(topic,), session_s=6.0, heartbeat_s=0.5
    )


def _queue(world: World, topic: str, group: str, desk: _Desk) -> WorkQueue:
    settings = QueueSettings(bootstrap=world.bootstrap, group=group, topics={topic: Priority.NORMAL}, slots=3)
    member = world.member(_group_settings(world, topic, group))
    return WorkQueue(settings, desk.handle, hooks=desk, member=member)


async def _read(world: World, topic: str, *, count: int) -> list[Record]:
    seen: list[Record] = []
    reader = world.reader(_reader_settings(world, topic), _into(seen))
    await reader.start()
    await until(lambda: len(seen) >= count)
    await reader.stop()
    return seen
