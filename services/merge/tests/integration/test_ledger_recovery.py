"""Faust's recovery on a real Kafka, in a forced interleaving: the stock one loses an event, the mended none.

What the recovery throws away, Faust reads again after the next rebalance, unless it
committed past it. It does so where exactly one event is missing: `_new_offset` lets
the first acknowledged offset be one beyond the committed one. So two events wait
here: the first is in hand and the second in the stream's queue when it is cleared.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.topics import Topic
from cinelog_common.kafka.admin import LogOffsets, apply_topics
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Partition, Record
from cinelog_merge.adapters.contiguity import Contiguity
from cinelog_merge.adapters.faust_app import FaustLedger
from cinelog_merge.adapters.faust_client import FaustSettings, LedgerConsumer, LedgerConsumerThread
from cinelog_merge.adapters.faust_recovery import LedgerTableManager
from cinelog_testkit.kafka import KafkaServer
from cinelog_testkit.names import unique
from cinelog_testkit.waiting import eventually, within
from faust.tables.recovery import Recovery

pytestmark = pytest.mark.real

BATCH = 20


class World:
    """A topic of numbered events and the ledger that reads them, life after life."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.settings = FaustSettings(
            bootstrap=bootstrap,
            folder=folder,
            group=unique("ledger"),
            events=unique("events"),
            session_s=6.0,
            heartbeat_s=1.0,
            commit_interval_s=0.2,
        )
        self.producer = Producer(ProducerSettings(bootstrap=bootstrap))
        self.offsets = LogOffsets(bootstrap)
        self.seen: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = 0
        self._next = 0

    async def produce(self, count: int = BATCH) -> None:
        """Append the next numbers."""
        numbers = range(self._next, self._next + count)
        self._next += count
        for number in numbers:
            await self.producer.send(self.settings.events, b"%d" % number, key=b"job")

    @asynccontextmanager
    async def life(self) -> AsyncIterator[FaustLedger]:
        """Run the ledger until it is stopped in good order."""
        ledger = FaustLedger(self.settings, self.producer, lambda record: self._take(ledger, record))
        await ledger.start()
        try:
            yield ledger
        finally:
            self.gate.set()
            await ledger.stop()

    async def _take(self, ledger: FaustLedger, record: Record) -> None:
        self.held += 1
        await self.gate.wait()
        self.held -= 1
        self.seen.append(int(record.value or b""))
        await ledger.put("job", b"state", partition=record.partition, place=(0, record.offset))

    async def until_seen(self) -> None:
        """Wait until the number that was appended last has been worked on."""
        await eventually(lambda: self._next - 1 in self.seen)

    async def until_committed(self) -> None:
        """Wait until the group stands at the end of the log: no lag tells of a loss."""
        async with asyncio.timeout(10):
            while await self._committed() != self._next:  # noqa: ASYNC110 - no broker tells
                await asyncio.sleep(0.05)

    async def _committed(self) -> int | None:
        name = self.settings.events
        found = await self.offsets.committed(self.settings.group, [name])
        return found.get(Partition(name, 0))

    def missing(self) -> set[int]:
        return set(range(self._next)) - set(self.seen)


@asynccontextmanager
async def _world(kafka: KafkaServer, folder: Path) -> AsyncIterator[World]:
    world = World(kafka.bootstrap, folder)
    specs = [
        Topic(name=world.settings.events, partitions=1),
        Topic(name=world.settings.changelog, partitions=1, cleanup="compact"),
    ]
    await apply_topics(kafka.bootstrap, specs)
    await world.producer.start()
    await world.offsets.start()
    try:
        yield world
    finally:
        await world.offsets.stop()
        await world.producer.stop()


def _slow_seek(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fetch fall between the seek and the end of the recovery, as it does by chance in production."""
    seek, fetch = LedgerConsumer.perform_seek, LedgerConsumerThread._fetch_records
    fetched: list[int] = []

    async def perform_seek(self: LedgerConsumer) -> None:
        await seek(self)
        fetched.clear()
        with suppress(TimeoutError):
            await eventually(
                lambda: len(fetched) >= 2 and world.held == 1 and _last_read(self) == fetched[-1],
                deadline_s=2.0,
            )

    async def fetch_records(self: LedgerConsumerThread, *args: Any, **options: Any) -> Any:
        batches = await fetch(self, *args, **options)
        for partition, batch in batches.items():
            if partition.topic == world.settings.events:
                fetched.extend(record.offset for record in batch)
        return batches

    def _last_read(consumer: LedgerConsumer) -> int | None:
        return next((o for p, o in consumer._read_offset.items() if p.topic == world.settings.events), None)

    monkeypatch.setattr(LedgerConsumer, "perform_seek", perform_seek)
    monkeypatch.setattr(LedgerConsumerThread, "_fetch_records", fetch_records)


def _take_stock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away all that was mended: the recovery, the consumer's seeks, and the guard against holes."""
    monkeypatch.setattr(LedgerTableManager, "recovery_type", Recovery)
    for mended in ("perform_seek", "seek_wait", "_wait_next_records", "_add_gap"):
        monkeypatch.delattr(LedgerConsumer, mended)
    monkeypatch.setattr(Contiguity, "admits", lambda *_: True)


async def _three_lives(world: World) -> None:
    """Recover a table while two events wait, and work on them only once the recovery has ended."""
    await world.produce()
    async with world.life():
        await world.until_seen()
    await world.produce(2)
    world.gate.clear()
    async with world.life() as ledger:
        await eventually(lambda: ledger.ready)
        world.gate.set()
        await world.produce()
        await world.until_seen()
        await world.until_committed()
    # What was merely late would come now; what was committed past never does.
    await world.produce()
    async with world.life():
        await world.until_seen()


def _missing(kafka: KafkaServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    async def live() -> set[int]:
        async with _world(kafka, folder) as world:
            with monkeypatch.context() as patch:
                _slow_seek(world, patch)
                await _three_lives(world)
            return world.missing()

    return within(live())


def test_the_stock_recovery_throws_an_event_away(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_stock(monkeypatch)

    # It is a race, however much we lean on it.
    lost = any(_missing(kafka, tmp_path, monkeypatch) == {BATCH + 1} for _ in range(4))

    assert lost


def test_the_mended_recovery_loses_none(
    kafka: KafkaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _missing(kafka, tmp_path, monkeypatch) == set()


async def _rebalance(ledger: FaustLedger) -> None:
    """Have the group form anew, and wait until the ledger is ready in it."""
    generation = ledger.generation
    thread = ledger._app.consumer._thread
    thread.thread_loop.call_soon_threadsafe(thread._consumer._coordinator.request_rejoin)
    await eventually(lambda: ledger.generation > generation and ledger.ready, deadline_s=15)


def test_rebalances_with_nothing_new_to_recover_leave_the_stream_running(
    kafka: KafkaServer, tmp_path: Path
) -> None:
    async def live() -> set[int]:
        async with _world(kafka, tmp_path) as world:
            async with world.life() as ledger:
                await world.produce()
                await world.until_seen()
                # The first reads what was just written; the others find the table as it is.
                for _ in range(3):
                    await _rebalance(ledger)
                await world.produce()
                await world.until_seen()
            return world.missing()

    assert within(live()) == set()
