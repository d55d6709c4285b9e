"""The snapshots in `cinelog.jobs.status`: every change of state at once, the rest four times a second.

One long job would push the others' snapshots out of a log that keeps little.
What is held back is sent when its time has come, by the feed's own task, so that
the last snapshot always follows. Snapshots of one job are never reordered: a
compacted log keeps the last one written, not the newest.
"""

import asyncio
from collections.abc import Callable

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import topics
from cinelog_common.contract.status import TERMINAL
from cinelog_common.errors import CinelogError
from loguru import logger

from cinelog_merge.domain.snapshots import snapshot, state_of
from cinelog_merge.domain.state import LedgerState
from cinelog_merge.ledger_ports import Log

INTERVAL_S = 0.25
"""At most four snapshots per second and job that tell of nothing but progress."""
RETRY_S = 1.0
REMEMBERED = 10_000
"""Jobs whose last snapshot is remembered; one that was forgotten is sent once more than needed."""


Face = tuple[int, str, bool]
"""What must be told at once when it changes: the run, the state, whether it can be watched."""


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    face: Face
    at_s: float


class StatusFeed:
    """Publishes snapshots.

    Args:
        log: Where to.
        clock: Tells when the next one of a job may follow.
        generation: Tells whether partitions may have changed hands: what was held back is then the new
            owner's to tell.
    """

    def __init__(self, log: Log, clock: Clock, generation: Callable[[], int]) -> None:
        self._log = log
        self._clock = clock
        self._generation = generation
        self._last: dict[str, _Sent] = {}
        self._held: dict[str, tuple[int, LedgerState]] = {}
        self._holding = asyncio.Event()
        self._order = asyncio.Lock()
        self._trailing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send what is held back."""
        self._trailing = asyncio.create_task(self._trail(), name="status-feed")

    async def stop(self) -> None:
        """End; what is held back is left to the next owner."""
        if self._trailing is not None:
            self._trailing.cancel()
            await asyncio.wait([self._trailing])

    async def offer(self, state: LedgerState) -> None:
        """Publish the snapshot of a state now, or hold it back; return when the log has it, or it is held.

        Raises:
            TransientError: The log does not take it now; offer it again.
            PermanentError: It is too large.
        """
        async with self._order:
            last = self._last.get(state.job)
            soon = last is not None and self._clock.monotonic() - last.at_s < INTERVAL_S
            if last is not None and soon and last.face == _face(state):
                self._held[state.job] = (self._generation(), state)
                self._holding.set()
                return
            await self._publish(state)

    async def flush(self) -> None:
        """Publish what was held back and may follow now.

        Raises:
            TransientError: The log does not take it now; the rest stays held back.
        """
        async with self._order:
            now = self._clock.monotonic()
            for job, (generation, state) in list(self._held.items()):
                last = self._last.get(job)
                if generation != self._generation():
                    del self._held[job]
                elif last is None or now - last.at_s >= INTERVAL_S:
                    await self._publish(state)

    async def _publish(self, state: LedgerState) -> None:
        job, face = state.job, _face(state)
        await self._log.send(topics.STATUS, msgspec.json.encode(snapshot(state)), key=job.encode())
        self._held.pop(job, None)
        self._last.pop(job, None)
        if face[1] not in TERMINAL:
            self._last[job] = _Sent(face=face, at_s=self._clock.monotonic())
        while len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]

    async def _trail(self) -> None:
        while True:
            await self._holding.wait()
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.flush()
            except CinelogError as error:
                logger.bind(action="status.held").warning("{}", error.message)
                await asyncio.sleep(RETRY_S)
            except Exception as error:  # noqa: BLE001 - the edge: without it no last snapshot ever follows
                logger.opt(exception=error).bind(action="status.defect").error("A snapshot was not sent")
                await asyncio.sleep(RETRY_S)
            if not self._held:
                self._holding.clear()


def _face(state: LedgerState) -> Face:
    return (state.run, state_of(state), state.current.extended.version > 0)
