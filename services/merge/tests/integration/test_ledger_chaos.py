"""Two members of the ledger on a real Kafka, killed in turn while numbered events arrive: none is lost."""

import asyncio
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import SystemClock
from cinelog_common.contract import topics
from cinelog_common.contract.events import JobRequested, SegmentReady
from cinelog_common.contract.values import Source
from cinelog_common.kafka.admin import apply_topics
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Record
from cinelog_merge.adapters.table_values import place_of, unframe
from cinelog_merge.domain.state import Place, decode_state
from cinelog_testkit.kafka import KafkaServer
from cinelog_testkit.process import Command, ServerProcess
from cinelog_testkit.servers import kafka_server
from cinelog_testkit.waiting import eventually, within

pytestmark = [pytest.mark.real, pytest.mark.slow]

PARTITIONS = 4
JOBS = 12
CHAOS_S = 27.0
PER_SECOND = 150


class Table:
    """What a recovery would find: of each job the state that is furthest in the log."""

    def __init__(self) -> None:
        self.places: dict[bytes, Place] = {}
        self.ready: dict[bytes, frozenset[int]] = {}

    async def take(self, record: Record) -> None:
        key, value = record.key or b"", record.value or b""
        place = place_of(value)
        assert place is not None
        if place >= self.places.get(key, (0, -1)):
            self.places[key] = place
            self.ready[key] = frozenset(decode_state(unframe(value)).current.ready)


class World:
    def __init__(self, kafka: KafkaServer, folder: Path) -> None:
        self.kafka = kafka
        self.members = [self._member(folder / f"member-{n}") for n in range(2)]
        self.producer = Producer(ProducerSettings(bootstrap=kafka.bootstrap))
        self.announcer = Announcer(self.producer, service="test", clock=SystemClock())
        self.table = Table()
        self.reader = CompactedReader(
            ReaderSettings(bootstrap=kafka.bootstrap, topics=(topics.LEDGER_CHANGELOG,)), self.table.take
        )
        self.count = 0

    def _member(self, folder: Path) -> ServerProcess:
        folder.mkdir()
        script = Path(__file__).with_name("ledger_member.py")
        argv = (sys.executable, str(script), self.kafka.bootstrap, str(folder))
        return ServerProcess(Command(argv=argv, folder=folder))

    async def announce(self) -> None:
        """Append the next number, to one job after the other."""
        job, n = self.count % JOBS, self.count // JOBS
        self.count += 1
        await self.announcer.announce(
            SegmentReady(
                job=f"job-{job}", n=n, key="k", start=n * 100, end=n * 100 + 100, frames=100, size_bytes=1
            )
        )

    async def request(self) -> None:
        for job in range(JOBS):
            source = Source(url="http://example.org/a.mp4")
            await self.announcer.announce(JobRequested(job=f"job-{job}", source=source))

    def holes(self) -> dict[str, set[int]]:
        """Return, by job, the numbers that are not in the table."""
        found = {}
        for job in range(JOBS):
            sent = set(range(len(range(job, self.count, JOBS))))
            missing = sent - self.table.ready.get(f"job-{job}".encode(), frozenset())
            if missing:
                found[f"job-{job}"] = missing
        return found


@asynccontextmanager
async def _world(kafka: KafkaServer, folder: Path) -> AsyncIterator[World]:
    await apply_topics(kafka.bootstrap, topics.topics(partitions=PARTITIONS))
    world = World(kafka, folder)
    await world.producer.start()
    await world.reader.start()
    try:
        yield world
    finally:
        for member in world.members:
            member.kill()
        await world.reader.stop()
        await world.producer.stop()


async def _chaos(world: World) -> int:
    """Kill one member after the other, each at a random moment, and start it again; return how often."""
    chance = random.Random(7)
    end = time.monotonic() + CHAOS_S
    for kills, member in enumerate(itertools.cycle(world.members)):
        await asyncio.sleep(chance.uniform(2.0, 4.5))
        if time.monotonic() > end:
            return kills
        member.kill()
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        member.start()
    raise AssertionError("a cycle has no end")


async def _pour(world: World, ending: asyncio.Event) -> None:
    while not ending.is_set():
        await world.announce()
        await asyncio.sleep(1 / PER_SECOND)


@pytest.mark.timeout(240)
def test_two_members_killed_in_turn_lose_no_event(tmp_path: Path) -> None:
    async def live(kafka: KafkaServer) -> tuple[int, World]:
        async with _world(kafka, tmp_path) as world:
            for member in world.members:
                member.start()
            await world.request()
            await eventually(lambda: len(world.table.ready) == JOBS)
            ending = asyncio.Event()
            pouring = asyncio.create_task(_pour(world, ending))
            kills = await _chaos(world)
            ending.set()
            await pouring
            with suppress(TimeoutError):
                await eventually(lambda: not world.holes(), deadline_s=60)
            return kills, world

    with kafka_server(own=True) as kafka:
        kills, world = within(live(kafka), deadline_s=200)

    assert world.holes() == {}, [member.last_words() for member in world.members]
    assert kills >= 5
    assert world.count > 1000
