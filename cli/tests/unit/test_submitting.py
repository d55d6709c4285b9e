"""Asking for a job: new, unfinished, finished, changed, failed."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from cinelog.standalone import Standalone
from cinelog.submitting import Submitted, submit
from cinelog_common.clock import ManualClock
from cinelog_common.collections import COLLECTIONS, JOBS
from cinelog_common.contract import keys, topics
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import JobRequested, JobRetried
from cinelog_common.contract.values import Options, Source
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.journal import Journal
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_common.platform import Platform

JOB = "j"
NOW_MS = 1_700_000_000_000


class FakeNode:
    """What a standalone node gives to those who submit."""

    def __init__(self, folder: Path) -> None:
        self.log = FakeLog({topics.EVENTS: 1})
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.objects = FakeObjectStore()
        self.journal = Journal(self.documents)
        producer: Any = FakeProducer(self.log)
        self.platform = Platform(
            bootstrap="",
            epoch=1,
            producer=producer,
            objects=self.objects,
            documents=self.documents,
            clock=ManualClock(),
            scratch=folder,
            worker="w",
            embedded=True,
            partitions=1,
        )
        self.film = folder / "film.mp4"
        self.made = folder / "made.mp4"
        for path in (self.film, self.made):
            path.touch()

    async def submit(self, url: str | None = None) -> Submitted:
        return await submit(cast("Standalone", self), JOB, Source(url=url or str(self.film)), Options())

    async def mirror(self, state: str, run: int = 1, **fields: Any) -> None:
        body = {
            "job": JOB,
            "run": run,
            "state": state,
            "version": [1, run],
            "account": "local",
            "created_ms": NOW_MS * 2,
            "outputs": [{"kind": "mp4", "key": "k", "path": str(self.made)}],
        }
        await self.documents.put(JOBS.name, JOB, body | fields, (1, run))

    def told(self) -> list[object]:
        return [open_event(record.headers, record.value) for record in self.log.records(topics.EVENTS)]


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def test_a_new_job_is_written_down_before_it_is_asked_for(node: FakeNode) -> None:
    async def work() -> Submitted:
        submitted = await node.submit()
        assert await node.journal.entry(JOB) is not None
        assert node.told() == []
        await submitted.announce()
        return submitted

    submitted = asyncio.run(work())

    assert (submitted.run, submitted.already) == (1, None)
    assert [type(event) for event in node.told()] == [JobRequested]


@pytest.mark.parametrize("state", ["queued", "encoding", "publishing"])
def test_an_interrupted_job_goes_on_in_its_run(node: FakeNode, state: str) -> None:
    async def work() -> Submitted:
        await node.submit()
        await node.mirror(state)
        return await node.submit()

    submitted = asyncio.run(work())

    assert (submitted.run, submitted.already) == (1, None)


def test_a_job_that_is_done_is_not_done_again(node: FakeNode) -> None:
    async def work() -> Submitted:
        await node.submit()
        await node.mirror("completed")
        return await node.submit()

    submitted = asyncio.run(work())

    assert submitted.already is not None
    assert submitted.already.state == "completed"


def test_a_result_that_somebody_removed_is_made_again(node: FakeNode) -> None:
    async def work() -> Submitted:
        await node.submit()
        await node.mirror("completed")
        node.made.unlink()
        submitted = await node.submit()
        await submitted.announce()
        return submitted

    submitted = asyncio.run(work())

    assert (submitted.run, submitted.already) == (2, None)
    assert node.told()[1] == JobRetried(job=JOB, run=2)


def test_a_source_that_changed_since_is_made_again(node: FakeNode) -> None:
    async def work() -> Submitted:
        await node.submit()
        await node.mirror("completed", created_ms=1)
        return await node.submit()

    assert asyncio.run(work()).run == 2


def test_a_source_on_the_web_or_gone_is_taken_as_unchanged(node: FakeNode) -> None:
    async def work(url: str | None) -> Submitted:
        await node.submit(url)
        await node.mirror("completed", created_ms=1)
        return await node.submit(url)

    web = asyncio.run(work("https://example.org/film.mp4"))
    node.film.unlink()
    gone = asyncio.run(work(None))

    assert web.already is not None
    assert gone.already is not None


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_job_that_failed_is_tried_again_as_its_next_run(node: FakeNode, state: str) -> None:
    async def work() -> list[int]:
        runs = [(await node.submit()).run]
        for run in (1, 2):
            await node.mirror(state, run)
            runs.append((await node.submit()).run)
            runs.append((await node.submit()).run)
        return runs

    assert asyncio.run(work()) == [1, 2, 2, 3, 3]


def test_a_snapshot_of_another_version_is_taken_for_none(node: FakeNode) -> None:
    async def work() -> Submitted:
        await node.documents.put(
            JOBS.name, JOB, {"job": JOB, "created_ms": 0, "state": ["odd"], "account": "local"}, (1, 1)
        )
        return await node.submit()

    assert asyncio.run(work()).already is None


def test_what_a_finished_job_no_longer_needs_is_swept_and_its_manifest_stays(node: FakeNode) -> None:
    async def work() -> None:
        submitted = await node.submit()
        manifest = keys.manifest(JOB, 1)
        await node.objects.create(manifest, b"{}")
        await node.objects.create(keys.plan(JOB, 1), b"{}")
        await submitted.sweep()
        await submitted.sweep()

    asyncio.run(work())

    assert set(node.objects.objects) == {keys.manifest(JOB, 1)}
