"""What was acknowledged to somebody, kept until it has ended: the standalone mode's memory.

In production the log remembers. The in-process log dies with its process, so
submit, cancel and retry are written here before they are acknowledged, and how
a run is encoded before anything is: chosen anew it might be chosen otherwise,
and what is encoded and shown already would be of no use.
"""

from collections.abc import Callable
from typing import Any

import msgspec
from loguru import logger
from msgspec.structs import replace

from cinelog_common.collections import JOBS, JOURNAL
from cinelog_common.contract.events import Event, JobCancelRequested, JobRequested, JobRetried, RecipeChosen
from cinelog_common.contract.status import TERMINAL
from cinelog_common.contract.values import Value
from cinelog_common.documents.ports import Document, DocumentStore, Query

PAGE = 200


class Maker(Value, frozen=True, kw_only=True):
    """What encodes in this process for sure: a family of encoders, and which build of them."""

    family: str
    build: str


class Entry(Value, frozen=True, kw_only=True):
    """One job that somebody was promised."""

    request: JobRequested
    run: int = 1
    cancelled_run: int = 0
    choices: tuple[RecipeChosen, ...] = ()
    """How one run is encoded: of each step, what was chosen first, from the first step on."""
    maker: Maker | None = None
    """Who chose; of no other process it is sure that it can go on like that."""


class Journal:
    """Remembers promises in the document store; and choices, if they are those of a sure `maker`."""

    def __init__(self, documents: DocumentStore, maker: Maker | None = None) -> None:
        self._documents = documents
        self._maker = maker

    async def requested(self, request: JobRequested) -> JobRequested:
        """Remember `request`, or return the one that came first under the same job id."""
        if await self._documents.insert(JOURNAL.name, request.job, _body(Entry(request=request))):
            return request
        known = await self.entry(request.job)
        return known.request if known is not None else request

    async def cancelled(self, job: str, run: int) -> None:
        """Remember that this run is to be cancelled."""
        await self._change(job, lambda entry: replace(entry, cancelled_run=run))

    async def retried(self, job: str, run: int) -> None:
        """Remember that the job is to run again, as `run`."""
        await self._change(job, lambda entry: replace(entry, run=run))

    async def chosen(self, choice: RecipeChosen) -> None:
        """Remember how a run is encoded, if the job was promised to anybody.

        A device may be gone at the next start: what it was chosen for, and what follows that, is not
        remembered, but chosen anew.
        """
        maker = self._maker
        if maker is not None and choice.recipe.family == maker.family:
            await self._change(choice.job, lambda entry: _with_choice(entry, choice, maker))

    async def forget(self, job: str) -> None:
        """Drop a job that was deleted."""
        await self._documents.delete(JOURNAL.name, job)

    async def entry(self, job: str) -> Entry | None:
        """Return what is remembered of a job."""
        document = await self._documents.get(JOURNAL.name, job)
        return None if document is None else _entry(document)

    async def unfinished(self) -> list[tuple[Event, ...]]:
        """Return, for each job that was promised and has not ended, the events that ask for it again."""
        found, after = [], None
        while True:
            page = await self._documents.find(JOURNAL.name, Query(limit=PAGE, after=after))
            for document in page.documents:
                try:
                    entry = _entry(document)
                except msgspec.DecodeError as error:
                    # One promise that cannot be read must not keep the others from being kept.
                    logger.bind(action="journal.unreadable").error("{}: {}", document.id, error)
                    continue
                if not await self._has_ended(entry):
                    found.append(self.events_of(entry))
            after = page.next
            if after is None:
                # The oldest promise first: whoever waited longest goes on first.
                return found[::-1]

    def events_of(self, entry: Entry) -> tuple[Event, ...]:
        """Return the events that bring a new log to where the old one was when the promise was made."""
        job = entry.request.job
        events: list[Event] = [entry.request]
        if entry.run > 1:
            events.append(JobRetried(job=job, run=entry.run))
        if entry.maker == self._maker:
            events += [choice for choice in entry.choices if choice.run == entry.run]
        if entry.cancelled_run == entry.run:
            events.append(JobCancelRequested(job=job, run=entry.run))
        return tuple(events)

    async def _has_ended(self, entry: Entry) -> bool:
        status = await self._documents.get(JOBS.name, entry.request.job)
        return (
            status is not None
            and status.body.get("run", 1) >= entry.run
            and status.body.get("state") in TERMINAL
        )

    async def _change(self, job: str, change: Callable[[Entry], Entry]) -> None:
        """Change an entry; of two at the same time both take effect."""
        while (document := await self._documents.get(JOURNAL.name, job)) is not None:
            known = _entry(document)
            entry = change(known)
            if entry == known or await self._documents.update(
                JOURNAL.name, job, _body(entry), document.version
            ):
                return


def _with_choice(entry: Entry, choice: RecipeChosen, maker: Maker) -> Entry:
    known = [one for one in entry.choices if one.run == choice.run and entry.maker == maker]
    if choice.run < entry.run or choice.step != len(known):
        return entry
    return replace(entry, choices=(*known, choice), maker=maker)


def _body(entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(entry))
    return {**body, "requested_ms": entry.request.requested_ms}


def _entry(document: Document) -> Entry:
    return msgspec.json.decode(msgspec.json.encode(document.body), type=Entry)
