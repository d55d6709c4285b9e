"""Where promises are kept: in the journal, or, where the log outlives us, nowhere but there."""

from cinelog_common.contract.events import Event, JobRequested, JobRetried
from cinelog_common.journal import Journal


class JournalPromises:
    """The port `Promises` over the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def requested(self, request: JobRequested) -> JobRequested:
        """Write it down; the first one holds."""
        return await self._journal.requested(request)

    async def cancelled(self, job: str, run: int) -> None:
        """Write it down."""
        await self._journal.cancelled(job, run)

    async def retried(self, job: str, run: int) -> tuple[Event, ...]:
        """Write it down; this process's log may never have heard of the job, so its request goes first."""
        await self._journal.retried(job, run)
        entry = await self._journal.entry(job)
        return (JobRetried(job=job, run=run),) if entry is None else self._journal.events_of(entry)

    async def forgotten(self, job: str) -> None:
        """Take it out."""
        await self._journal.forget(job)


class LogPromises:
    """The port `Promises` where the log remembers."""

    async def requested(self, request: JobRequested) -> JobRequested:
        """Leave it to the ledger which request came first."""
        return request

    async def cancelled(self, job: str, run: int) -> None:
        """Leave it to the log."""

    async def retried(self, job: str, run: int) -> tuple[Event, ...]:
        """Leave it to the log."""
        return (JobRetried(job=job, run=run),)

    async def forgotten(self, job: str) -> None:
        """Leave it to the log."""
