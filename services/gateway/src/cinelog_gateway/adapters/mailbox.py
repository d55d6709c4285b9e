"""The latest news for one reader: bounded whatever the reader does, because the new replaces the old."""

import asyncio

from cinelog_common.contract.status import JobStatus, Progress

STAGES = 16
"""Kinds of progress kept for one reader; there are four."""


class Mailbox:
    """Holds what its reader has not taken yet: one snapshot, and one message per stage."""

    def __init__(self) -> None:
        self._status: JobStatus | None = None
        self._progress: dict[str, Progress] = {}
        self._filled = asyncio.Event()

    def put(self, news: JobStatus | Progress) -> None:
        """Leave news, in place of what it makes old."""
        if isinstance(news, JobStatus):
            self._status = news
        elif news.stage in self._progress or len(self._progress) < STAGES:
            self._progress[news.stage] = news
        self._filled.set()

    async def take(self) -> tuple[JobStatus | Progress, ...]:
        """Wait until there is something new and return it, the snapshot first."""
        await self._filled.wait()
        self._filled.clear()
        status, progress = self._status, tuple(self._progress.values())
        self._status = None
        self._progress.clear()
        return (status, *progress) if status is not None else progress
