"""Follows one job over the log: its snapshots and its progress."""

import asyncio
from collections.abc import Callable

import msgspec
from cinelog_common.contract import topics
from cinelog_common.contract.status import TERMINAL, JobStatus, Progress
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.records import Record
from cinelog_common.platform import Platform

Look = Callable[[JobStatus | None, dict[str, Progress]], None]


class Watcher:
    """The latest that is known of one job."""

    def __init__(self, platform: Platform, job: str, look: Look) -> None:
        self._job = job
        self._look = look
        self._ended = asyncio.Event()
        self._run = 1
        self.status: JobStatus | None = None
        self.progress: dict[str, Progress] = {}
        self._reader = CompactedReader(
            ReaderSettings(bootstrap=platform.bootstrap, topics=(topics.STATUS, topics.PROGRESS)), self._take
        )

    async def start(self, run: int) -> None:
        """Begin to follow; an earlier run's end does not count."""
        self._run = run
        await self._reader.start()

    async def stop(self) -> None:
        """Stop following."""
        await self._reader.stop()

    async def ended(self) -> JobStatus:
        """Wait for the run's end and return its last snapshot."""
        await self._ended.wait()
        assert self.status is not None
        return self.status

    async def _take(self, record: Record) -> None:
        if record.key != self._job.encode() or record.value is None:
            return
        if record.topic == topics.STATUS:
            status = msgspec.json.decode(record.value, type=JobStatus)
            if self.status is None or status.version >= self.status.version:
                self.status = status
            if self.status.run >= self._run and self.status.state in TERMINAL:
                self._ended.set()
        else:
            progress = msgspec.json.decode(record.value, type=Progress)
            self.progress[progress.stage] = progress
        self._look(self.status, self.progress)
