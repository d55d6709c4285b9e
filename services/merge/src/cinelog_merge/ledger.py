"""The ledger as one part of the merge service: its stream, its clockwork, and the door for requests."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress

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

from cinelog_merge.adapters.faust_app import FaustLedger
from cinelog_merge.adapters.faust_client import FaustSettings
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
WORKERS_S = 5.0
"""How long to listen for workers before the first decision."""


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
        self._clock = clock
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
                choices=platform.journal,
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
        self._admission = self._door(platform, options)
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
        await self._stream.stop(deadline_s)
        await asyncio.gather(self._feed.stop(), self._reader.stop(), self._offsets.stop())

    @property
    def table(self) -> JobTable:
        """The states of this member's jobs, to look at."""
        return self._stream

    def ready(self) -> bool:
        """Whether partitions are owned and their jobs are decided."""
        supervised = self._running is not None and not self._running.done()
        return supervised and self._stream.ready and self._admission.alive and self.failure is None

    async def _take(self, record: Record) -> None:
        await self._body(record)

    def _door(self, platform: Platform, options: LedgerOptions) -> EventConsumer:
        """Return what lets the requests of other systems in."""
        admission = Admission(
            platform.producer,
            platform.clock,
            account=options.account,
            epoch=platform.epoch,
            vendors=self._vendors,
        )
        return EventConsumer(
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

    def _vendors(self, codec: str) -> frozenset[str] | None:
        return self._workers.vendors(codec) if self._reader.ready else None

    async def _run(self) -> None:
        await self._until_done(self._find_topics)
        self._feed.start()
        self._heartbeat.start()
        self._reconciler.start()
        door = asyncio.create_task(self._until_done(self._admission.start), name="ledger-door")
        try:
            await self._see_workers()
            await self._keep_running()
        finally:
            door.cancel()
            await asyncio.wait([door])

    async def _see_workers(self) -> None:
        # Who decides without having heard of the pools takes a processor where there is a GPU.
        await self._until_done(self._reader.start)
        with suppress(TimeoutError):
            async with asyncio.timeout(WORKERS_S):
                await self._reader.wait_ready()

    async def _keep_running(self) -> None:
        first_s, longest_s = RESTART_S
        delay_s = first_s
        while self.failure is None:
            began_s = self._clock.monotonic()
            try:
                await self._stream.start()
                await self._stream.broken()
            except TransientError as error:
                logger.bind(action="ledger.restarting").warning("Again in {} s: {}", delay_s, error.message)
            except PermanentError as error:
                self.failure = error
                logger.bind(action="ledger.stopped").error("{} {}", error.message, error.action)
            await self._stream.stop()
            if self._clock.monotonic() - began_s > 4 * longest_s:
                delay_s = first_s
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, longest_s)

    async def _find_topics(self) -> None:
        events, changelog = self._faust.events, self._faust.changelog
        needed = (events, changelog, topics.REQUESTED, topics.WORKERS)
        await self._offsets.start()
        try:
            async with asyncio.timeout(TOPICS_S):
                ends = await self._offsets.end_offsets(needed)
            counts = Counter(partition.topic for partition in ends)
            if counts[events] != counts[changelog]:
                raise _unequal(self._faust, counts)
        except TimeoutError as error:
            await self._offsets.stop()
            raise _missing(needed) from error
        except TransientError:
            await self._offsets.stop()
            raise

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


def _missing(needed: Iterable[str]) -> TransientError:
    return TransientError(
        f"Not all of the topics {', '.join(needed)} are there.",
        category=Category.DEPENDENCY,
        action="Create them with `cinelog topics apply`.",
    )


def _unequal(settings: FaustSettings, counts: Mapping[str, int]) -> TransientError:
    events, changelog = settings.events, settings.changelog
    return TransientError(
        f"{events} has {counts[events]} partitions and {changelog} has {counts[changelog]}.",
        category=Category.DEPENDENCY,
        action="Give both the same number: a job's state lies in the partition of its events.",
    )
