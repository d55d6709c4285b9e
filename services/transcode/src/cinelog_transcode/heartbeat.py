"""Tells the ledger, every few seconds, that this worker lives and what it can do."""

import asyncio
from collections.abc import Callable

from cinelog_common.contract.status import WorkerBeat
from cinelog_common.errors import TransientError
from loguru import logger

from cinelog_transcode.ports import Heartbeats

INTERVAL_S = 3.0


class Heartbeat:
    """Beats until it is stopped, then says that the worker is gone."""

    def __init__(
        self, heartbeats: Heartbeats, now: Callable[[], WorkerBeat], *, interval_s: float = INTERVAL_S
    ) -> None:
        """`now` returns the beat of this moment."""
        self._heartbeats = heartbeats
        self._now = now
        self._interval_s = interval_s
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Beat until `stop`; a log that does not answer is tried again at the next beat."""
        while not self._stopping.is_set():
            await self.beat()
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        try:
            await self._heartbeats.gone(self._now().worker)
        except TransientError as error:
            logger.bind(action="worker.unheard").warning("{}", error.message)

    async def beat(self) -> None:
        """Beat once, as well as the log can be told."""
        try:
            await self._heartbeats.beat(self._now())
        except TransientError as error:
            logger.bind(action="worker.unheard").warning("{}", error.message)

    def stop(self) -> None:
        """Let `run` say goodbye and return."""
        self._stopping.set()
