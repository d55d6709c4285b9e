"""Long work from a log: a consumer group that never stops polling, and slots that do the work.

Order of effects: the start is counted in the commit's metadata, the handler works, its effect is durable,
the offset is finished, the contiguous watermark is committed. So sudden death repeats work and never loses
any, and work that ends its process again and again is known by its count.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec
from loguru import logger

from cinelog_common.errors import CinelogError, TransientError
from cinelog_common.kafka.commits import Commits
from cinelog_common.kafka.group import KafkaMember
from cinelog_common.kafka.hand import Hand
from cinelog_common.kafka.membership import GroupSettings, Member
from cinelog_common.kafka.rebalance import Assignments
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.kafka.work import Ending, Handler, Hooks, Work

POLL_S = 5.0
BROKER_RETRY_S = 1.0
PARTING_TRIES = 30
PARTING_S = 1.0
PARTING_PAUSE_S = 0.1
HOOK_RETRY_S = (0.5, 30.0)


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a queue works.

    Attributes:
        topics: The class of work each topic holds; all must exist.
        slots: How many records are worked on at a time; as many wait in hand per partition.
        starts_limit: Starts without an end after which a record is poison.
    """

    bootstrap: str
    group: str
    topics: Mapping[str, Priority]
    slots: int = 1
    starts_limit: int = 3
    client_id: str = "cinelog"
    session_s: float = 15.0
    heartbeat_s: float = 3.0

    def membership(self) -> GroupSettings:
        """Return the place in the group that this queue needs."""
        return GroupSettings(
            bootstrap=self.bootstrap,
            group=self.group,
            topics=tuple(self.topics),
            client_id=self.client_id,
            session_s=self.session_s,
            heartbeat_s=self.heartbeat_s,
        )


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue is doing.

    Attributes:
        alive: Whether it polls and commits.
        partitions: Partitions owned and opened.
        running: Records in the hands of handlers.
        waiting: Records in hand that wait for a slot.
        finished: Records finished since the start, whatever their outcome.
        failed: Of these, those whose handler raised.
        poisoned: Of these, those that were put aside.
    """

    alive: bool
    partitions: int
    running: int
    waiting: int
    finished: int
    failed: int
    poisoned: int


class WorkQueue:
    """Runs a handler for every record of its topics, `slots` at a time, at least once each."""

    def __init__(
        self, settings: QueueSettings, handler: Handler, *, hooks: Hooks, member: Member | None = None
    ) -> None:
        self._handler = handler
        self._hooks = hooks
        self._member: Member = member or KafkaMember(settings.membership())
        self._hand = Hand(settings.topics, slots=settings.slots, starts_limit=settings.starts_limit)
        self._commits = Commits(self._member, self._hand.lanes)
        self._assignments = Assignments(self._member, self._hand, self._commits, self._advance)
        self._stopping = False
        self._counts: Counter[str] = Counter()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Join the group and begin to work.

        Raises:
            TransientError: No broker answers, or a topic does not exist yet.
        """
        try:
            await self._member.start(self._assignments)
        except BaseException:
            await self._assignments.stop()
            raise
        self._loops = [asyncio.create_task(self._poll()), asyncio.create_task(self._commits.run())]

    async def stop(self, deadline_s: float) -> None:
        """Take nothing more, let running work end within the deadline, hand the rest over, and leave.

        Work that is cut short at the deadline is delivered to another member, without a start counted.
        """
        self._stopping = True
        self._member.pause(list(self._hand.lanes))
        if tasks := [work.task for work in self._hand.works if work.task is not None]:
            await asyncio.wait(tasks, timeout=deadline_s)
        for work in self._hand.works:
            work.end(Ending.HANDED_OVER)
        if tasks := [work.task for work in self._hand.works if work.task is not None]:
            await asyncio.wait(tasks)
        for _ in range(PARTING_TRIES):
            if not self._loops or await self._commits.part(PARTING_S):
                break
            await asyncio.sleep(PARTING_PAUSE_S)
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        await self._assignments.stop()
        await self._member.stop()
        self._hand.lanes.clear()

    def cancel(self, predicate: Callable[[Record], bool]) -> int:
        """Cancel the work, running or waiting in hand, of the records that match; return how many.

        Their offsets are finished. What is still in the log is not seen: the handler must ask for itself
        before it begins.
        """
        running, waiting = self._hand.cancel(predicate)
        self._counts["finished"] += waiting
        self._commits.touch()
        self._advance()
        return running + waiting

    def resize(self, slots: int) -> None:
        """Work on `slots` records at a time from now on; what runs beyond them is left to end."""
        self._hand.resize(slots)
        self._advance()

    def state(self) -> QueueState:
        """Return what the queue is doing now."""
        lanes = self._hand.lanes.values()
        return QueueState(
            alive=bool(self._loops) and not any(loop.done() for loop in self._loops),
            partitions=sum(lane.ready for lane in lanes),
            running=len(self._hand.works),
            waiting=sum(len(lane.waiting) for lane in lanes),
            finished=self._counts["finished"],
            failed=self._counts["failed"],
            poisoned=self._counts["poisoned"],
        )

    async def _poll(self) -> None:
        """Poll for ever, with all partitions paused too: polling is what keeps the membership."""
        while True:
            try:
                records = await self._member.poll(limit=self._hand.room(), timeout_s=POLL_S)
            except CinelogError as error:
                logger.bind(action="queue.polling").warning("{}", error.message)
                await asyncio.sleep(BROKER_RETRY_S)
                continue
            for record in records:
                if not self._hand.deliver(record):
                    self._commits.touch()
            if records:
                self._advance()

    def _advance(self) -> None:
        """Fill the free slots, and let in as much as may wait."""
        if self._stopping:
            return
        while (work := self._hand.begin()) is not None:
            work.task = asyncio.create_task(self._attempt(work))
            # Not at the end of the task's own body: one that is cancelled before its first step has none.
            work.task.add_done_callback(partial(self._ended, work))
        self._member.pause(self._hand.full())
        self._member.resume(self._hand.hungry())

    def _ended(self, work: Work, task: "asyncio.Task[bool]") -> None:
        """Take note of the end of a work, whatever it was."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.bind(action="queue.defect").opt(exception=error).error("A work failed beside its handler")
        finished = not task.cancelled() and error is None and task.result()
        self._hand.works.discard(work)
        if finished or work.lease.cancelled:
            work.lane.finish(work.record.offset)
            self._counts["finished"] += 1
        else:
            work.lane.hand_over(work.record.offset)
        self._commits.touch()
        if finished or work.lease.ending is not None:
            self._advance()

    async def _attempt(self, work: Work) -> bool:
        """Work on one record; return whether it is finished: done, failed with an outcome, or put aside."""
        lane, record, lease = work.lane, work.record, work.lease
        if lease.starts >= self._hand.starts_limit:
            await self._insist(lambda: self._hooks.on_poison(record, lease.starts))
            self._counts["poisoned"] += 1
            return True
        await self._commits.reached(lane, lane.start(record.offset))
        try:
            await self._handler(record, lease)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: something inside the handler was, and that is a failure like others.
            failure: Exception = TransientError("The work was cancelled from inside.")
        except Exception as error:  # noqa: BLE001 - the edge: whatever a handler raises becomes an outcome
            failure = error
        else:
            return True
        if lease.ending is not None:
            return False
        self._counts["failed"] += 1
        await self._insist(lambda: self._hooks.on_error(record, failure))
        return True

    async def _insist(self, hook: Callable[[], Awaitable[None]]) -> None:
        """Call a hook until it succeeds: an outcome that cannot be told now must not be lost."""
        delay_s, longest_s = HOOK_RETRY_S
        while True:
            try:
                await hook()
            except Exception as error:  # noqa: BLE001 - the edge: the record stays in hand until it works
                logger.bind(action="queue.hook").error("A hook failed, again in {} s: {!r}", delay_s, error)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, longest_s)
            else:
                return
