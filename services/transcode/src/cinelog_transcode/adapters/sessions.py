"""A device's encoder behind the limit that its refusals teach.

Drivers allow so many open encoders and no more, of all programs together, and say so only by refusing to
open the next. A unit that is refused while others run waits here until one of them has ended, and is tried
again: no failure is told, so it costs the job no attempt. One that is refused alone has failed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from cinelog_common.clock import Clock
from loguru import logger

from cinelog_transcode.domain.sessions import SessionLimit
from cinelog_transcode.domain.tasks import EncodeTask, QualityReport, QualityTask, UnitReport
from cinelog_transcode.ports import OnProgress, QualityMeter, RefusedError, UnitEncoder

_Result = TypeVar("_Result")


class Sessions:
    """Lets units in as the limit allows, and learns from those that are refused."""

    def __init__(
        self, pool: str, limit: SessionLimit, clock: Clock, *, on_change: Callable[[int], None]
    ) -> None:
        """`on_change` is called with the number of units whenever the limit has changed."""
        self._pool = pool
        self._limit = limit
        self._clock = clock
        self._on_change = on_change
        self._told = limit.units
        self._warned = False
        self._running = 0
        self._freed = asyncio.Event()

    @property
    def units(self) -> int:
        """Units that may run at a time now; 1 at least."""
        return self._limit.units

    async def run(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do `work` once there is room for it, again and again while it is refused for want of a session.

        Raises:
            RefusedError: It was refused with nothing else of this worker running.
            CinelogError: As `work`.
        """
        was_refused = False
        while True:
            await self._enter()
            try:
                result = await work()
            except RefusedError as error:
                if not self._limit.refused(self._running - 1, self._clock.monotonic()):
                    raise
                was_refused = True
                logger.bind(action="device.refused").debug("{} The unit waits.", error.message)
            else:
                if was_refused and self._limit.passed(self._clock.monotonic()):
                    self._warn()
                return result
            finally:
                self._running -= 1
                self._freed.set()
                self._tell()

    async def _enter(self) -> None:
        if self._limit.grow(self._clock.monotonic()):
            self._tell()
        while self._running >= self._limit.units:
            self._freed.clear()
            await self._freed.wait()
        self._running += 1

    def _tell(self) -> None:
        if self._told != self._limit.units:
            self._told = self._limit.units
            self._on_change(self._told)

    def _warn(self) -> None:
        log = logger.bind(action="device.limited", pool=self._pool, units=self._limit.units)
        text = "The {} device takes {} at a time: it refused another one, which waited and then got through."
        log.log("DEBUG" if self._warned else "WARNING", text, self._pool, self._limit.units)
        self._warned = True


class LimitedEncoder:
    """Encodes units of a device, as many at a time as it takes."""

    def __init__(self, encoder: UnitEncoder, sessions: Sessions) -> None:
        self._encoder = encoder
        self._sessions = sessions

    async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
        """Encode a unit once there is room for it.

        Raises:
            CinelogError: As the encoder behind it.
        """
        return await self._sessions.run(lambda: self._encoder.encode(task, on_progress))


class LimitedMeter:
    """Measures qualities on a device: that opens encoders too."""

    def __init__(self, meter: QualityMeter, sessions: Sessions) -> None:
        self._meter = meter
        self._sessions = sessions

    async def measure(self, task: QualityTask) -> QualityReport:
        """Measure once there is room for it.

        Raises:
            CinelogError: As the meter behind it.
        """
        return await self._sessions.run(lambda: self._meter.measure(task))
