"""Faust's app as the ledger needs it: its settings, its way to Kafka, its table.

What differs from stock is said at each place; the recovery has a file of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import faust
from cinelog_common.contract import topics
from cinelog_common.contract.values import Value
from cinelog_common.kafka import wakeups
from cinelog_common.kafka.group import close
from faust.tables.table import Table
from faust.transport.consumer import ConsumerThread
from faust.transport.drivers import aiokafka as driver
from loguru import logger
from mode.threads import WorkerThread

from cinelog_merge.adapters.contiguity import Contiguity
from cinelog_merge.adapters.faust_recovery import LedgerTableManager
from cinelog_merge.adapters.table_values import place_of
from cinelog_merge.domain.state import Place

TABLE = "jobs"
PARTING_S = 2.0
"""How long the last commit may take, and the calls that are still under way."""


class FaustSettings(Value, frozen=True, kw_only=True):
    """How the ledger runs.

    The changelog is `{group}-jobs-changelog`: it and `events` must exist, with the same number of partitions.
    """

    bootstrap: str
    folder: Path
    """For Faust's empty data folders; anything may delete it while nobody runs."""
    group: str = topics.LEDGER_APP
    events: str = topics.EVENTS
    session_s: float = 15.0
    heartbeat_s: float = 3.0
    commit_interval_s: float = 1.0
    leave_s: float = 15.0
    """After how long leaving the group is given up; a broker that is silent takes half of it."""

    @property
    def changelog(self) -> str:
        """The topic the table is recovered from."""
        return f"{self.group}-{TABLE}-changelog"


class LedgerTable(Table):  # type: ignore[misc]
    """A table whose recovery never goes back in time."""

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Apply the records that are not older than what is known; drop what is no value of ours."""
        newest: dict[bytes, Place] = {}
        kept = []
        for event in batch:
            key, place = event.key, place_of(event.message.value)
            if key is None or place is None:
                logger.bind(action="ledger.changelog").warning(
                    "A record that is no job's state was ignored at {}.", event.message.tp
                )
                continue
            known = newest.get(key) or place_of(self.data.get(key)) or place
            if place >= known:
                newest[key] = place
                kept.append(event)
        super().apply_changelog_batch(kept)


class DaemonThread(WorkerThread):  # type: ignore[misc]
    """A thread that the process may leave behind, whatever it hangs in."""

    def __init__(self, service: Any, **options: Any) -> None:
        super().__init__(service, **options)
        self.daemon = True


class LedgerConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Holds the consumer: woken by this process's own broker, and left in bounded time."""

    Worker = DaemonThread

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        for address in consumer._client._bootstrap_servers:  # noqa: SLF001
            wakeups.attach(consumer._client, address)  # noqa: SLF001
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave the group within seconds: aiokafka waits 36 to 82 s for a join or a silent broker."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                await ConsumerThread.on_thread_stop(self)
        if self._consumer is not None:
            await close(self._consumer)


class LedgerConsumer(driver.Consumer):  # type: ignore[misc]
    """Commits what was acknowledged, and never delivers what was fetched before a seek.

    Faust means to wait for a fetch that is under way before it seeks, but sets the flag for it
    where it should clear it (0.15.3, `Consumer._wait_next_records`). What such a fetch brings is
    then delivered after the seek: events jump, and so does the changelog, whose thrown-away
    records leave the recovered table behind what is committed.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._quiet = asyncio.Event()
        self._quiet.set()

    contiguity: Contiguity
    """Set when the app is built; outlives the consumer, so that a hole is known again."""

    def _new_consumer_thread(self) -> Any:
        return LedgerConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _wait_next_records(self, timeout: float) -> Any:
        # Looked at again after every wait: a recovery with nothing to read opens the flow and closes it at
        # once, and who waited for it in there would hold up the seek that comes before it is opened again.
        while not self.flow_active and not self.should_stop:
            await self.wait(self.can_resume_flow)
        self._quiet.clear()
        try:
            records, active = await super()._wait_next_records(timeout)
        finally:
            self._quiet.set()
        # Closed meanwhile: before the flow is opened again there is always a seek, so this comes again.
        return (records if self.flow_active else None), active

    async def perform_seek(self) -> None:
        """Seek to what is committed, or to the start of the log, and expect just that next.

        Where nothing is committed yet, Faust and aiokafka seek nowhere: whatever was fetched and
        thrown away in a rebalance before the first commit never came again.
        """
        await self._quiet.wait()
        await super().perform_seek()
        positions = {tp: self._read_offset[tp] for tp in self.assignment() if not self._is_changelog_tp(tp)}
        fresh = [tp for tp, offset in positions.items() if not offset]
        if fresh:
            starts = await self.earliest_offsets(*fresh)
            await super().seek_wait(starts)
            positions |= {tp: starts.get(tp) for tp in fresh}
        self.contiguity.rewind(positions)

    async def seek_wait(self, partitions: Any) -> None:
        """Seek when no fetch is under way."""
        await self._quiet.wait()
        await super().seek_wait(partitions)

    async def _add_gap(self, *_: Any) -> None:
        """Note no gap: nothing is acknowledged that was not handled."""

    async def on_stop(self) -> None:
        """Commit for the last time; what it does not reach in time comes again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                await super().on_stop()


class LedgerTransport(driver.Transport):  # type: ignore[misc]
    """The way to Kafka, with our consumer."""

    Consumer = LedgerConsumer

    def create_consumer(self, *arguments: Any, **options: Any) -> Any:
        """Return the consumer, which tells the app's guard where it reads."""
        consumer = super().create_consumer(*arguments, **options)
        consumer.contiguity = self.app.contiguity
        return consumer


class LedgerBoot(faust.App.BootStrategy):  # type: ignore[misc]
    """What starts with the app: no web server, no monitor."""

    enable_web = False
    enable_sensors = False  # the monitor samples the event loop once a second, for a page nobody opens


class LedgerApp(faust.App):  # type: ignore[misc]
    """The app, made of the parts above."""

    BootStrategy = LedgerBoot

    def _new_transport(self) -> Any:
        return LedgerTransport(self.conf.broker_consumer, self)


def build_app(
    settings: FaustSettings, consume: Callable[[Any], Awaitable[None]], contiguity: Contiguity
) -> tuple[Any, Any]:
    """Return a Faust app that feeds its events to `consume`, and its table of jobs; nothing is started."""
    addresses = [f"kafka://{address}" for address in settings.bootstrap.split(",")]
    app = LedgerApp(
        settings.group,
        broker=addresses,
        datadir=settings.folder / "faust",
        store="memory://",
        processing_guarantee="at_least_once",
        autodiscover=False,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_request_timeout=max(30.0, settings.session_s),
        broker_commit_interval=settings.commit_interval_s,
        # Its only task is to log that nothing was committed, which is so whenever nothing arrives.
        broker_commit_livelock_soft_timeout=3600.0,
        consumer_auto_offset_reset="earliest",
        consumer_metadata_max_age_ms=30_000,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        TableManager=LedgerTableManager,
    )
    app.contiguity = contiguity
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    table = LedgerTable(app, name=TABLE, key_type=bytes, value_type=bytes)
    app.tables.add(table)
    topic = app.topic(settings.events, allow_empty=True, **raw)
    agent = app.agent(topic, name="ledger", concurrency=1)(consume)
    # With more, an offset beyond an unfinished event was committed, and the event never came back.
    assert agent.concurrency == 1
    return app, table
