"""Short handlers for events: in order within each partition, at least once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence

from loguru import logger

from cinelog_common.errors import CinelogError, TransientError
from cinelog_common.kafka.group import KafkaMember
from cinelog_common.kafka.membership import GroupSettings, Member
from cinelog_common.kafka.records import Committed, Partition, Record

POLL_S = 5.0
BATCH = 500
BROKER_RETRY_S = 1.0
PARTING_S = 2.0
HANDLER_RETRY_S = (0.2, 15.0)

Handle = Callable[[Record], Awaitable[None]]
"""Handles one record in milliseconds; a `TransientError` holds its partition up until it succeeds."""

OnError = Callable[[Record, Exception], Awaitable[None]]
"""Is told of a record that cannot be handled; when it returns, the record is done with.

What it raises is answered as the handler's `TransientError`: the record is tried again.
"""


class EventConsumer:
    """Hands each record of its topics to `handle`, one at a time per partition; commits what was handled."""

    def __init__(
        self, settings: GroupSettings, handle: Handle, *, on_error: OnError, member: Member | None = None
    ) -> None:
        self._handle = handle
        self._on_error = on_error
        self._member: Member = member or KafkaMember(settings)
        self._generation = 0
        self._open: frozenset[Partition] = frozenset()
        self._done: dict[Partition, Committed] = {}
        self._loop: asyncio.Task[None] | None = None
        self._opening: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def alive(self) -> bool:
        """Whether it polls."""
        return self._loop is not None and not self._loop.done()

    @property
    def partitions(self) -> int:
        """How many partitions it reads now."""
        return len(self._open)

    async def start(self) -> None:
        """Join the group and begin to read.

        Raises:
            TransientError: No broker answers, or a topic does not exist yet.
        """
        try:
            await self._member.start(self)
        except BaseException:
            await self._end(self._opening)
            raise
        self._loop = asyncio.create_task(self._consume())

    async def stop(self, deadline_s: float = 5.0) -> None:
        """Let the handlers in progress end within the deadline, commit, and leave the group."""
        self._stopping = True
        try:
            async with asyncio.timeout(deadline_s):
                await self._idle.wait()
        except TimeoutError:
            logger.bind(action="consumer.stopped").warning("A handler did not end in {} s", deadline_s)
        await self._end(self._loop)
        await self._end(self._opening)
        await self._commit()
        await self._member.stop()

    async def on_revoked(self) -> None:
        """Commit as the owner for the last time; part of the group's listener."""
        try:
            async with asyncio.timeout(PARTING_S):
                await self._commit()
        except TimeoutError:
            logger.bind(action="commit.refused").info("No answer before the partitions were revoked")
        self._forget()

    def on_assigned(self, partitions: Collection[Partition]) -> None:
        """Begin anew with what is committed; part of the group's listener."""
        self._forget()
        if self._opening is not None:
            self._opening.cancel()
        self._opening = asyncio.create_task(self._begin(frozenset(partitions)))

    def _forget(self) -> None:
        self._generation += 1
        self._open = frozenset()
        self._done.clear()

    async def _begin(self, partitions: frozenset[Partition]) -> None:
        while True:
            try:
                committed = await self._member.committed(partitions)
            except TransientError as error:
                logger.bind(action="consumer.opening").warning("{}", error.message)
                await asyncio.sleep(BROKER_RETRY_S)
            else:
                break
        for partition, mark in committed.items():
            self._member.seek(partition, mark.offset)
        self._open = partitions
        self._member.resume(partitions)

    async def _consume(self) -> None:
        while not self._stopping:
            try:
                records = await self._member.poll(limit=BATCH, timeout_s=POLL_S)
            except CinelogError as error:
                logger.bind(action="consumer.polling").warning("{}", error.message)
                await asyncio.sleep(BROKER_RETRY_S)
                continue
            batches: defaultdict[Partition, list[Record]] = defaultdict(list)
            for record in records:
                # Before its partition is open it comes too early: it comes again after the seek.
                if record.source in self._open:
                    batches[record.source].append(record)
            if batches:
                await self._work_off(list(batches.values()))
            elif self._done:
                await self._commit()  # refused before

    async def _work_off(self, batches: Sequence[Sequence[Record]]) -> None:
        self._idle.clear()
        try:
            async with asyncio.TaskGroup() as group:
                for batch in batches:
                    group.create_task(self._handle_batch(batch, self._generation))
            await self._commit()
        finally:
            self._idle.set()

    async def _handle_batch(self, batch: Sequence[Record], generation: int) -> None:
        for record in batch:
            # After a rebalance the rest is read again, by us or by another member.
            if generation != self._generation or self._stopping:
                return
            await self._handle_one(record)
            if generation == self._generation:
                self._done[record.source] = Committed(offset=record.offset + 1)

    async def _handle_one(self, record: Record) -> None:
        delay_s, longest_s = HANDLER_RETRY_S
        while True:
            try:
                await self._attempt(record)
            except Exception as error:  # noqa: BLE001 - the edge: no record is skipped, whatever happens
                logger.bind(action="consumer.retried").warning("Again in {} s: {!r}", delay_s, error)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, longest_s)
            else:
                return

    async def _attempt(self, record: Record) -> None:
        try:
            await self._handle(record)
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge: its verdict is the service's
            await self._on_error(record, error)

    async def _commit(self) -> None:
        done, generation = dict(self._done), self._generation
        if not done:
            return
        try:
            await self._member.commit(done)
        except CinelogError as error:
            logger.bind(action="commit.refused").info("{}", error.message)
            return
        if generation == self._generation:
            self._done = {p: mark for p, mark in self._done.items() if mark != done.get(p)}

    async def _end(self, task: asyncio.Task[None] | None) -> None:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
