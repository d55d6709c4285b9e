"""A member of a Kafka consumer group, through aiokafka."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from loguru import logger

from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka import wakeups
from cinelog_common.kafka.assignor import TopicwiseAssignor
from cinelog_common.kafka.membership import GroupSettings, Listener
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.translation import translated

POLL_INTERVAL_LIMIT_MS = 300_000
ANSWER_S = 10.0
"""Longest wait for one answer of the broker; within the session, so that a silent broker is noticed here."""
LEAVE_S = 5.0
"""Longest wait for an orderly leave; a join in progress would hold it up for a minute."""


class KafkaMember:
    """A `Member` on Kafka or the in-process broker.

    The assignor is a sticky one: when a worker joins, the others keep most of their partitions and so
    their running work. All members of a group must therefore be of this class.
    """

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._listener: Listener | None = None
        self._assignor = _own_assignor()
        self._closing: set[asyncio.Task[None]] = set()
        """Consumers that are being closed. Who is cancelled meanwhile leaves that to `stop`."""

    async def start(self, listener: Listener) -> None:
        """Join the group; see `Member`."""
        self._listener = listener
        settings = self._settings
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap,
            group_id=settings.group,
            client_id=settings.client_id,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            partition_assignment_strategy=(self._assignor,),
            session_timeout_ms=round(settings.session_s * 1000),
            heartbeat_interval_ms=round(settings.heartbeat_s * 1000),
            max_poll_interval_ms=POLL_INTERVAL_LIMIT_MS,
            max_partition_fetch_bytes=settings.fetch_bytes,
            fetch_max_wait_ms=wakeups.fetch_wait_ms(settings.bootstrap),
            consumer_timeout_ms=wakeups.FETCHER_TIMER_MS,
            metadata_max_age_ms=30_000,
        )
        wakeups.attach(consumer._client, settings.bootstrap)  # noqa: SLF001
        self._consumer = consumer  # before the first assignment, which comes while it starts
        try:
            with translated(settings.bootstrap, f"joining group {settings.group}"):
                # A member that died without leaving holds the join up for its session.
                async with asyncio.timeout(2 * settings.session_s + ANSWER_S):
                    consumer.subscribe(list(settings.topics), listener=_Bridge(self))
                    await consumer.start()
        except BaseException:
            await self._close()
            raise

    async def stop(self) -> None:
        """Leave the group; see `Member`."""
        self._listener = None
        await self._close()
        await asyncio.gather(*self._closing)

    async def poll(self, *, limit: int, timeout_s: float) -> list[Record]:
        """Return delivered records; see `Member`. A membership that broke for good is made anew."""
        try:
            with translated(self._settings.bootstrap, "reading"):
                batches = await self._joined().getmany(timeout_ms=round(timeout_s * 1000), max_records=limit)
        except TransientError:
            await self._rejoin_if_dead()
            raise
        return [as_record(message) for batch in batches.values() for message in batch]

    def pause(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these; see `Member`."""
        consumer = self._consumer
        if consumer is not None:
            consumer.pause(*self._owned(partitions))

    def resume(self, partitions: Collection[Partition]) -> None:
        """Deliver again; see `Member`."""
        consumer = self._consumer
        owned = self._owned(partitions)
        if consumer is None or not owned:
            return
        consumer.resume(*owned)
        wakeups.nudge(consumer)
        local = wakeups.find(self._settings.bootstrap)
        if local is not None:
            # A fetch without these partitions may be waiting, and there is one fetch per broker at a time.
            local.notify({partition.topic for partition in owned})

    def seek(self, partition: Partition, offset: int) -> None:
        """Deliver this offset next; see `Member`."""
        for owned in self._owned([partition]):
            self._joined().seek(owned, offset)

    async def commit(self, marks: Mapping[Partition, Committed]) -> None:
        """Commit; see `Member`."""
        offsets = {
            TopicPartition(*partition): OffsetAndMetadata(mark.offset, mark.metadata)
            for partition, mark in marks.items()
        }
        with translated(self._settings.bootstrap, "committing"):
            async with asyncio.timeout(ANSWER_S):
                await self._joined().commit(offsets)

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed; see `Member`."""
        consumer = self._joined()
        wanted = [TopicPartition(*partition) for partition in partitions]
        with translated(self._settings.bootstrap, "reading committed offsets"):
            async with asyncio.timeout(ANSWER_S):
                # The public `committed()` hides the metadata.
                found = await consumer._coordinator.fetch_committed_offsets(wanted)  # noqa: SLF001
                fresh = [partition for partition in wanted if partition not in found]
                starts = await consumer.beginning_offsets(fresh) if fresh else {}
        marks = {p: Committed(offset=c.offset, metadata=c.metadata or "") for p, c in found.items()}
        marks.update({p: Committed(offset=offset) for p, offset in starts.items()})
        return {Partition(*partition): mark for partition, mark in marks.items()}

    async def revoked(self) -> None:
        """Pass the group's word on; called by aiokafka's listener."""
        if self._listener is not None:
            await self._listener.on_revoked()

    def assigned(self, partitions: Collection[Partition]) -> None:
        """Pass the group's word on; called by aiokafka's listener."""
        consumer = self._joined()
        # aiokafka forgets to tell it; a member that was thrown out would claim its old partitions as fresh.
        self._assignor.on_generation_assignment(consumer._coordinator.generation)  # noqa: SLF001
        self.pause(partitions)
        if self._listener is not None:
            self._listener.on_assigned(partitions)

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            closing = asyncio.create_task(close(consumer))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.shield(closing)

    def _owned(self, partitions: Collection[Partition]) -> list[TopicPartition]:
        assignment = self._consumer.assignment() if self._consumer is not None else frozenset()
        return [TopicPartition(*partition) for partition in partitions if partition in assignment]

    def _joined(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            raise TransientError("Not a member of the group.", category=Category.DEPENDENCY)
        return self._consumer

    async def _rejoin_if_dead(self) -> None:
        """Join anew if the membership has failed, as it does for good at some errors."""
        consumer, listener = self._consumer, self._listener
        if listener is None:
            return
        if consumer is not None and not _broken(consumer):
            return
        logger.bind(action="group.rejoined").error("The membership in {} broke", self._settings.group)
        listener.on_assigned([])
        await self._close()
        await self.start(listener)


class _Bridge(ConsumerRebalanceListener):  # type: ignore[misc]
    """Carries aiokafka's calls to the member."""

    def __init__(self, member: KafkaMember) -> None:
        self._member = member

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        """All are revoked at once: the assignor is eager."""
        await self._member.revoked()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Pass them on in our words."""
        self._member.assigned([Partition(*partition) for partition in assigned])


def as_record(message: Any) -> Record:
    """Return aiokafka's record as ours."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers),
    )


