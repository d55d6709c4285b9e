"""What the broker may answer at any time, injected into the in-process broker: nothing may be lost by it."""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from cinelog_common.kafka import commits
from cinelog_common.kafka import consumer as consumer_module
from cinelog_common.kafka import queue as queue_module
from cinelog_common.kafka.admin import LogOffsets
from cinelog_common.kafka.conformance import until
from cinelog_common.kafka.consumer import EventConsumer
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.group import KafkaMember
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Lease
from cinelog_testkit.overlapping import begun, names_chosen

# https://kafka.apache.org/protocol: API keys and error codes
PRODUCE, FETCH, LIST_OFFSETS, OFFSET_COMMIT, OFFSET_FETCH = 0, 1, 2, 8, 9
FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 10, 11, 12, 14
NOT_LEADER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS = 6, 7, 19
COORDINATOR_LOADING, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
REBALANCE_IN_PROGRESS, GROUP_AUTHORIZATION_FAILED = 27, 30
OUT_OF_ORDER_SEQUENCE, UNKNOWN_SERVER_ERROR = 45, -1

COUNT = 30


def inject(broker: EmbeddedBroker, api: int, code: int, *, times: int = 2) -> None:
    codes = (ctypes.c_int * times)(*[code] * times)
    broker._library.rd_kafka_mock_push_request_errors_array(
        ctypes.c_void_p(broker._cluster), ctypes.c_int16(api), ctypes.c_size_t(times), codes
    )


@asynccontextmanager
async def log() -> AsyncIterator[tuple[EmbeddedBroker, Producer]]:
    with EmbeddedBroker([("t", 2)]) as broker:
        producer = Producer(ProducerSettings(bootstrap=broker.bootstrap, deadline_s=10))
        await producer.start()
        try:
            yield broker, producer
        finally:
            await producer.stop()


async def committed(broker: EmbeddedBroker) -> int:
    offsets = LogOffsets(broker.bootstrap)
    await offsets.start()
    try:
        return sum((await offsets.committed("g", ["t"])).values())
    finally:
        await offsets.stop()


class Hooks:
    async def on_error(self, record: Record, error: Exception) -> None:
        raise AssertionError(repr(error))

    async def on_poison(self, record: Record, starts: int) -> None:
        raise AssertionError(starts)


GROUP_FAULTS = [
    (OFFSET_COMMIT, REBALANCE_IN_PROGRESS),
    (OFFSET_COMMIT, NOT_COORDINATOR),
    (OFFSET_COMMIT, COORDINATOR_LOADING),
    (OFFSET_COMMIT, UNKNOWN_SERVER_ERROR),
    (FETCH, NOT_LEADER),
    (FETCH, UNKNOWN_SERVER_ERROR),
    (HEARTBEAT, NOT_COORDINATOR),
    (HEARTBEAT, REBALANCE_IN_PROGRESS),
    (HEARTBEAT, GROUP_AUTHORIZATION_FAILED),
    (HEARTBEAT, UNKNOWN_SERVER_ERROR),
]


START_FAULTS = [
    (FIND_COORDINATOR, COORDINATOR_NOT_AVAILABLE),
    (JOIN_GROUP, COORDINATOR_LOADING),
    (SYNC_GROUP, REBALANCE_IN_PROGRESS),
    (OFFSET_FETCH, COORDINATOR_LOADING),
    (LIST_OFFSETS, NOT_LEADER),
]


@pytest.fixture(autouse=True, scope="module")
def _impatience() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(commits, "RETRY_S", 0.01)
        for module in (queue_module, consumer_module):
            monkeypatch.setattr(module, "BROKER_RETRY_S", 0.01)
            monkeypatch.setattr(module, "POLL_S", 0.2)
        yield


def queue_of(broker: EmbeddedBroker, done: list[bytes | None]) -> WorkQueue:
    async def handle(record: Record, lease: Lease) -> None:
        await asyncio.sleep(0.01)
        done.append(record.value)

    settings = QueueSettings(
        bootstrap=broker.bootstrap,
        group="g",
        topics={"t": Priority.NORMAL},
        slots=2,
        session_s=3.0,
        heartbeat_s=0.1,
    )
    return WorkQueue(settings, handle, hooks=Hooks())


