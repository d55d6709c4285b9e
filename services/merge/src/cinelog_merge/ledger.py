"""The ledger as one part of the merge service: its stream, its clockwork, and the door for requests."""

import asyncio
from collections.abc import Awaitable, Callable

from cinelog_common.announcer import Announcer
from cinelog_common.contract import topics
from cinelog_common.contract.values import Value
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.kafka.admin import LogOffsets
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.consumer import EventConsumer
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.records import Record
from cinelog_common.platform import Platform
from loguru import logger

from cinelog_merge.adapters.faust_app import FaustLedger, FaustSettings
from cinelog_merge.admission import GROUP, Admission
from cinelog_merge.agents import SERVICE, LedgerBody, Reach
from cinelog_merge.ledger_ports import JobTable, Rebuild
from cinelog_merge.reconciler import Pace, Reconciler, Surroundings
from cinelog_merge.roster import Roster
from cinelog_merge.status_feed import StatusFeed
from cinelog_merge.workers import Heartbeat, WorkersView

RESTART_S = (0.5, 15.0)
"""First and longest wait before the stream is started again, and between looks for missing topics."""
TOPICS_S = 3.0
"""How long a look for the topics may take."""


class LedgerOptions(Value, frozen=True, kw_only=True):
    """What a deployment may choose.

    Attributes:
        account: Whose jobs the requests on `cinelog.jobs.requested` are.
        session_s: Silence after which another member takes over.
        heartbeat_s: A third of the session at most.
    """

    account: str = "local"
    session_s: float = 15.0
    heartbeat_s: float = 3.0


class Ledger:
    """Decides the state of the jobs in its partitions, from start to stop.

    A broken stream is started again for as long as it takes. Only a fact that this version does not know
    ends it: then `failure` says so, and it is never ready again.
    """

    name = "ledger"

    def __init__(
        self,
        platform: Platform,
        options: LedgerOptions | None = None,
        *,
        rebuild: Rebuild | None = None,
        groups: Callable[[str], str] = topics.group_of,
    ) -> None:
        options = options or LedgerOptions()
        log, clock = platform.producer, platform.clock
        self.failure: PermanentError | None = None
        self.missing = ""
        """What the ledger waits for before it can begin; empty if nothing."""
        self._faust = FaustSettings(
            bootstrap=platform.bootstrap,
            folder=platform.scratch / "ledger",
            session_s=options.session_s,
            heartbeat_s=options.heartbeat_s,
        )
        self._stream = FaustLedger(self._faust, log, self._take)
        self._roster = Roster()
        self._offsets = LogOffsets(platform.bootstrap)
        self._workers = WorkersView(clock, platform.pools)
        self._feed = StatusFeed(log, clock, lambda: self._stream.generation)
        self._body = LedgerBody(
            Reach(
                log=log,
                table=self._stream,
                pools=self._workers,
                clock=clock,
                feed=self._feed,
                roster=self._roster,
                epoch=platform.epoch,
                rebuild=rebuild,
            )
        )
        self._reconciler = Reconciler(
            Surroundings(
                announcer=Announcer(log, service=SERVICE, clock=clock),
                table=self._stream,
                offsets=self._offsets,
                clock=clock,
                roster=self._roster,
                group_of=groups,
            ),
            Pace(heartbeat_s=options.heartbeat_s),
        )
        self._heartbeat = Heartbeat(
            log, clock, worker=platform.worker, active_jobs=lambda: len(self._roster) if self.ready() else 0
        )
        self._reader = CompactedReader(
            ReaderSettings(bootstrap=platform.bootstrap, topics=(topics.WORKERS,), client_id="ledger"),
            self._workers.take,
        )
        admission = Admission(log, clock, account=options.account)
        self._admission = EventConsumer(
            GroupSettings(
                bootstrap=platform.bootstrap,
                group=GROUP,
                topics=(topics.REQUESTED,),
                client_id=f"admission-{platform.worker}",
                session_s=options.session_s,
                heartbeat_s=options.heartbeat_s,
            ),
            admission.handle,
            on_error=admission.refuse,
        )
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; returns at once. `ready` tells when jobs are decided."""
        self._running = asyncio.create_task(self._run(), name="ledger-supervisor")

    async def stop(self, deadline_s: float) -> None:
        """Finish the event in hand, commit, and leave, within the deadline and a little more."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.wait([self._running])
        await asyncio.gather(
            self._reconciler.stop(), self._heartbeat.stop(), self._admission.stop(min(2.0, deadline_s))
        )
        await self._stream.stop()
        await asyncio.gather(self._feed.stop(), self._reader.stop(), self._offsets.stop())

    @property
    def table(self) -> JobTable:
        """The states of this member's jobs, to look at."""
        return self._stream

    def ready(self) -> bool:
        """Whether partitions are owned and their jobs are decided."""
        return self._stream.ready and self._admission.alive and self.failure is None

    async def _take(self, record: Record) -> None:
        await self._body(record)

    async def _run(self) -> None:
        await self._until_done(self._find_topics)
        self._feed.start()
        self._heartbeat.start()
        self._reconciler.start()
        doors = [
            asyncio.create_task(self._until_done(start))
            for start in (self._reader.start, self._admission.start)
        ]
        try:
            await self._keep_running()
        finally:
            for door in doors:
                door.cancel()
            await asyncio.wait(doors)

    async def _keep_running(self) -> None:
        delay_s, longest_s = RESTART_S
        while True:
            await self._stream.start()
            try:
                await self._stream.broken()
            except TransientError as error:
                logger.bind(action="ledger.restarting").warning("Again in {} s: {}", delay_s, error.message)
            except PermanentError as error:
                self.failure = error
                logger.bind(action="ledger.stopped").error("{} {}", error.message, error.action)
                await self._stream.stop()
                return
            await self._stream.stop()
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, longest_s)

    async def _find_topics(self) -> None:
        await self._offsets.start()
        try:
            async with asyncio.timeout(TOPICS_S):
                ends = await self._offsets.end_offsets([self._faust.events, self._faust.changelog])
        except BaseException as error:
            await self._offsets.stop()
            if isinstance(error, TimeoutError):
                raise _missing(self._faust) from error
            raise
        counts = [
            sum(partition.topic == name for partition in ends)
            for name in (self._faust.events, self._faust.changelog)
        ]
        if counts[0] != counts[1]:
            await self._offsets.stop()
            raise _unequal(self._faust, counts)

    async def _until_done(self, attempt: Callable[[], Awaitable[None]]) -> None:
        delay_s, longest_s = RESTART_S
        while True:
            try:
                await attempt()
            except TransientError as error:
                self.missing = error.message
                logger.bind(action="ledger.waiting").warning("{} {}", error.message, error.action)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, longest_s)
            else:
                self.missing = ""
                return


def _missing(settings: FaustSettings) -> TransientError:
    return TransientError(
        f"The topics {settings.events} and {settings.changelog} are not there.",
        category=Category.DEPENDENCY,
        action="Create them with `cinelog topics apply`.",
    )


def _unequal(settings: FaustSettings, counts: list[int]) -> TransientError:
    return TransientError(
        f"{settings.events} has {counts[0]} partitions and {settings.changelog} has {counts[1]}.",
        category=Category.DEPENDENCY,
        action="Give both the same number: a job's state lies in the partition of its events.",
    )
