"""A worker on the in-process broker: takes commands, obeys controls, puts garbage aside, hands over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.slots import Priority
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_common.platform import Platform, worker_name
from cinelog_common.worker import Worker, WorkerSpec

NAMES = (topics.WORK_FETCH, topics.CONTROL, topics.EVENTS, topics.DEAD_LETTERS, topics.PROGRESS)


def a_fetch(job: str) -> FetchSource:
    return FetchSource(job=job, source=Source(url="https://a.example"), audio=AudioRecipe())


@asynccontextmanager
async def a_platform(folder: Path) -> AsyncIterator[Platform]:
    with EmbeddedBroker([(name, 1) for name in NAMES]) as broker:
        producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
        await producer.start()
        try:
            yield Platform(
                bootstrap=broker.bootstrap,
                epoch=1,
                producer=producer,
                objects=FakeObjectStore(),
                documents=FakeDocumentStore(COLLECTIONS),
                clock=SystemClock(),
                scratch=folder,
                worker=worker_name("test"),
                embedded=True,
                partitions=1,
            )
        finally:
            await producer.stop()


async def until(condition: Callable[[], bool], changed: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        while not condition():
            changed.clear()
            await changed.wait()


def test_commands_are_carried_out_as_controls_allow_and_garbage_is_put_aside(tmp_path: Path) -> None:
    done: list[str] = []
    letters: list[Record] = []
    changed = asyncio.Event()
    started = asyncio.Event()
    ended: list[str] = []

    async def carry_out(command: FetchSource) -> None:
        if command.job == "slow":
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append(command.job)
                changed.set()
                raise
        done.append(command.job)
        changed.set()

    async def letter(record: Record) -> None:
        letters.append(record)
        changed.set()

    async def work() -> None:
        async with a_platform(tmp_path) as platform:
            announcer = platform.announcer("test")

            async def control(job: str, state: str) -> None:
                value = msgspec.json.encode(Control(job=job, run=1, state=state))
                await platform.producer.send(topics.CONTROL, value, key=job.encode())

            reader = CompactedReader(
                ReaderSettings(bootstrap=platform.bootstrap, topics=(topics.DEAD_LETTERS,)), letter
            )
            spec = WorkerSpec(service="download", topics={topics.WORK_FETCH: Priority.NORMAL}, slots=2)
            worker = Worker(spec, {FetchSource: carry_out}, platform)
            await control("cancelled", "cancelled")
            for job in ("cancelled", "slow", "a"):
                await announcer.order(topics.WORK_FETCH, job.encode(), a_fetch(job))
            await platform.producer.send(topics.WORK_FETCH, b"garbage", key=b"x")
            await reader.start()
            await worker.start()
            try:
                assert worker.ready()
                async with asyncio.timeout(30):
                    await started.wait()
                await until(lambda: done == ["a"] and len(letters) == 1, changed)
                await control("slow", "cancelled")
                await until(lambda: ended == ["slow"], changed)
            finally:
                await worker.stop(5)
                await reader.stop()
            assert not worker.ready()

    asyncio.run(work())

    assert (done, ended) == (["a"], ["slow"])
    assert letters[0].value == b"garbage"
