"""The composition root: settings and platform in, the transcode service out."""

import asyncio
import shutil

from cinelog_common.contract.status import WorkerBeat
from cinelog_common.errors import TransientError
from cinelog_common.platform import Platform
from cinelog_common.worker import Worker
from loguru import logger

from cinelog_transcode.adapters.beats import LogHeartbeats
from cinelog_transcode.adapters.encoder import ChildEncoder, ChildQualityMeter, ChildSettings
from cinelog_transcode.adapters.machine import available_cores
from cinelog_transcode.adapters.proofs import ProofBook
from cinelog_transcode.adapters.proven import ProvenEncoder, ProvenMeter
from cinelog_transcode.adapters.scratch import sweep
from cinelog_transcode.adapters.sessions import LimitedEncoder, LimitedMeter, Sessions
from cinelog_transcode.adapters.units import ObjectUnitStore
from cinelog_transcode.agents import SERVICE, routes, worker_spec
from cinelog_transcode.domain.decoders import proven_decoders
from cinelog_transcode.domain.proof import Proof, told_proofs
from cinelog_transcode.domain.sessions import SessionLimit
from cinelog_transcode.domain.tables import tables_of_pool
from cinelog_transcode.handlers import Handlers, Limits, Workshop
from cinelog_transcode.heartbeat import Heartbeat
from cinelog_transcode.proofs import prove, prove_decoders
from cinelog_transcode.settings import Settings

_ABANDONED_S = 86_400.0
_OFFER_S = 8.0
"""So long the others wait for a worker that is not required, so that the first job finds its device."""


