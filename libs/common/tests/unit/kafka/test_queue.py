import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cinelog_common.errors import PermanentError
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


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_work_that_is_done_is_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            await w.send(b"a", b"b", b"c")

            queue = await w.work(desk, slots=2)

            await until(lambda: w.committed().offset == 3)
            assert sorted(desk.ended) == [b"a", b"b", b"c"]
            assert queue.state().finished == 3

    run(test)


def test_a_start_is_committed_before_the_work_begins() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 1}
            assert w.committed().offset == 0

    run(test)


def test_no_work_begins_while_its_start_cannot_be_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            queue = await w.work(desk)
            await until(lambda: queue.state().partitions == 1)
            w.log.refusing_commits = True

            await w.send(b"a")

            await until(lambda: queue.state().running == 1)
            for _ in range(50):
                await asyncio.sleep(0)
            assert desk.begun == []
            w.log.refusing_commits = False
            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 1}

    run(test)


def test_out_of_order_completion_commits_the_contiguous_part_and_remembers_the_rest() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            await w.work(desk, slots=3)
            await until(lambda: len(desk.begun) == 3)

            desk.finish(b"b", b"c")

            await until(lambda: decode(0, w.committed().metadata).done == {1, 2})
            assert w.committed().offset == 0
            desk.finish(b"a")
            await until(lambda: w.committed().offset == 3)

    run(test)


def test_a_killed_worker_loses_nothing_repeats_only_what_it_had_in_hand_and_is_counted() -> None:
    async def test() -> None:
        async with world() as w:
            first, second = Desk(), Desk()
            await w.send(b"a", b"b", b"c", b"d")
            await w.work(first, slots=3)
            await until(lambda: len(first.begun) == 3)
            first.finish(b"b")
            await until(lambda: decode(0, w.committed().metadata).done == {1})

            await w.kill()
            second.open = True
            await w.work(second, slots=3)

            await until(lambda: w.committed().offset == 4)
            assert sorted(second.ended) == [b"a", b"c", b"d"]
            assert second.starts == {b"a": 1, b"c": 1, b"d": 0}

    run(test)


def test_work_that_killed_its_worker_three_times_is_put_aside_and_the_rest_goes_on() -> None:
    async def test() -> None:
        async with world() as w:
            await w.send(b"bad", b"good")
            for _ in range(3):
                desk = Desk()
                await w.work(desk)
                await until(lambda desk=desk: desk.begun == [b"bad"])  # type: ignore[misc]
                await w.kill()
            last = Desk()
            last.open = True

            queue = await w.work(last)

            await until(lambda: w.committed().offset == 2)
            assert last.poison == [(b"bad", 3)]
            assert last.ended == [b"good"]
            assert queue.state().poisoned == 1

    run(test)


def test_of_work_started_twice_before_only_one_runs_at_a_time_so_that_the_innocent_are_not_blamed() -> None:
    async def test() -> None:
        async with world() as w:
            await w.send(b"a", b"b", b"c")
            for _ in range(2):
                desk = Desk()
                await w.work(desk, slots=3)
                await until(lambda desk=desk: len(desk.begun) == 3)  # type: ignore[misc]
                await w.kill()
            desk = Desk()

            await w.work(desk, slots=3)

            await until(lambda: desk.begun == [b"a"])
            assert w.start_counts() == {0: 3, 1: 2, 2: 2}
            desk.finish(b"a")
            await until(lambda: desk.begun == [b"a", b"b"])
            desk.finish(b"b", b"c")
            await until(lambda: w.committed().offset == 3)
            assert desk.poison == []

    run(test)


def test_an_error_is_told_and_then_committed() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            error = PermanentError("no")
            desk.failing = {b"a": error}
            await w.send(b"a", b"b")

            queue = await w.work(desk)

            await until(lambda: w.committed().offset == 2)
            assert desk.errors == [(b"a", error)]
            assert desk.ended == [b"b"]
            assert queue.state().failed == 1

    run(test)


