"""Work queues on a log in memory, and desks whose work ends when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cinelog_common.kafka import commits, rebalance
from cinelog_common.kafka import queue as queue_module
from cinelog_common.kafka.offsets import decode
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.testing import FakeLog, FakeMember, FakeProducer
from cinelog_common.kafka.work import Ending, Lease

TOPIC = "work"
P0 = Partition(TOPIC, 0)
GROUP = "workers"


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait for its next try."""
    monkeypatch.setattr(queue_module, "BROKER_RETRY_S", 0.0)
    monkeypatch.setattr(queue_module, "HOOK_RETRY_S", (0.0, 0.0))
    monkeypatch.setattr(queue_module, "PARTING_PAUSE_S", 0.0)
    monkeypatch.setattr(commits, "RETRY_S", 0.0)
    monkeypatch.setattr(rebalance, "RETRY_S", 0.0)


class Desk:
    """A handler whose work ends when the test says so, and what it saw."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []
        self.ended: list[bytes] = []
        self.endings: dict[bytes, Ending | None] = {}
        self.starts: dict[bytes, int] = {}
        self.errors: list[tuple[bytes, Exception]] = []
        self.poison: list[tuple[bytes, int]] = []
        self.failing: dict[bytes, Exception] = {}
        self.hook_failures = 0
        self._gates: dict[bytes, asyncio.Event] = {}
        self.open = False

    async def handle(self, record: Record, lease: Lease) -> None:
        value = record.value or b""
        self.begun.append(value)
        self.starts[value] = lease.starts
        try:
            if not self.open:
                await self._gate(value).wait()
            if value in self.failing:
                raise self.failing[value]
            self.ended.append(value)
        finally:
            self.endings[value] = lease.ending

    def finish(self, *values: bytes) -> None:
        for value in values:
            self._gate(value).set()

    async def on_error(self, record: Record, error: Exception) -> None:
        if self.hook_failures:
            self.hook_failures -= 1
            raise RuntimeError("the log is out")
        self.errors.append((record.value or b"", error))

    async def on_poison(self, record: Record, starts: int) -> None:
        self.poison.append((record.value or b"", starts))

    def _gate(self, value: bytes) -> asyncio.Event:
        return self._gates.setdefault(value, asyncio.Event())


class World:
    """A log, and the queues that work on it."""

    def __init__(self, topics: dict[str, int]) -> None:
        self.log = FakeLog(topics)
        self.producer = FakeProducer(self.log)
        self.queues: list[WorkQueue] = []
        self.members: list[FakeMember] = []

    async def work(
        self, desk: Desk, *, slots: int = 1, topics: dict[str, Priority] | None = None
    ) -> WorkQueue:
        topics = topics or {TOPIC: Priority.NORMAL}
        settings = QueueSettings(bootstrap="memory", group=GROUP, topics=topics, slots=slots)
        member = FakeMember(self.log, settings.membership())
        queue = WorkQueue(settings, desk.handle, hooks=desk, member=member)
        await queue.start()
        self.queues.append(queue)
        self.members.append(member)
        return queue

    async def send(self, *values: bytes, topic: str = TOPIC, partition: int = 0) -> None:
        for value in values:
            await self.producer.send(topic, value, partition=partition)

    def committed(self, partition: Partition = P0) -> Committed:
        return self.log.committed.get((GROUP, partition), Committed(offset=0))

    def start_counts(self, partition: Partition = P0) -> dict[int, int]:
        mark = self.committed(partition)
        return dict(decode(mark.offset, mark.metadata).starts)

    async def kill(self, index: int = 0) -> None:
        """End a queue as kill -9 does: nothing is committed any more, and its tasks vanish."""
        queue = self.queues.pop(index)
        await self.members.pop(index).die()
        await queue.stop(0)


@asynccontextmanager
async def world(topics: dict[str, int] | None = None) -> AsyncIterator[World]:
    world = World(topics or {TOPIC: 1})
    try:
        yield world
    finally:
        for queue in world.queues:
            await queue.stop(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the loop must turn for the condition to come true
            await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())