async def queue_works_on(api: int, code: int) -> None:
    async with asyncio.timeout(40), log() as (broker, producer):
        done: list[bytes | None] = []
        queue = queue_of(broker, done)
        await queue.start()
        for n in range(COUNT):
            if n == COUNT // 3:
                await until(lambda: bool(done))
                inject(broker, api, code)
            await producer.send("t", b"%d" % n)
        await until(lambda: len(set(done)) == COUNT and queue.state().running == 0)
        await queue.stop(5)

        assert await committed(broker) == COUNT


async def queue_starts(api: int, code: int) -> None:
    async with asyncio.timeout(40), log() as (broker, producer):
        done: list[bytes | None] = []
        queue = queue_of(broker, done)
        inject(broker, api, code)
        await producer.send("t", b"x")

        await queue.start()

        await until(lambda: done == [b"x"])
        await queue.stop(5)


async def consumer_works_on(api: int, code: int) -> None:
    async with asyncio.timeout(40), log() as (broker, producer):
        seen: list[bytes | None] = []

        async def handle(record: Record) -> None:
            seen.append(record.value)

        async def on_error(record: Record, error: Exception) -> None:
            raise AssertionError(repr(error))

        settings = GroupSettings(
            bootstrap=broker.bootstrap, group="g", topics=("t",), session_s=3.0, heartbeat_s=0.1
        )
        consumer = EventConsumer(settings, handle, on_error=on_error)
        await consumer.start()
        for n in range(COUNT):
            if n == COUNT // 3:
                await until(lambda: bool(seen))
                inject(broker, api, code)
            await producer.send("t", b"%d" % n)
        await until(lambda: len(set(seen)) == COUNT)
        # What a rebalance kept it from committing it reads again: its stop need not wait for that.
        while await committed(broker) < COUNT:  # noqa: ASYNC110 - only the broker knows
            await asyncio.sleep(0.05)
        await consumer.stop()

        assert await committed(broker) == COUNT


Story = Callable[[int, int], Coroutine[Any, Any, None]]
STORIES: dict[str, tuple[Story, int, int]] = {
    f"{story.__name__} {api} {code}": (story, api, code)
    for story, faults in (
        (queue_works_on, GROUP_FAULTS),
        (queue_starts, START_FAULTS),
        (consumer_works_on, GROUP_FAULTS),
    )
    for api, code in faults
}


@pytest.fixture(scope="module")
def ended(request: pytest.FixtureRequest, _impatience: None) -> Iterator[dict[str, Future[None]]]:
    """How each chosen story ends, several at once, each with a broker and a loop of its own: they wait."""

    def live(name: str) -> None:
        story, api, code = STORIES[name]
        asyncio.run(story(api, code))

    with begun({name: partial(live, name) for name in names_chosen(request)}) as stories:
        yield stories


@pytest.mark.parametrize("name", STORIES)
def test_whatever_the_broker_answers_now_and_then_everything_is_done_and_committed(
    ended: dict[str, Future[None]], name: str
) -> None:
    ended[name].result()


@pytest.mark.parametrize("code", [OUT_OF_ORDER_SEQUENCE, NOT_LEADER, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS])
def test_a_producer_gets_every_record_acknowledged_in_order(code: int) -> None:
    async def test() -> None:
        async with asyncio.timeout(40), log() as (broker, producer):
            await producer.send("t", b"first", partition=0)
            inject(broker, PRODUCE, code, times=1)

            positions = [await producer.send("t", b"%d" % n, partition=0) for n in range(5)]

            assert [position.offset for position in positions] == sorted(p.offset for p in positions)

    asyncio.run(test())


def test_a_member_that_is_stopped_while_it_closes_a_broken_consumer_leaves_no_connection_open() -> None:
    async def story() -> None:
        async with asyncio.timeout(40), log() as (broker, _):
            queue = queue_of(broker, [])
            await queue.start()
            member = queue._member
            assert isinstance(member, KafkaMember)
            consumer = member._consumer
            assert consumer is not None
            rejoining = asyncio.create_task(member._close())
            await asyncio.sleep(0)
            rejoining.cancel()
            await asyncio.wait({rejoining})
            await queue.stop(5)

            assert not any(conn.connected() for conn in consumer._client._conns.values())

    asyncio.run(story())
