"""Following one job over the log: its snapshots, its progress, its end."""

import asyncio
from pathlib import Path

import msgspec
from cinelog.watching import Watcher
from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.contract.status import JobStatus, Progress
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_common.platform import Platform


def a_status(state: str, offset: int, *, run: int = 1, job: str = "j") -> JobStatus:
    return JobStatus(job=job, run=run, state=state, version=(1, offset))


def test_only_the_wanted_runs_end_ends_the_watching(tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def look(status: JobStatus | None, progress: dict[str, Progress]) -> None:
        if status is not None:
            seen.append((status.state, len(progress)))

    async def work() -> JobStatus:
        with EmbeddedBroker([(topics.STATUS, 1), (topics.PROGRESS, 1)]) as broker:
            producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
            await producer.start()
            platform = Platform(
                bootstrap=broker.bootstrap,
                epoch=1,
                producer=producer,
                objects=FakeObjectStore(),
                documents=FakeDocumentStore(COLLECTIONS),
                clock=SystemClock(),
                scratch=tmp_path,
                worker="w",
                embedded=True,
                partitions=1,
            )

            async def tell(status: JobStatus) -> None:
                await producer.send(topics.STATUS, msgspec.json.encode(status), key=status.job.encode())

            watcher = Watcher(platform, "j", look)
            await tell(a_status("failed", 1))
            await watcher.start(2)
            try:
                progress = Progress(job="j", run=2, stage="fetch", done=1, total=2, unit="bytes", at_ms=0)
                await producer.send(topics.PROGRESS, msgspec.json.encode(progress), key=b"j")
                await tell(a_status("completed", 9, job="other"))
                await tell(a_status("encoding", 3, run=2))
                await tell(a_status("fetching", 2, run=2))
                await tell(a_status("completed", 4, run=2))
                async with asyncio.timeout(30):
                    return await watcher.ended()
            finally:
                await watcher.stop()
                await producer.stop()

    status = asyncio.run(work())

    assert (status.run, status.state) == (2, "completed")
    assert next(state for state, _ in seen if state != "failed") == "encoding"
    assert "fetching" not in {state for state, _ in seen}