async def close(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer in bounded time, started or not, and leave nothing open."""
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await consumer.stop()
            return
    # stop() gave up: a join in progress does not end when asked to.
    coordinator = consumer._coordinator  # noqa: SLF001
    task = getattr(coordinator, "_coordination_task", None)
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
        await coordinator._stop_heartbeat_task()  # noqa: SLF001
        await coordinator._stop_commit_offsets_refresh_task()  # noqa: SLF001
    if consumer._fetcher is not None:  # noqa: SLF001
        await consumer._fetcher.close()  # noqa: SLF001
    await consumer._client.close()  # noqa: SLF001


def _broken(consumer: AIOKafkaConsumer) -> bool:
    """Whether one of the tasks that keep the membership has failed; aiokafka starts none of them again."""
    coordinator = consumer._coordinator  # noqa: SLF001
    tasks = [
        coordinator._heartbeat_task,  # noqa: SLF001
        coordinator._commit_refresh_task,  # noqa: SLF001
    ]
    failed = [task for task in tasks if task is not None and task.done() and not task.cancelled()]
    return coordinator._coordination_task.done() or any(task.exception() for task in failed)  # noqa: SLF001


def _own_assignor() -> type[Any]:
    """Return a new class: aiokafka keeps the assignor's memory on the class, for all groups at once."""
    return type("Assignor", (TopicwiseAssignor,), {"member_assignment": None, "generation": -1})
