"""What was acknowledged to somebody, kept until it has ended: the standalone mode's memory.

In production the log remembers. The in-process log dies with its process, so
submit, cancel and retry are written here before they are acknowledged.
"""

from typing import Any

import msgspec

from cinelog_common.contract.events import Event, JobCancelRequested, JobRequested, JobRetried
from cinelog_common.contract.status import TERMINAL
from cinelog_common.contract.values import Value
from cinelog_common.documents.ports import DocumentStore

COLLECTION = "journal"
JOBS = "jobs"


class Entry(Value, frozen=True, kw_only=True):
    """One job that somebody was promised."""

    request: JobRequested
    run: int = 1
    cancelled_run: int = 0


class Journal:
    """Remembers promises in the document store."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def requested(self, request: JobRequested) -> JobRequested:
        """Remember `request`, or return the one that came first under the same job id."""
        entry = Entry(request=request)
        if await self._documents.insert(COLLECTION, request.job, msgspec.to_builtins(entry)):
            return request
        known = await self.entry(request.job)
        return known.request if known is not None else request

    async def cancelled(self, job: str, run: int) -> None:
        """Remember that this run is to be cancelled."""
        await self._change(job, cancelled_run=run)

    async def retried(self, job: str, run: int) -> None:
        """Remember that the job is to run again, as `run`."""
        await self._change(job, run=run)

    async def forget(self, job: str) -> None:
        """Drop a job that was deleted."""
        await self._documents.delete(COLLECTION, job)

    async def entry(self, job: str) -> Entry | None:
        """Return what is remembered of a job."""
        document = await self._documents.get(COLLECTION, job)
        return None if document is None else _decode(document)

    async def unfinished(self) -> list[tuple[Event, ...]]:
        """Return, for each job that was promised and has not ended, the events that ask for it again."""
        found = []
        async for document in self._documents.every(COLLECTION):
            entry = _decode(document)
            job = entry.request.job
            status = await self._documents.get(JOBS, job)
            if status is not None and status.get("run", 1) >= entry.run and status.get("state") in TERMINAL:
                continue
            found.append(events_of(entry))
        return found

    async def _change(self, job: str, **fields: int) -> None:
        known = await self.entry(job)
        if known is not None:
            entry = msgspec.structs.replace(known, **fields)
            await self._documents.replace(COLLECTION, job, msgspec.to_builtins(entry))


def events_of(entry: Entry) -> tuple[Event, ...]:
    """Return the events that bring a new log to where the old one was when the promise was made."""
    job = entry.request.job
    events: list[Event] = [entry.request]
    if entry.run > 1:
        events.append(JobRetried(job=job, run=entry.run))
    if entry.cancelled_run == entry.run:
        events.append(JobCancelRequested(job=job, run=entry.run))
    return tuple(events)


def _decode(document: dict[str, Any]) -> Entry:
    return msgspec.convert(document, Entry, strict=False)
