"""Asks a standalone node for a job: a new one, the rest of an interrupted one, or a failed one again."""

from pathlib import Path

import msgspec
from cinelog_common.collections import JOBS
from cinelog_common.contract import keys
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.requests import body_fingerprint
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.contract.values import Options, Source
from cinelog_common.documents.ports import Document
from cinelog_common.journal import Entry

from cinelog.standalone import Standalone


class Submitted:
    """A job that was written into the journal, ready to be announced."""

    def __init__(self, node: Standalone, entry: Entry, already: JobStatus | None) -> None:
        self._node = node
        self._entry = entry
        self.already = already
        """The finished job, if nothing is left to do."""

    @property
    def run(self) -> int:
        """The run that is asked for."""
        return self._entry.run

    async def announce(self) -> None:
        """Put the request into the log."""
        announcer = self._node.platform.announcer("run")
        for event in self._node.journal.events_of(self._entry):
            await announcer.announce(event)

    async def sweep(self) -> None:
        """Remove what the finished job no longer needs; the manifest stays and says that it is done."""
        objects = self._node.platform.objects
        job, run = self._entry.request.job, self.run
        for earlier in range(1, run):
            await objects.delete_prefix(keys.run_prefix(job, earlier))
        manifest = keys.manifest(job, run)
        kept = await objects.get(manifest)
        await objects.delete_prefix(keys.run_prefix(job, run))
        await objects.create(manifest, kept)


async def submit(node: Standalone, job: str, source: Source, options: Options) -> Submitted:
    """Write the request down and find out what is left to do for it."""
    clock = node.platform.clock
    request = JobRequested(
        job=job,
        source=source,
        options=options,
        requested_ms=int(clock.now() * 1000),
        fingerprint=body_fingerprint(source, options),
    )
    await node.journal.requested(request)
    entry = await node.journal.entry(job)
    assert entry is not None
    status = _status(await node.platform.documents.get(JOBS.name, job))
    if status is None or status.run < entry.run:
        return Submitted(node, entry, None)
    if status.state == JobState.COMPLETED and _still_there(status, source):
        return Submitted(node, entry, status)
    if status.state in {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED}:
        await node.journal.retried(job, status.run + 1)
        return Submitted(node, msgspec.structs.replace(entry, run=status.run + 1), None)
    return Submitted(node, entry, None)


def _status(document: Document | None) -> JobStatus | None:
    """Return the snapshot in a document; None if there is none that this version can read."""
    if document is None:
        return None
    try:
        return msgspec.convert(document.body, JobStatus)
    except msgspec.ValidationError:
        return None


def _still_there(status: JobStatus, source: Source) -> bool:
    """Whether every file of the result is as it was written, and the source is no newer."""
    paths = [Path(output.path) for output in status.outputs if output.path]
    if not paths or not all(path.exists() for path in paths):
        return False
    if "://" in source.url:
        return True
    original = Path(source.url)
    return not original.exists() or original.stat().st_mtime * 1000 <= status.created_ms
