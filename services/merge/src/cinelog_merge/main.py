"""Composition of the merge service: the ledger, and the workers that extend playlists and join."""

import asyncio

from cinelog_common.child_pool import ChildPool
from cinelog_common.contract import topics
from cinelog_common.contract.commands import AssembleOutput, ExtendPlaylist
from cinelog_common.kafka.slots import Priority
from cinelog_common.platform import Platform, Service
from cinelog_common.worker import Worker, WorkerSpec

from cinelog_merge.adapters.join_child import Joiner
from cinelog_merge.handlers import Library, OutputAssembler, PlaylistExtender
from cinelog_merge.ledger import Ledger, LedgerOptions
from cinelog_merge.settings import Settings


class MergeService:
    """Decides jobs and joins what was encoded."""

    name = "merge"

    def __init__(
        self, ledger: Ledger, worker: Worker, children: ChildPool, *, warm_after_s: float | None
    ) -> None:
        self._ledger = ledger
        self._worker = worker
        self._children = children
        self._warm_after_s = warm_after_s

    async def start(self) -> None:
        """Begin to decide and to work."""
        await asyncio.gather(self._ledger.start(), self._worker.start())
        if self._warm_after_s is not None:
            self._children.warm_later(1, self._warm_after_s)

    async def stop(self, deadline_s: float) -> None:
        """Finish what is in hand within the deadline, and leave."""
        await asyncio.gather(self._ledger.stop(deadline_s), self._worker.stop(deadline_s))
        await self._children.close()

    def ready(self) -> bool:
        """Whether jobs are decided and work is taken."""
        return self._ledger.ready() and self._worker.ready()


def build(settings: Settings, platform: Platform) -> Service:
    """Return the service, not started."""
    announcer = platform.announcer("merge")
    children = ChildPool(
        "cinelog_merge.children.joiner", size=settings.join_slots, idle_s=settings.child_idle_s
    )
    library = Library(platform.objects)
    worker = Worker(
        WorkerSpec(service="merge", topics={topics.WORK_MERGE: Priority.NORMAL}, slots=settings.merge_slots),
        {
            ExtendPlaylist: PlaylistExtender(platform.objects, library, announcer),
            AssembleOutput: OutputAssembler(
                platform.objects, library, announcer, joiner=Joiner(children), scratch=platform.scratch
            ),
        },
        platform,
    )
    ledger = Ledger(platform, LedgerOptions(account=settings.account, session_s=platform.session_s))
    return MergeService(ledger, worker, children, warm_after_s=settings.warm_after_s)
