"""Commits what changed, one request at a time, until it is accepted."""

import asyncio
from collections.abc import Mapping

from loguru import logger

from cinelog_common.errors import CinelogError
from cinelog_common.kafka.lanes import Lane
from cinelog_common.kafka.membership import Member
from cinelog_common.kafka.records import Partition

RETRY_S = 0.2
"""Commits fail while the group rebalances, which takes a heartbeat or so."""


class Commits:
    """The commits of one member.

    Changes that come while a request is on its way share the next one. A refused commit keeps its place and
    is tried again, with what is true by then, as long as the partition is ours.
    """

    def __init__(self, member: Member, lanes: Mapping[Partition, Lane]) -> None:
        self._member = member
        self._lanes = lanes
        self._changed = asyncio.Event()
        self._progress = asyncio.Condition()
        self._held = False
        self._request: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Say that some lane changed."""
        self._changed.set()

    async def reached(self, lane: Lane, version: int) -> None:
        """Commit, and wait until this version of the lane is; for ever, if the partition is lost."""
        self.touch()
        async with self._progress:
            await self._progress.wait_for(lambda: lane.committed_version >= version)

    async def hold(self) -> None:
        """Send nothing more until `release`; what is on its way is not tried again."""
        self._held = True
        if self._request is not None:
            self._request.cancel()
            await asyncio.wait([self._request])

    def release(self) -> None:
        """Go on."""
        self._held = False
        self.touch()

    async def run(self) -> None:
        """Commit for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self._held:
                await self.flush()

    async def flush(self) -> bool:
        """Commit what changed; return False, and try again soon, if it was refused."""
        changed = {
            lane: (lane.version, lane.mark())
            for lane in self._lanes.values()
            if lane.ready and lane.version > lane.committed_version
        }
        if not changed:
            return True
        marks = {lane.source: mark for lane, (_, mark) in changed.items()}
        request = self._request = asyncio.create_task(self._member.commit(marks))
        try:
            await asyncio.wait([request])
        finally:
            request.cancel()
            self._request = None
        if request.cancelled():
            return False
        error = request.exception()
        if isinstance(error, CinelogError):
            logger.bind(action="commit.refused").info("{}", error.message)
            await asyncio.sleep(RETRY_S)
            self._changed.set()
            return False
        if error is not None:
            raise error
        async with self._progress:
            for lane, (version, _) in changed.items():
                lane.committed_version = max(lane.committed_version, version)
            self._progress.notify_all()
        return True

    async def part(self, deadline_s: float) -> bool:
        """Commit once as the parting owner, running starts handed over.

        Returns:
            Whether everything is committed: nothing was refused, and no lane that is between two
            assignments owes anything.
        """
        marks = {lane: (lane.version, lane.parting_mark()) for lane in self._lanes.values() if lane.ready}
        if marks:
            try:
                async with asyncio.timeout(deadline_s):
                    await self._member.commit({lane.source: mark for lane, (_, mark) in marks.items()})
            except (CinelogError, TimeoutError) as error:
                logger.bind(action="commit.refused").info("{}", error)
                return False
        for lane, (version, _) in marks.items():
            lane.parted_version = version
        return not any(lane.owes for lane in self._lanes.values() if not lane.ready)
