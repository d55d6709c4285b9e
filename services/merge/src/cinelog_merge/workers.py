"""Heartbeats: what this member tells of itself, and what all workers tell of the pools."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import topics
from cinelog_common.contract.status import WorkerBeat
from cinelog_common.errors import CinelogError
from cinelog_common.kafka.records import Record
from loguru import logger
from msgspec.structs import replace

from cinelog_merge.domain.pools import Pools, vendors, view
from cinelog_merge.ledger_ports import Log

BEAT_S = 5.0
"""Workers that are silent for three of these are not counted."""
_SILENCE_MS = int(3000 * BEAT_S)
ROLE = "ledger"
GOODBYE_S = 1.0
"""How long a goodbye may take; without one, this member is counted for three more beats."""


class WorkersView:
    """The latest heartbeat of each worker, and the pools they make up."""

    def __init__(self, clock: Clock, declared: Mapping[str, int]) -> None:
        self._clock = clock
        self._declared = dict(declared)
        self._beats: dict[str, WorkerBeat] = {}

    async def take(self, record: Record) -> None:
        """Take a record of `cinelog.workers` in; what is no heartbeat is ignored."""
        worker = (record.key or b"").decode(errors="replace")
        if not record.value:
            self._beats.pop(worker, None)
            return
        try:
            beat = msgspec.json.decode(record.value, type=WorkerBeat)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.bind(action="worker.unreadable").warning("{} is no heartbeat: {}", worker, error)
            return
        # The log's time: by a worker's own, one whose clock is fast would live on long after its death.
        at_ms = min(record.timestamp_ms, int(self._clock.now() * 1000))
        self._beats[worker] = replace(beat, at_ms=at_ms)

    def now(self) -> Pools:
        """Return the pools as they were last heard of; the silent are forgotten."""
        now_ms = int(self._clock.now() * 1000)
        oldest_ms = now_ms - _SILENCE_MS
        for worker in [worker for worker, beat in self._beats.items() if beat.at_ms < oldest_ms]:
            del self._beats[worker]
        return view(self._beats.values(), declared=self._declared, now_ms=now_ms, silence_ms=_SILENCE_MS)

    def vendors(self, codec: str) -> frozenset[str] | None:
        """Return the vendors that can encode `codec`, now or once woken; None while that is not known."""
        oldest_ms = int(self._clock.now() * 1000) - _SILENCE_MS
        return vendors(self._beats.values(), codec, declared=self._declared, oldest_ms=oldest_ms)


class Heartbeat:
    """Tells every few seconds how many jobs this member of the ledger has open."""

    def __init__(self, log: Log, clock: Clock, *, worker: str, active_jobs: Callable[[], int]) -> None:
        self._log = log
        self._clock = clock
        self._key = f"{ROLE}/{worker}".encode()
        self._active_jobs = active_jobs
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._task = asyncio.create_task(self._run(), name="ledger-heartbeat")

    async def stop(self) -> None:
        """Stop, and tell that this member is gone, as far as the log still takes it."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._send(None)

    async def beat(self) -> None:
        """Tell once."""
        beat = WorkerBeat(
            worker=self._key.decode(),
            role=ROLE,
            at_ms=int(self._clock.now() * 1000),
            active_jobs=self._active_jobs(),
        )
        await self._send(msgspec.json.encode(beat))

    async def _run(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_S)

    async def _send(self, value: bytes | None) -> None:
        try:
            await self._log.send(topics.WORKERS, value, key=self._key)
        except CinelogError as error:
            logger.bind(action="ledger.heartbeat").warning("{}", error.message)
