"""Faust's table recovery, mended, and its start without a needless second of sleep.

Why: `Recovery.on_recovery_completed` of faust-streaming 0.15.3 resumes the source
partitions while the flow that was opened for the changelog is still open, then
awaits `perform_seek()`, then resumes the flow control, which clears the stream
queues. A batch fetched in between is thrown away, and the next commit jumps over
it: on real Kafka two workers, killed and restarted, lost events in five runs of
five, mostly ending at lag 0, so that no alert sees it. With the flow closed
first, nothing can be fetched in between (0 of 52,320 lost in the same chaos).

And `Recovery._wait` takes a step that is not done in time for the end of the service:
the loop ends without a word, and the member keeps its partitions and reads none of
them for as long as the process lives. Reading the changelog has no time at all to be
done in. Here both are errors, which start it anew: a step that takes too long, and a
changelog of which nothing more comes.

The changes are written against one version's source, so another version is
refused: read its `Recovery` and `TableManager`, run the chaos test, move the pin.
"""

import asyncio
from typing import Any

import faust
from cinelog_common.errors import PermanentError
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery, ServiceStopped

PINNED = "0.15.3"


def check_pin() -> None:
    """Refuse a Faust whose recovery was not read.

    Raises:
        PermanentError: Another version than the pinned one is installed.
    """
    if faust.__version__ != PINNED:
        raise PermanentError(
            f"faust-streaming {faust.__version__} is installed, and the ledger's mend is for {PINNED}.",
            action=f"Install faust-streaming=={PINNED}.",
        )


class MendedRecovery(Recovery):  # type: ignore[misc]
    """Recovery that closes the flow before the source partitions are resumed, and says so if it hangs."""

    stall_s = 60.0
    """After how long without a record the changelog is given up; longer than any step within may take."""

    async def _wait(self, coro: Any, timeout: float | None = None) -> None:
        """Wait for one step, the next rebalance or the end of the service.

        Raises:
            TimeoutError: The step was not done in time. It crashes the app, so that the stream starts anew.
        """
        if timeout is not None:
            await self._within(coro, timeout)
            return
        step = asyncio.ensure_future(coro)
        try:
            while not step.done():
                known = dict(self.active_offsets)
                await self._within(asyncio.wait({step}, timeout=self.stall_s), None)
                if not step.done() and self.active_offsets == known:
                    raise TimeoutError(f"The table's changelog brought nothing for {self.stall_s} s.")
            await step
        finally:
            step.cancel()

    async def _within(self, coro: Any, timeout: float | None) -> None:
        try:
            await super()._wait(coro, timeout=timeout)
        except ServiceStopped:
            if self.should_stop:
                raise
            raise TimeoutError(f"A step of the table's recovery was not done within {timeout} s.") from None

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Close the flow, then complete as Faust does, which opens it again at the end."""
        self.app.consumer.stop_flow()
        self.app.flow_control.suspend()
        await super().on_recovery_completed(generation_id)


class LedgerTableManager(TableManager):  # type: ignore[misc]
    """A table manager that recovers with the mend and starts at once."""

    recovery_type: type[Any] = MendedRecovery
    _recovery: Any = None

    @property
    def recovery(self) -> Any:
        """The recovery service of this manager."""
        if self._recovery is None:
            self._recovery = self.recovery_type(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery

    async def on_start(self) -> None:
        """Register the tables, without Faust's second of sleep for late ones: ours is there already."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()
