"""The jobs as the log tells them (`jobs.status`, `progress`), with the documents behind for what is older."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
from cinelog_common.collections import JOBS
from cinelog_common.contract import topics
from cinelog_common.contract.status import TERMINAL, JobState, JobStatus, Progress
from cinelog_common.documents.checking import page as cut_page
from cinelog_common.documents.checking import place as mark_of
from cinelog_common.documents.ports import FIRST, Document, DocumentStore, Query
from cinelog_common.kafka.compacted import ReaderSettings, Take
from cinelog_common.kafka.records import Record

from cinelog_gateway.adapters.mailbox import STAGES, Mailbox
from cinelog_gateway.domain.board import Board, is_gone, public
from cinelog_gateway.domain.paging import JobPage, JobQuery, Mark, mark, merged

_PROGRESS_JOBS = 1024
"""Jobs of which the latest progress is kept for whoever begins to watch."""
_STORED_PAGE = 100


class Reader(Protocol):
    """Follows topics; as `cinelog_common.kafka.compacted.CompactedReader`."""

    @property
    def ready(self) -> bool:
        """Whether everything that lay in the topics at the start has been taken in."""

    async def start(self) -> None:
        """Connect and begin to read."""

    async def stop(self) -> None:
        """Stop reading and disconnect."""


ReaderMaker = Callable[[ReaderSettings, Take], Reader]


class LogJobs:
    """The port `Jobs` over the log and the documents."""

    def __init__(
        self, bootstrap: str, documents: DocumentStore, *, capacity: int, reader: ReaderMaker
    ) -> None:
        self._documents = documents
        self._board = Board(capacity)
        self._progress: OrderedDict[str, dict[str, Progress]] = OrderedDict()
        self._mailboxes: dict[str, set[Mailbox]] = {}
        self._snapshots = reader(
            ReaderSettings(bootstrap=bootstrap, topics=(topics.STATUS,), client_id="gateway-status"),
            self._take_status,
        )
        # What was told of progress before now is old; the snapshots say where a job is.
        self._ticks = reader(
            ReaderSettings(
                bootstrap=bootstrap, topics=(topics.PROGRESS,), from_end=True, client_id="gateway-progress"
            ),
            self._take_progress,
        )

    @property
    def ready(self) -> bool:
        """Whether everything that lay in the log at the start is known."""
        return self._snapshots.ready

    @property
    def watched(self) -> int:
        """How many readers follow a job."""
        return sum(len(boxes) for boxes in self._mailboxes.values())

    @property
    def held(self) -> int:
        """How many snapshots are in memory."""
        return len(self._board)

    async def start(self) -> None:
        """Begin to follow the log.

        Raises:
            TransientError: No broker answers, or a topic is missing.
        """
        await self._snapshots.start()
        try:
            await self._ticks.start()
        except BaseException:
            await self._snapshots.stop()
            raise

    async def stop(self) -> None:
        """Stop following."""
        await self._ticks.stop()
        await self._snapshots.stop()

    async def find(self, job: str) -> JobStatus | None:
        """Look into memory, then into the documents."""
        held = self._board.get(job)
        if held is None:
            document = await self._documents.get(JOBS.name, job)
            # The log may have told of it meanwhile.
            held = self._board.get(job) or (None if document is None else _status(document))
        return None if held is None or is_gone(held) else held

    async def page(self, query: JobQuery) -> JobPage:
        """Merge what is in memory with as many pages of documents as that takes."""
        before: Mark | None = None if query.after is None else mark_of(query.after)
        where: dict[str, str | int] = {} if query.state is None else {"state": query.state}
        stored: list[JobStatus] = []
        after = query.after
        while True:
            page = await self._documents.find(
                JOBS.name, Query(where=where, limit=max(query.limit, _STORED_PAGE), after=after)
            )
            stored.extend(map(_status, page.documents))
            after = page.next
            down_to = None if after is None else mark_of(after)
            found = merged(self._board, stored, query, before=before, down_to=down_to)
            if after is None or len(found) >= query.limit:
                break
        shown = found[: query.limit]
        more = len(found) > query.limit or after is not None
        return JobPage(jobs=tuple(shown), next=_cursor(shown[-1]) if shown and more else None)

    @contextmanager
    def follow(self, job: str) -> Iterator[Mailbox]:
        """Give a mailbox that the readers fill."""
        mailbox = Mailbox()
        held = self._board.get(job)
        if held is not None:
            mailbox.put(held)
        for progress in self._progress.get(job, {}).values():
            mailbox.put(progress)
        boxes = self._mailboxes.setdefault(job, set())
        boxes.add(mailbox)
        try:
            yield mailbox
        finally:
            boxes.discard(mailbox)
            if not boxes and self._mailboxes.get(job) is boxes:
                del self._mailboxes[job]

    def accept(self, status: JobStatus) -> None:
        """Show it unless the ledger was quicker."""
        if self._board.get(status.job) is None:
            self._board.put(status)

    async def _take_status(self, record: Record) -> None:
        if record.value is None:
            self._forget((record.key or b"").decode("utf-8", "replace"))
            return
        status = public(msgspec.json.decode(record.value, type=JobStatus))
        if not self._board.put(status):
            return
        if status.state in TERMINAL:
            self._progress.pop(status.job, None)
        self._tell(status.job, status)

    async def _take_progress(self, record: Record) -> None:
        if record.value is None:
            return
        progress = msgspec.json.decode(record.value, type=Progress)
        held = self._board.get(progress.job)
        if held is not None and (progress.run < held.run or held.state in TERMINAL):
            return
        stages = self._progress.setdefault(progress.job, {})
        self._progress.move_to_end(progress.job)
        if progress.stage in stages or len(stages) < STAGES:
            stages[progress.stage] = progress
        if len(self._progress) > _PROGRESS_JOBS:
            self._progress.popitem(last=False)
        self._tell(progress.job, progress)

    def _forget(self, job: str) -> None:
        self._progress.pop(job, None)
        held = self._board.remove(job)
        if held is not None:
            self._tell(job, msgspec.structs.replace(held, state=JobState.DELETED))

    def _tell(self, job: str, news: JobStatus | Progress) -> None:
        for mailbox in self._mailboxes.get(job, ()):
            mailbox.put(news)


def _status(document: Document) -> JobStatus:
    body = {name: value for name, value in document.body.items() if name not in {"ledger", "version"}}
    return public(msgspec.convert({**body, "version": document.version}, JobStatus, strict=False))


def _cursor(status: JobStatus) -> str | None:
    """Return the cursor behind a job, in the documents' own form, so that either side goes on from it."""
    document = Document(id=status.job, version=FIRST, body={JOBS.order_by: mark(status)[0]})
    return cut_page(JOBS, [document, document], 1).next
