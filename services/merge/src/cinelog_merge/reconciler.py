"""Time as an event: tells the ledger that a job's moment has come, or that its commands are lost.

It decides nothing and writes nothing but `JobTicked`. It looks only at jobs whose
partitions this member owns, and waits one heartbeat after each recovery: before
that, another member may not know yet that they went elsewhere.

A command is lost if its group has committed past it, or the log has dropped it,
and its outcome still has not come after a while. What is merely queued is not
lost, however long it waits: lag must not breed lag.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import msgspec
from cinelog_common.announcer import Announcer
from cinelog_common.clock import Clock
from cinelog_common.contract.events import JobTicked
from cinelog_common.errors import CinelogError
from cinelog_common.kafka.records import Partition
from loguru import logger

from cinelog_merge.domain.state import InFlight
from cinelog_merge.ledger_ports import JobTable, Offsets
from cinelog_merge.roster import OpenJob, Roster


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often it looks, and how patient it is; all in seconds.

    Attributes:
        look_s: Between two looks at the jobs.
        heartbeat_s: How long after a recovery it begins.
        offsets_s: Between two questions where the groups stand.
        grace_s: How long an outcome may take to come once its command was committed past.
        again_s: Before a moment that was told is told again, because nothing came of it.
    """

    look_s: float = 1.0
    heartbeat_s: float = 3.0
    offsets_s: float = 5.0
    grace_s: float = 10.0
    again_s: float = 5.0


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the reconciler looks at and writes to.

    Attributes:
        group_of: Names the group that works on a topic.
    """

    announcer: Announcer
    table: JobTable
    offsets: Offsets
    clock: Clock
    roster: Roster
    group_of: Callable[[str], str]


class Reconciler:
    """Looks at the open jobs, again and again."""

    def __init__(self, surroundings: Surroundings, pace: Pace | None = None) -> None:
        self._around = surroundings
        self._pace = pace or Pace()
        self._generation: int | None = None
        self._since_s = 0.0
        self._asked_s = float("-inf")
        self._passed_s: dict[str, float] = {}
        self._told_s: dict[tuple[str, int], float] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="reconciler")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._pace.look_s)
            try:
                await self.look()
            except CinelogError as error:
                logger.bind(action="reconciler.retried").warning("{}", error.message)
            except Exception as error:  # noqa: BLE001 - the edge: without it no failed work is ever repeated
                logger.opt(exception=error).bind(action="reconciler.defect").error("A look failed")

    async def look(self) -> None:
        """Look once.

        Raises:
            TransientError: The log does not answer; look again.
        """
        table, now_s = self._around.table, self._around.clock.monotonic()
        if not table.ready:
            self._generation = None
            return
        if table.generation != self._generation:
            await self._begin(table.generation)
            return
        if now_s - self._since_s < self._pace.heartbeat_s:
            return
        # First, as the question below may wait long: one topic that is gone must hold up nobody's moment.
        for job in self._around.roster:
            if self._is_due(job, now_s):
                await self._tick(job, ())
        lost = await self._lost(now_s)
        for job in self._around.roster:
            if gone := lost.get(job.job):
                await self._tick(job, gone)

    async def _begin(self, generation: int) -> None:
        self._passed_s.clear()
        self._told_s.clear()
        await self._around.roster.reset(self._around.table.owned())
        self._generation = generation
        self._since_s = self._around.clock.monotonic()

    def _is_due(self, job: OpenJob, now_s: float) -> bool:
        if job.due_ms is None or self._around.clock.now() * 1000 < job.due_ms:
            return False
        told_s = self._told_s.get((job.job, job.due_ms))
        if told_s is not None and now_s - told_s < self._pace.again_s:
            return False
        self._told_s = {key: at for key, at in self._told_s.items() if now_s - at < self._pace.again_s}
        self._told_s[job.job, job.due_ms] = now_s
        return True

    async def _lost(self, now_s: float) -> dict[str, tuple[str, ...]]:
        """Return, by job, the ids of commands that are lost by now."""
        flights = [flight for job in self._around.roster for flight in job.in_flight]
        if not flights or now_s - self._asked_s < self._pace.offsets_s:
            return {}
        self._asked_s = now_s
        reached = await self._reached({flight.topic for flight in flights})
        passed = {flight.command_id for flight in flights if _is_passed(flight, reached)}
        self._passed_s = {command: self._passed_s.get(command, now_s) for command in passed}
        late = {command for command, at in self._passed_s.items() if now_s - at >= self._pace.grace_s}
        return {
            job.job: gone
            for job in self._around.roster
            if (gone := tuple(f.command_id for f in job.in_flight if f.command_id in late))
        }

    async def _reached(self, names: Iterable[str]) -> dict[Partition, int]:
        """Return the offset of each partition below which no command will be worked on any more."""
        wanted = sorted(names)
        reached = dict(await self._around.offsets.log_starts(wanted))
        for group in sorted({self._around.group_of(name) for name in wanted}):
            worked_on = [name for name in wanted if self._around.group_of(name) == group]
            _raise(reached, await self._around.offsets.committed(group, worked_on))
        return reached

    async def _tick(self, job: OpenJob, lost: tuple[str, ...]) -> None:
        now = self._around.clock.now()
        ticked = JobTicked(job=job.job, run=job.run, tick=int(now * 1000), lost=lost)
        if lost:
            logger.bind(action="command.lost", job_id=job.job).warning("{} commands are lost", len(lost))
        await self._around.announcer.announce(ticked)


def _is_passed(flight: InFlight, reached: Mapping[Partition, int]) -> bool:
    return flight.offset < reached.get(Partition(flight.topic, flight.partition), 0)


def _raise(reached: dict[Partition, int], committed: Mapping[Partition, int]) -> None:
    for partition, offset in committed.items():
        reached[partition] = max(offset, reached.get(partition, 0))
