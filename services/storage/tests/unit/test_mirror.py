"""The mirror of status: any order, any repetition, garbage and deletions."""

import asyncio
import itertools

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.collections import COLLECTIONS, JOBS
from cinelog_common.contract import topics
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.contract.values import Output
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.errors import CinelogError
from cinelog_common.kafka.dead_letters import DeadLetters
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_storage.agents import Mirror, document_of
from hypothesis import given
from hypothesis import strategies as st


class World:
    def __init__(self) -> None:
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.objects = FakeObjectStore()
        self.log = FakeLog({topics.DEAD_LETTERS: 1})
        self.mirror = Mirror(
            self.documents, self.objects, DeadLetters(FakeProducer(self.log), clock=ManualClock())
        )
        self._offsets = itertools.count()

    def take(self, value: bytes | None, key: bytes = b"job") -> None:
        record = Record(
            topic=topics.STATUS,
            partition=0,
            offset=next(self._offsets),
            key=key,
            value=value,
            headers=(),
            timestamp_ms=0,
        )

        async def work() -> None:
            try:
                await self.mirror.handle(record)
            except (CinelogError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                await self.mirror.on_error(record, error)

        asyncio.run(work())

    def job(self, job: str = "job") -> dict[str, object]:
        document = asyncio.run(self.documents.get(JOBS.name, job))
        return document.body if document is not None else {}


def a_status(offset: int = 1, state: str = JobState.ENCODING, job: str = "job", epoch: int = 1) -> JobStatus:
    return JobStatus(job=job, run=1, state=state, version=(epoch, offset), created_ms=5, title=f"at {offset}")


def encoded(status: JobStatus) -> bytes:
    return msgspec.json.encode(status)


@given(
    st.permutations([(1, 1), (1, 2), (1, 9), (2, 1), (2, 3)]).flatmap(
        lambda order: st.lists(st.sampled_from(order), min_size=1).map(lambda more: [*order, *more])
    )
)
def test_in_any_order_and_repetition_the_newest_snapshot_stays(versions: list[tuple[int, int]]) -> None:
    world = World()

    for epoch, offset in versions:
        world.take(encoded(a_status(offset, epoch=epoch)))

    assert world.job()["version"] == [2, 3]


def test_what_readers_see_leaves_the_ledgers_own_state_out_and_comes_back_whole() -> None:
    status = msgspec.structs.replace(
        a_status(), ledger=msgspec.Raw(b'{"secret": 1}'), outputs=(Output(kind="mp4", key="k"),)
    )

    document = document_of(status)

    assert "ledger" not in document
    assert "secret" not in str(document)
    back = msgspec.convert(document, JobStatus)
    assert back.outputs == status.outputs
    assert (document["account"], document["created_ms"]) == ("local", 5)


def test_a_job_that_says_nothing_of_itself_can_still_be_sorted_and_found() -> None:
    document = document_of(JobStatus(job="job", run=1, state="queued", version=(1, 0)))

    assert (document["created_ms"], document["account"]) == (0, "local")


def test_a_deleted_job_loses_its_objects_and_no_late_snapshot_brings_it_back() -> None:
    world = World()
    for key in ("jobs/job/1/output/video.mp4", "jobs/job2/1/output/video.mp4"):
        asyncio.run(world.objects.create(key, b"film"))
    world.take(encoded(a_status(1)))

    world.take(encoded(a_status(2, JobState.DELETED)))
    world.take(encoded(a_status(1)))

    assert world.job()["state"] == "deleted"
    assert set(world.objects.objects) == {"jobs/job2/1/output/video.mp4"}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"job": 1, "run": 1, "state": "x", "version": [1, 1]}',
        b'{"job": "a", "run": 1, "state": "deleted", "version": [1]}',
        b'{"job": "../../..", "run": 1, "state": "deleted", "version": [1, 1]}',
        b'{"job": "", "run": 1, "state": "deleted", "version": [1, 1]}',
        b'{"job": "a", "run": 1, "state": "x", "version": [1, 99999999999999999999999]}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_put_aside_and_the_next_snapshot_is_stored(value: bytes) -> None:
    world = World()

    world.take(value)
    world.take(encoded(a_status(3)))

    assert world.job()["title"] == "at 3"
    (letter,) = world.log.records(topics.DEAD_LETTERS)
    assert letter.value == value


def test_a_state_that_is_not_known_yet_is_mirrored() -> None:
    world = World()

    world.take(encoded(a_status(1, "dreaming")))

    assert world.job()["state"] == "dreaming"


def test_a_compaction_mark_says_nothing() -> None:
    world = World()

    world.take(None)

    assert world.log.records(topics.DEAD_LETTERS) == []
