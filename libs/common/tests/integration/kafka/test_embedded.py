import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from cinelog_common.kafka.admin import LogOffsets
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings, Take
from cinelog_common.kafka.conformance import (
    GroupConformance,
    ProducerConformance,
    ReaderConformance,
    World,
    until,
)
from cinelog_common.kafka.embedded import PARTITION_LIMIT_BYTES, EmbeddedBroker
from cinelog_common.kafka.group import KafkaMember
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Partition, Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Lease


class Embedded:
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
async def embedded(topics: Mapping[str, int]) -> AsyncIterator[World]:
    with EmbeddedBroker(list(topics.items())) as broker:
        world = Embedded(broker.bootstrap)
        await world.producer.start()
        try:
            yield world
        finally:
            await world.producer.stop()


class TestEmbeddedProducer(ProducerConformance):
    world = staticmethod(embedded)


class TestEmbeddedReader(ReaderConformance):
    world = staticmethod(embedded)


class TestEmbeddedMember(GroupConformance):
    world = staticmethod(embedded)


class Hooks:
    async def on_error(self, record: Record, error: Exception) -> None:
        raise AssertionError(repr(error))

    async def on_poison(self, record: Record, starts: int) -> None:
        raise AssertionError(starts)


def test_the_broker_starts_at_once_and_frees_its_port_when_stopped() -> None:
    began = time.perf_counter()
    broker = EmbeddedBroker([("a", 2), ("b", 1)])
    took_s = time.perf_counter() - began
    host, port = broker.bootstrap.split(":")
    socket.create_connection((host, int(port)), 1).close()

    broker.stop()
    broker.stop()

    assert took_s < 0.3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), 1)


def test_no_request_sleeps_for_a_second_however_many_topics_there_are() -> None:
    slowest_s = 0.0
    for _ in range(5):
        began = time.perf_counter()
        with EmbeddedBroker([(f"topic-{n}", 2) for n in range(30)]):
            slowest_s = max(slowest_s, time.perf_counter() - began)

    assert slowest_s < 0.9


def test_several_brokers_live_side_by_side() -> None:
    with EmbeddedBroker([("a", 1)]) as one, EmbeddedBroker([("a", 1)]) as two:
        assert one.bootstrap != two.bootstrap


def test_a_topic_has_the_partitions_that_were_asked_for() -> None:
    async def test() -> None:
        async with embedded({"three": 3, "one": 1}) as world:
            offsets = LogOffsets(world.bootstrap)
            await offsets.start()

            ends = await offsets.end_offsets(["three", "one"])

            await offsets.stop()
            assert sorted(ends) == [("one", 0), ("three", 0), ("three", 1), ("three", 2)]

    asyncio.run(test())


def test_records_reach_their_handler_within_milliseconds_of_an_idle_broker() -> None:
    async def test() -> None:
        async with embedded({"work": 2}) as world:
            arrived: list[float] = []

            async def handle(record: Record, lease: Lease) -> None:
                arrived.append(time.perf_counter())

            settings = QueueSettings(
                bootstrap=world.bootstrap, group="g", topics={"work": Priority.NORMAL}, slots=2
            )
            queue = WorkQueue(settings, handle, hooks=Hooks())
            await queue.start()
            await until(lambda: queue.state().partitions == 2)
            waits: list[float] = []
            for n in range(1, 11):
                sent = time.perf_counter()
                await world.producer.send("work", b"x")
                await until(lambda n=n: len(arrived) == n)  # type: ignore[misc]
                waits.append(arrived[-1] - sent)
            await queue.stop(1)

            assert sorted(waits)[5] < 0.1  # without the wake-up half of the fetch's wait: 0.75 s

    asyncio.run(test())


def test_what_the_ledger_asks_about_a_group_is_answered() -> None:
    async def test() -> None:
        async with embedded({"work": 2}) as world:
            handled: list[Record] = []

            async def handle(record: Record, lease: Lease) -> None:
                handled.append(record)

            settings = QueueSettings(
                bootstrap=world.bootstrap, group="g", topics={"work": Priority.NORMAL}, slots=2
            )
            queue = WorkQueue(settings, handle, hooks=Hooks())
            await queue.start()
            await world.producer.send("work", b"x", partition=1)
            await until(lambda: queue.state().finished == 1)
            await queue.stop(1)
            offsets = LogOffsets(world.bootstrap)
            await offsets.start()

            committed = await offsets.committed("g", ["work"])
            starts = await offsets.log_starts(["work"])
            ends = await offsets.end_offsets(["work"])

            await offsets.stop()
            assert committed[Partition("work", 1)] == 1
            assert starts == {("work", 0): 0, ("work", 1): 0}
            assert ends == {("work", 0): 0, ("work", 1): 1}

    asyncio.run(test())


def test_a_partition_keeps_its_newest_five_mebibytes() -> None:
    """The limit that the standalone composition must live within: the oldest records go silently."""

    async def test() -> None:
        async with embedded({"t": 1}) as world:
            for _ in range(40):
                await world.producer.send("t", os.urandom(256 * 1024))
            offsets = LogOffsets(world.bootstrap)
            await offsets.start()

            start = (await offsets.log_starts(["t"]))[Partition("t", 0)]

            await offsets.stop()
            kept = (40 - start) * 256 * 1024
            assert PARTITION_LIMIT_BYTES - 512 * 1024 < kept <= PARTITION_LIMIT_BYTES

    asyncio.run(test())