def test_an_error_that_cannot_be_told_is_told_again_and_not_committed_before() -> None:

    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            desk.hook_failures = 3
            desk.failing = {b"a": RuntimeError("a defect")}
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: w.committed().offset == 1)
            assert [value for value, _ in desk.errors] == [b"a"]
            assert desk.hook_failures == 0

    run(test)


def test_something_cancelled_inside_a_handler_is_an_error_of_the_work() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            desk.failing = {b"a": asyncio.CancelledError()}  # type: ignore[dict-item]
            await w.send(b"a")

            await w.work(desk)

            await until(lambda: w.committed().offset == 1)
            assert [value for value, _ in desk.errors] == [b"a"]

    run(test)


def test_cancelled_work_ends_is_finished_and_not_reported_as_an_error() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"job1", b"job2", b"job1")
            queue = await w.work(desk)
            await until(lambda: desk.begun == [b"job1"] and queue.state().waiting == 1)

            cancelled = queue.cancel(lambda record: record.value == b"job1")

            await until(lambda: desk.begun == [b"job1", b"job2"])
            assert cancelled == 1
            assert desk.endings[b"job1"] is Ending.CANCELLED
            await until(lambda: w.committed().offset == 1)
            assert desk.errors == []

    run(test)


def test_waiting_work_that_is_cancelled_never_begins() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            queue = await w.work(desk, slots=2)
            await until(lambda: len(desk.begun) == 2 and queue.state().waiting == 1)

            cancelled = queue.cancel(lambda record: record.value == b"c")
            desk.finish(b"a", b"b")

            await until(lambda: w.committed().offset == 3)
            assert cancelled == 1
            assert sorted(desk.begun) == [b"a", b"b"]

    run(test)


def test_a_stop_lets_running_work_end_and_hands_over_what_waits() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b")
            queue = await w.work(desk)
            await until(lambda: desk.begun == [b"a"])

            stopping = asyncio.create_task(queue.stop(5))
            await asyncio.sleep(0)
            desk.finish(b"a")
            await stopping

            assert desk.ended == [b"a"]
            assert desk.begun == [b"a"]
            assert w.committed() == Committed(offset=1, metadata="1;s=;d=")

    run(test)


def test_work_cut_short_by_the_deadline_is_handed_over_without_a_start_counted() -> None:
    async def test() -> None:
        async with world() as w:
            first, second = Desk(), Desk()
            await w.send(b"a")
            queue = await w.work(first)
            await until(lambda: first.begun == [b"a"])

            await queue.stop(0)

            assert first.endings == {b"a": Ending.HANDED_OVER}
            assert w.start_counts() == {}
            second.open = True
            await w.work(second)
            await until(lambda: second.ended == [b"a"])
            assert second.starts == {b"a": 0}

    run(test)


def test_a_member_that_joins_takes_only_lost_partitions_work_with_it() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            first, second = Desk(), Desk()
            await w.send(b"p0", partition=0)
            await w.send(b"p1", partition=1)
            await w.work(first, slots=2)
            await until(lambda: len(first.begun) == 2)

            await w.work(second, slots=2)

            await until(lambda: len(second.begun) == 1)
            moved = second.begun[0]
            kept = b"p0" if moved == b"p1" else b"p1"
            await until(lambda: first.endings == {moved: Ending.LOST})
            assert second.starts == {moved: 0}
            first.finish(kept)
            second.finish(moved)
            await until(lambda: {w.committed(Partition(TOPIC, n)).offset for n in (0, 1)} == {1})
            assert first.begun.count(kept) == 1
            assert first.ended == [kept]

    run(test)


def test_kept_work_runs_once_through_many_rebalances_and_its_start_stays_counted_once() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c", partition=0)
            queue = await w.work(desk, slots=2)
            await until(lambda: len(desk.begun) == 2)

            for _ in range(11):
                await w.log.rebalance(GROUP)
                await until(lambda: queue.state().partitions == 2 and w.start_counts() == {0: 1, 1: 1})
            desk.finish(b"a", b"b", b"c")

            await until(lambda: w.committed().offset == 3)
            assert sorted(desk.begun) == [b"a", b"b", b"c"]

    run(test)


