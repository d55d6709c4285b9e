"""Follows whole topics without a group: every reader sees every record, from the start or from now on.

For topics that say what is (`jobs.control`, `jobs.status`, `workers`), and for progress.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition
from loguru import logger

from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka import wakeups
from cinelog_common.kafka.group import as_record, close
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.translation import translated

CATCH_UP_POLL_S = 0.2
POLL_S = 5.0
BROKER_RETRY_S = 1.0
METADATA_AGE_S = 30.0

Take = Callable[[Record], Awaitable[None]]
"""Takes one record in; what it raises is logged, and the record counts as read."""


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to follow.

    Attributes:
        topics: All must exist.
        from_end: Begin with what is written after the start, instead of with all that is kept.
        start_s: How long the start may take.
    """

    bootstrap: str
    topics: tuple[str, ...]
    from_end: bool = False
    client_id: str = "cinelog"
    start_s: float = 30.0


class CompactedReader:
    """Hands every record of its topics to `take`, in order within each partition, one at a time.

    New partitions are noticed within half a minute and read from their beginning.
    """

    def __init__(self, settings: ReaderSettings, take: Take) -> None:
        self._settings = settings
        self._take = take
        self._consumer: AIOKafkaConsumer | None = None
        self._loop: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._goals: dict[TopicPartition, int] = {}

    @property
    def ready(self) -> bool:
        """Whether everything that lay in the topics at the start has been taken in."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until everything that lay in the topics at the start has been taken in."""
        await self._ready.wait()

    async def start(self) -> None:
        """Connect and begin to read; what is written from now on will be seen.

        Raises:
            TransientError: No broker answers, or a topic does not exist yet.
        """
        settings = self._settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            client_id=settings.client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=wakeups.fetch_wait_ms(settings.bootstrap),
            consumer_timeout_ms=wakeups.FETCHER_TIMER_MS,
            metadata_max_age_ms=round(METADATA_AGE_S * 1000),
        )
        wakeups.attach(consumer._client, settings.bootstrap)  # noqa: SLF001
        try:
            with translated(settings.bootstrap, f"starting to read {', '.join(settings.topics)}"):
                async with asyncio.timeout(settings.start_s):
                    await consumer.start()
                    await self._begin(consumer)
        except BaseException:
            await close(consumer)
            raise
        self._consumer = consumer
        self._loop = asyncio.create_task(self._follow(consumer))

    async def stop(self) -> None:
        """Stop reading and disconnect."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close(consumer)

    async def _begin(self, consumer: AIOKafkaConsumer) -> None:
        partitions = [
            TopicPartition(topic, number)
            for topic in self._settings.topics
            for number in await consumer._client._wait_on_metadata(topic)  # noqa: SLF001
        ]
        if not partitions:
            raise TransientError("There is nothing to read.", category=Category.DEPENDENCY)
        ends = await consumer.end_offsets(partitions)
        starts = ends if self._settings.from_end else await consumer.beginning_offsets(partitions)
        _assign(consumer, starts)
        self._goals = {partition: end for partition, end in ends.items() if end > starts[partition]}
        await self._note_progress(consumer)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                await self._read(consumer)
            except KafkaError as error:
                logger.bind(action="reader.polling").warning("Reading failed: {!r}", error)
                await asyncio.sleep(BROKER_RETRY_S)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        timeout_s = POLL_S if self.ready else CATCH_UP_POLL_S
        batches = await consumer.getmany(timeout_ms=round(timeout_s * 1000))
        for batch in batches.values():
            for message in batch:
                await self._take_in(as_record(message))
        await self._note_progress(consumer)
        await self._notice_partitions(consumer)

    async def _take_in(self, record: Record) -> None:
        try:
            await self._take(record)
        except Exception as error:  # noqa: BLE001 - the edge: one bad record must not end the reading
            logger.bind(action="reader.record").opt(exception=error).error(
                "{}-{} offset {} was not taken in", record.topic, record.partition, record.offset
            )

    async def _note_progress(self, consumer: AIOKafkaConsumer) -> None:
        # The position counts, not the last record: compaction leaves holes, at the end too.
        for partition in list(self._goals):
            if await consumer.position(partition) >= self._goals[partition]:
                del self._goals[partition]
        if not self._goals:
            self._ready.set()

    async def _notice_partitions(self, consumer: AIOKafkaConsumer) -> None:
        known: Collection[TopicPartition] = consumer.assignment()
        new = [
            TopicPartition(topic, number)
            for topic in self._settings.topics
            for number in consumer.partitions_for_topic(topic) or ()
            if (topic, number) not in known
        ]
        if new:
            positions = {partition: await consumer.position(partition) for partition in known}
            _assign(consumer, positions | await consumer.beginning_offsets(new))


def _assign(consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]) -> None:
    consumer.assign(list(positions))
    for partition, offset in positions.items():
        consumer.seek(partition, offset)
    wakeups.nudge(consumer)
