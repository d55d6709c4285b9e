"""The ledger on a real Kafka that is not ready yet, dies, comes back, or does not let go."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import SystemClock
from cinelog_common.contract import topics
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.values import Source
from cinelog_common.errors import TransientError
from cinelog_common.kafka.admin import apply_topics
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_merge.ledger import Ledger, LedgerOptions
from cinelog_merge.ledger_testing import bare_platform
from cinelog_testkit.kafka import KafkaServer
from cinelog_testkit.servers import kafka_server
from cinelog_testkit.waiting import eventually, within

pytestmark = [pytest.mark.real, pytest.mark.slow]


class World:
    def __init__(self, kafka: KafkaServer, folder: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        self.producer = Producer(ProducerSettings(bootstrap=kafka.bootstrap))
        self.announcer = Announcer(self.producer, service="test", clock=SystemClock())

    async def apply_topics(self) -> None:
        await apply_topics(self.kafka.bootstrap, topics.topics(partitions=2))

    async def request(self, job: str) -> None:
        """Ask for a job, for as long as the broker does not take it."""
        requested = JobRequested(job=job, source=Source(url="http://example.org/a.mp4"))
        while True:
            try:
                await self.announcer.announce(requested)
            except TransientError:
                await asyncio.sleep(0.2)
            else:
                return

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        platform = bare_platform(self.kafka.bootstrap, self.producer, self.folder)
        ledger = Ledger(platform, LedgerOptions(session_s=6.0, heartbeat_s=1.0))
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.stop(5)


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaServer]:
    with kafka_server(own=True) as server:
        yield server


def _live(kafka: KafkaServer, folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def live() -> None:
        world = World(kafka, folder)
        await world.producer.start()
        try:
            await story(world)
        finally:
            await world.producer.stop()

    within(live(), deadline_s=120)


def test_before_its_topics_exist_it_is_not_ready_and_says_why_then_it_works(
    broker: KafkaServer, tmp_path: Path
) -> None:
    async def story(world: World) -> None:
        async with world.ledger() as ledger:
            await eventually(lambda: bool(ledger.missing))
            assert topics.EVENTS in ledger.missing
            assert not ledger.ready()
            await world.apply_topics()
            await eventually(ledger.ready, deadline_s=40)
            assert ledger.missing == ""
            await world.request("job-1")
            await eventually(lambda: ledger.table.get("job-1") is not None)

    _live(broker, tmp_path, story)


def test_a_broker_that_died_and_came_back_costs_no_event(broker: KafkaServer, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.apply_topics()
        async with world.ledger() as ledger:
            await eventually(ledger.ready, deadline_s=40)
            await world.request("before")
            await eventually(lambda: ledger.table.get("before") is not None)
            broker.kill()
            requesting = asyncio.create_task(world.request("while-down"))
            await asyncio.sleep(2)
            await asyncio.to_thread(broker.restart)
            await requesting
            await world.request("after")
            # Each lies in a partition of its own, and which is read first nobody says.
            for job in ("before", "while-down", "after"):
                await eventually(
                    lambda job=job: ledger.ready() and ledger.table.get(job) is not None, deadline_s=60
                )

    _live(broker, tmp_path, story)


def test_it_stops_in_time_although_the_broker_does_not_answer(broker: KafkaServer, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.apply_topics()
        async with world.ledger() as ledger:
            await eventually(ledger.ready, deadline_s=40)
            await asyncio.to_thread(broker.pause)
            began = time.monotonic()
            await ledger.stop(5)
            took_s = time.monotonic() - began
            await asyncio.to_thread(broker.resume)
        assert took_s < 20

    _live(broker, tmp_path, story)