def test_what_another_member_finished_while_we_were_thought_dead_is_not_done_again() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c")
            await w.work(desk, slots=1)
            await until(lambda: desk.begun == [b"a"])
            desk.open = True

            w.log.committed[GROUP, P0] = Committed(offset=2)
            w.members[0].owned = frozenset()  # its session ran out: what it commits is refused
            await w.log.rebalance(GROUP)

            await until(lambda: w.committed().offset == 3)
            assert desk.ended == [b"c"]
            assert desk.endings[b"a"] is Ending.LOST

    run(test)


def test_the_log_being_out_for_a_while_stops_nothing_for_good() -> None:

    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            queue = await w.work(desk)
            w.log.down = True
            w.log.wake()
            for _ in range(20):
                await asyncio.sleep(0)
            w.log.down = False

            await w.send(b"a")

            await until(lambda: w.committed().offset == 1)
            assert queue.state().alive

    run(test)


def test_a_log_made_anew_under_its_name_is_read_from_its_new_start() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            desk.open = True
            await w.send(b"a", b"b")
            await w.work(desk)
            await until(lambda: w.committed().offset == 2)

            w.members[0].seek(P0, 0)  # what the client does when the broker says "out of range"

            await until(lambda: len(desk.ended) == 4)
            assert desk.ended == [b"a", b"b", b"a", b"b"]

    run(test)


def test_urgent_work_overtakes_what_waits() -> None:
    topics = {"bulk": Priority.BULK, "normal": Priority.NORMAL, "high": Priority.HIGH}

    async def test() -> None:
        async with world(dict.fromkeys(topics, 1)) as w:
            desk = Desk()
            for n in range(4):
                await w.send(b"bulk%d" % n, topic="bulk")
                await w.send(b"normal%d" % n, topic="normal")
            await w.work(desk, slots=2, topics=topics)
            await until(lambda: len(desk.begun) == 1)

            await w.send(b"high", topic="high")

            await until(lambda: len(desk.begun) == 2)
            assert desk.begun[1] == b"high"

    run(test)


def test_the_partitions_of_a_class_take_turns() -> None:
    async def test() -> None:
        async with world({TOPIC: 2}) as w:
            desk = Desk()
            desk.open = True
            await w.send(*(b"a%d" % n for n in range(6)), partition=0)
            await w.send(*(b"b%d" % n for n in range(6)), partition=1)

            await w.work(desk, slots=2)

            await until(lambda: len(desk.ended) == 12)
            first = [value[:1] for value in desk.ended[:6]]
            assert 2 <= first.count(b"a") <= 4

    run(test)


def test_no_more_waits_in_hand_than_there_are_slots() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(*(b"%d" % n for n in range(50)))

            queue = await w.work(desk, slots=3)

            await until(lambda: len(desk.begun) == 3)
            for _ in range(50):
                await asyncio.sleep(0)
            assert queue.state().waiting == 3

    run(test)


def test_a_queue_whose_topic_is_missing_does_not_start() -> None:
    async def test() -> None:
        async with world() as w:
            with pytest.raises(Exception, match="topic"):
                await w.work(Desk(), topics={"other": Priority.NORMAL})

    run(test)


def test_a_queue_that_is_made_smaller_ends_what_runs_and_begins_less() -> None:
    async def test() -> None:
        async with world() as w:
            desk = Desk()
            await w.send(b"a", b"b", b"c", b"d")
            queue = await w.work(desk, slots=3)
            await until(lambda: desk.begun == [b"a", b"b", b"c"])

            queue.resize(1)
            desk.finish(b"a", b"b")
            await until(lambda: len(desk.ended) == 2)
            assert queue.state().running == 1
            assert desk.begun == [b"a", b"b", b"c"]
            desk.finish(b"c")
            await until(lambda: desk.begun[-1] == b"d")
            queue.resize(2)
            await w.send(b"e")

            await until(lambda: desk.begun[-1] == b"e")
            assert queue.state().running == 2

    run(test)
