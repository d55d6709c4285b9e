"""Workers that join, stop, are killed and rebalanced at random: nothing is lost, whatever the order."""

import asyncio
import random
from collections.abc import Callable

import pytest
from cinelog_common.kafka import commits, rebalance
from cinelog_common.kafka import queue as queue_module
from cinelog_common.kafka.offsets import decode
from cinelog_common.kafka.queue import QueueSettings, WorkQueue
from cinelog_common.kafka.records import Committed, Partition, Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.testing import FakeLog, FakeMember, FakeProducer
from cinelog_common.kafka.work import Lease
from hypothesis import given, settings
from hypothesis import strategies as st

RECORDS = 24
PARTITIONS = 3
GROUP = "g"
STEPS = st.sampled_from(["send", "finish", "finish", "kill", "stop", "join", "rebalance", "refuse", "turn"])


class Chaos:
    """What happens to a group of queues; `durable` is the effect that must exist for every record."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.log = FakeLog({"t": PARTITIONS})
        self.producer = FakeProducer(self.log)
        self.crew: list[tuple[WorkQueue, FakeMember]] = []
        self.gates: dict[bytes, list[asyncio.Event]] = {}
        self.sent = 0
        self.durable: set[bytes] = set()
        self.poisoned: set[bytes] = set()
        self.kills = 0
        self.refused = False
        self.open = False

    async def handle(self, record: Record, lease: Lease) -> None:
        value = record.value or b""
        # A start that could not be handed over counts like one that was not.
        assert lease.starts <= self.kills or self.refused
        gate = asyncio.Event()
        self.gates.setdefault(value, []).append(gate)
        if not self.open:
            await gate.wait()
        self.durable.add(value)

    async def on_error(self, record: Record, error: Exception) -> None:
        raise AssertionError(repr(error))

    async def on_poison(self, record: Record, starts: int) -> None:
        assert starts >= 3
        assert starts <= self.kills or self.refused
        self.poisoned.add(record.value or b"")

    async def step(self, what: str) -> None:
        match what:
            case "send" if self.sent < RECORDS:
                await self.producer.send("t", b"%d" % self.sent)
                self.sent += 1
            case "finish" if self.gates:
                for gate in self.gates.pop(self.random.choice(sorted(self.gates))):
                    gate.set()
            case "join" if len(self.crew) < 3:
                await self.join()
            case "kill" if self.crew:
                self.kills += 1
                queue, member = self.leaving()
                await member.die()
                await queue.stop(0)
            case "stop" if self.crew:
                queue, _ = self.leaving()
                await queue.stop(0)
            case "rebalance":
                await self.log.rebalance(GROUP)
            case "refuse":
                self.log.refusing_commits = not self.log.refusing_commits
                self.refused = True
        for _ in range(self.random.randrange(12)):
            await asyncio.sleep(0)
        self.check()

    async def join(self) -> None:
        settings = QueueSettings(
            bootstrap="memory", group=GROUP, topics={"t": Priority.NORMAL}, slots=self.random.randint(1, 4)
        )
        member = FakeMember(self.log, settings.membership())
        queue = WorkQueue(settings, self.handle, hooks=self, member=member)
        await queue.start()
        self.crew.append((queue, member))

    def leaving(self) -> tuple[WorkQueue, FakeMember]:
        return self.crew.pop(self.random.randrange(len(self.crew)))

    def check(self) -> None:
        """What is committed as finished has its effect."""
        for number in range(PARTITIONS):
            source = Partition("t", number)
            committed = self.log.committed.get((GROUP, source), Committed(offset=0))
            done = decode(committed.offset, committed.metadata).done
            for record in self.log.read(source, 0):
                if record.offset < committed.offset or record.offset in done:
                    assert record.value in self.durable | self.poisoned

    def settled(self) -> bool:
        return all(
            self.log.committed.get((GROUP, p), Committed(offset=0)).offset == self.log.end(p)
            for p in self.log.partitions(["t"])
        )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the loop must turn for the condition to come true
            await asyncio.sleep(0)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=50), st.integers(0, 2**32))
def test_whatever_happens_to_the_workers_nothing_is_lost(steps: list[str], seed: int) -> None:
    async def test() -> None:
        chaos = Chaos(seed)
        await chaos.join()
        for what in steps:
            await chaos.step(what)
        chaos.log.refusing_commits = False
        chaos.open = True
        for gates in chaos.gates.values():
            for gate in gates:
                gate.set()
        if not chaos.crew:
            await chaos.join()
        await until(chaos.settled)
        for queue, _ in chaos.crew:
            await queue.stop(0)
        chaos.check()
        assert {b"%d" % n for n in range(chaos.sent)} <= chaos.durable | chaos.poisoned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue_module, "PARTING_PAUSE_S", 0.0)
        patch.setattr(queue_module, "BROKER_RETRY_S", 0.0)
        patch.setattr(commits, "RETRY_S", 0.0)
        patch.setattr(rebalance, "RETRY_S", 0.0)
        asyncio.run(test())
