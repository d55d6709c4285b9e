"""Units and samples encoded in killable child processes.

The processes are kept warm between units, so that a device's driver is loaded once for many. Its context
is not kept: PyAV makes one for each codec context, and gives no way to hand one to another.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from cinelog_common.child_pool import ChildPool
from cinelog_common.children import Child, ChildOptions
from cinelog_common.errors import Category, CinelogError, TransientError

from cinelog_transcode.domain.tables import CODEC_ENV
from cinelog_transcode.domain.tasks import (
    EncodeTask,
    QualityReport,
    QualityTask,
    Report,
    TaskFailed,
    TaskProgress,
    UnitReport,
    decode_report,
)
from cinelog_transcode.ports import OnProgress, RefusedError

ENCODER = "cinelog_transcode.children.encoder"
QUALITY = "cinelog_transcode.children.quality"


class StalledError(TransientError):
    """A child stopped reporting; it was killed."""

    def __init__(self, silence_s: float) -> None:
        super().__init__(
            f"The encoder reported no progress for {silence_s:.0f} s and was ended.",
            category=Category.ENCODER_UNAVAILABLE,
            action="It is tried again; if it hangs each time, look at its driver, or set hardware to never.",
        )


class ChildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the children are kept."""

    size: int
    stall_s: float = 120.0
    idle_s: float = 30.0
    nice: int = 0


class ChildEncoder:
    """Hands each unit to a warm child; whatever a child does, it ends within the deadline."""

    def __init__(self, settings: ChildSettings, *, module: str = ENCODER) -> None:
        self._settings = settings
        self._pool = _pool(module, settings)

    async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
        """Encode a unit in a child of its own, which is killed if this is cancelled.

        Raises:
            CinelogError: As the child says.
            StalledError: It stopped reporting.
            ChildDiedError: It ended.
        """
        async with self._pool.child() as child:
            await child.send(msgspec.msgpack.encode(task))
            report = await _outcome(child, self._settings.stall_s, on_progress)
        if isinstance(report, TaskFailed):
            raise _error(report)
        assert isinstance(report, UnitReport)
        return report

    async def warm(self, count: int) -> None:
        """Start children before there is work for them."""
        await self._pool.warm(count)

    async def close(self) -> None:
        """End the warm children."""
        await self._pool.close()


class ChildQualityMeter:
    """Measures samples in a child."""

    def __init__(self, settings: ChildSettings, *, module: str = QUALITY) -> None:
        self._settings = settings
        self._pool = _pool(module, settings)

    async def measure(self, task: QualityTask) -> QualityReport:
        """Measure in a child of its own.

        Raises:
            CinelogError: As `ChildEncoder.encode`.
        """

        async def ignore(done: int, total: int) -> None: ...

        async with self._pool.child() as child:
            await child.send(msgspec.msgpack.encode(task))
            report = await _outcome(child, self._settings.stall_s, ignore)
        if isinstance(report, TaskFailed):
            raise _error(report)
        assert isinstance(report, QualityReport)
        return report

    async def close(self) -> None:
        """End the warm children."""
        await self._pool.close()


def _pool(module: str, settings: ChildSettings) -> ChildPool:
    options = ChildOptions(env=CODEC_ENV, nice=settings.nice)
    return ChildPool(module, size=settings.size, idle_s=settings.idle_s, options=options)


def _error(report: TaskFailed) -> CinelogError:
    # Commands only come here after their encoder's proof: what does not open now may open later. What
    # fails with a picture in hand is transient as it is, and says nothing about sessions.
    if report.category == Category.ENCODER_UNAVAILABLE and report.permanent:
        return RefusedError(report.message)
    return report.error()


async def _outcome(
    child: Child, stall_s: float, on_progress: Callable[[int, int], Awaitable[None]]
) -> Report:
    """Return the child's last report. What it raises makes the pool kill the child."""
    while True:
        try:
            async with asyncio.timeout(stall_s):
                report = decode_report(await child.receive())
        except TimeoutError as error:
            raise StalledError(stall_s) from error
        if not isinstance(report, TaskProgress):
            return report
        await on_progress(report.done, report.total)
