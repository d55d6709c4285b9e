"""What happens to the work in hand when the group deals out its partitions anew.

Every rebalance revokes all partitions first, as the assignors are eager: only the assignment tells which of
them were lost. So running work goes on through the revocation, and is cancelled only if its partition
has gone.
"""

import asyncio
from collections.abc import Callable, Collection

from loguru import logger

from cinelog_common.errors import TransientError
from cinelog_common.kafka.commits import Commits
from cinelog_common.kafka.hand import Hand
from cinelog_common.kafka.membership import Member
from cinelog_common.kafka.records import Partition

PARTING_S = 2.0
RETRY_S = 1.0


class Assignments:
    """The group's listener for a queue."""

    def __init__(self, member: Member, hand: Hand, commits: Commits, opened: Callable[[], None]) -> None:
        self._member = member
        self._hand = hand
        self._commits = commits
        self._opened = opened
        self._opening: asyncio.Task[None] | None = None

    async def on_revoked(self) -> None:
        """Commit as the owner for the last time, and hold commits and starts until the assignment.

        Running starts are handed over in that commit: if the partition goes, its work is not lost to a
        death, and must not count as one. If it stays, they are committed again.
        """
        self._cancel_opening()
        await self._commits.hold()
        await self._commits.part(PARTING_S)
        self._hand.close()

    def on_assigned(self, partitions: Collection[Partition]) -> None:
        """End the work of what was lost; read what is committed for the rest in the background."""
        self._hand.keep(partitions)
        self._cancel_opening()
        self._opening = asyncio.create_task(self._open())

    async def stop(self) -> None:
        """Leave nothing running."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])

    async def _open(self) -> None:
        lanes = self._hand.lanes
        while True:
            try:
                # Of kept partitions too: another member may have had them for a while without our knowing.
                committed = await self._member.committed(list(lanes))
            except TransientError as error:
                logger.bind(action="queue.opening").warning("{}", error.message)
                await asyncio.sleep(RETRY_S)
            else:
                break
        self._hand.open(committed)
        for source, lane in lanes.items():
            self._member.seek(source, lane.position)
        self._commits.release()
        self._opened()

    def _cancel_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