class TranscodeService:
    """Encodes units as long as it runs."""

    name = SERVICE

    def __init__(self, settings: Settings, platform: Platform) -> None:
        self._settings = settings
        self._platform = platform
        self._cores = settings.cores or available_cores()
        self._slots = settings.slots or self._cores
        self._scratch = platform.scratch / SERVICE / f"{platform.worker}.{settings.pool}"
        spec = worker_spec(settings.pool, self._slots)
        children = ChildSettings(
            size=spec.slots, stall_s=settings.stall_s, idle_s=settings.child_idle_s, nice=settings.nice
        )
        self._encoder = ChildEncoder(children)
        self._meter = ChildQualityMeter(children)
        self._sessions = Sessions(
            settings.pool, SessionLimit(spec.slots), platform.clock, on_change=self._resize
        )
        self._book = ProofBook(quiet=not settings.required)
        self._proofs: tuple[Proof, ...] = ()
        self._worker = Worker(spec, routes(self._handlers()), platform)
        self._working = False
        self._decoders: dict[str, str] = {}
        self._heart = Heartbeat(LogHeartbeats(platform.producer), self._beat, interval_s=settings.beat_s)
        self._tasks: list[asyncio.Task[None]] = []
        self._offering: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take work; encoders are proven meanwhile, and commands wait for the proof of theirs.

        A worker that is not required does the one after the other, and only if an encoder works.

        Raises:
            TransientError: No broker answers, or a topic is missing.
        """
        scratch, own = self._scratch.parent, f"{self._platform.worker}."
        await asyncio.to_thread(sweep, scratch, before=self._abandoned(), keep=own)
        try:
            await (self._take_work() if self._settings.required else self._offer())
        except BaseException:
            await self._end_offering()
            await self._end_tasks()
            raise

    async def stop(self, deadline_s: float) -> None:
        """Take nothing more; units that are not finished within the deadline go to other workers."""
        self._heart.stop()
        await self._end_offering()
        if self._working:
            await self._worker.stop(deadline_s)
        await self._end_tasks(grace_s=min(2.0, deadline_s))
        await self._encoder.close()
        await self._meter.close()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    def ready(self) -> bool:
        """Whether work is taken, and at least one encoder works; always, if the worker is not required."""
        if not self._settings.required:
            return True
        return self._worker.ready() and self._useful()

    def _useful(self) -> bool:
        return any(proof.usable for proof in self._proofs)

    async def _take_work(self) -> None:
        self._tasks.append(asyncio.create_task(self._prepare(), name="transcode.proofs"))
        await self._worker.start()
        self._working = True
        self._tasks.append(asyncio.create_task(self._live(), name="transcode.heartbeat"))

    async def _offer(self) -> None:
        """Take work once an encoder has worked; return after the first heartbeat, or when that takes long."""
        self._offering = asyncio.create_task(self._prove_and_work(), name="transcode.offer")
        done, _ = await asyncio.wait([self._offering], timeout=_OFFER_S)
        for task in done:
            task.result()

    async def _prove_and_work(self) -> None:
        await self._book.fill(prove(tables_of_pool(self._settings.pool)))
        self._proofs = await self._book.all()
        if not self._useful():
            log = logger.bind(action="worker.useless")
            log.debug("The pool {} is not offered: none of its encoders works.", self._settings.pool)
            return
        try:
            await self._worker.start()
        except TransientError as error:
            log = logger.bind(action="worker.unheard")
            log.warning("The pool {} is not offered: {}", self._settings.pool, error.message)
            return
        self._working = True
        await self._heart.beat()
        self._tasks.append(asyncio.create_task(self._heart.run(), name="transcode.heartbeat"))
        if self._settings.warm:
            await self._encoder.warm(self._slots)
        await self._learn_decoders()

    async def _learn_decoders(self) -> None:
        # Last of all: until it is known what a device decodes, the processor does.
        if not self._settings.device_decoding:
            return
        proofs = await prove_decoders(self._settings.pool)
        for proof in proofs:
            log = logger.bind(action="decoder.proven" if proof.usable else "decoder.unusable")
            log.debug("{} on {}: {}", proof.codec, proof.device, proof.reason or "decodes every bit")
        self._decoders = proven_decoders(proofs)

    def _resize(self, units: int) -> None:
        self._worker.resize(units)

    async def _prepare(self) -> None:
        await self._book.fill(prove(tables_of_pool(self._settings.pool)))
        if self._settings.warm:
            await self._encoder.warm(self._slots)
        if any(proof.usable for proof in await self._book.all()):
            await self._learn_decoders()

    def _handlers(self) -> Handlers:
        settings, platform = self._settings, self._platform
        # The processor refuses no session: there a refusal is about what was asked for.
        limited = settings.pool != "cpu"
        encoder = LimitedEncoder(self._encoder, self._sessions) if limited else self._encoder
        meter = LimitedMeter(self._meter, self._sessions) if limited else self._meter
        return Handlers(
            Workshop(
                units=ObjectUnitStore(platform.objects),
                encoder=ProvenEncoder(encoder, self._book),
                meter=ProvenMeter(meter, self._book),
                proofs=self._book,
                announcer=platform.announcer(SERVICE),
                clock=platform.clock,
                scratch=self._scratch,
                worker=platform.worker,
                limits=Limits(
                    cores=self._cores,
                    slots=self._slots,
                    max_pixels=settings.max_pixels,
                    thumbnail_every_s=settings.thumbnail_every_s,
                    thumbnail_width=settings.thumbnail_width,
                ),
                decoders=lambda: self._decoders,
                in_hand=self._in_hand,
            )
        )

    def _abandoned(self) -> float:
        # Beside an embedded platform nobody else works; elsewhere a unit takes hours at the very most.
        now = self._platform.clock.now()
        return now if self._platform.embedded else now - _ABANDONED_S

    def _in_hand(self) -> int:
        state = self._worker.state()
        return state.running + state.waiting

    async def _live(self) -> None:
        # Before the proofs are made there is nothing to tell that the ledger could count on.
        self._proofs = await self._book.all()
        if not self._useful():
            log = logger.bind(action="worker.useless")
            log.error("No encoder of the pool {} works here; see `cinelog doctor`.", self._settings.pool)
        await self._heart.run()

    def _beat(self) -> WorkerBeat:
        return WorkerBeat(
            # One process may serve several pools.
            worker=f"{self._platform.worker}.{self._settings.pool}",
            role=SERVICE,
            at_ms=round(self._platform.clock.now() * 1000),
            pool=self._settings.pool,
            slots=min(self._slots, self._sessions.units) if self._useful() else 0,
            busy=self._worker.state().running,
            encoders=told_proofs(self._proofs),
        )

    async def _end_offering(self) -> None:
        # A proof that is still being made is for nobody now.
        if self._offering is not None:
            self._offering.cancel()
            await asyncio.gather(self._offering, return_exceptions=True)

    async def _end_tasks(self, *, grace_s: float = 0.0) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


def build(settings: Settings, platform: Platform) -> TranscodeService:
    """Return the service, not yet started."""
    return TranscodeService(settings, platform)
