"""Composition of the storage service."""

from cinelog_common.child_pool import ChildPool
from cinelog_common.contract import topics
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.kafka.consumer import EventConsumer
from cinelog_common.kafka.dead_letters import DeadLetters
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.slots import Priority
from cinelog_common.platform import Platform, Service
from cinelog_common.worker import Worker, WorkerSpec

from cinelog_storage.adapters.folder import FolderShelves
from cinelog_storage.adapters.gallery_child import Gallerist
from cinelog_storage.agents import Mirror
from cinelog_storage.handlers import Galleries, OutputPublisher
from cinelog_storage.settings import Settings

MIRROR_GROUP = "cinelog-mirror"


class StorageService:
    """Publishes outputs and mirrors status."""

    name = "storage"

    def __init__(
        self, worker: Worker, mirror: EventConsumer, children: ChildPool, *, warm_after_s: float | None
    ) -> None:
        self._worker = worker
        self._mirror = mirror
        self._children = children
        self._warm_after_s = warm_after_s

    async def start(self) -> None:
        """Begin to work."""
        await self._mirror.start()
        try:
            await self._worker.start()
        except BaseException:
            await self._mirror.stop(0)
            raise
        if self._warm_after_s is not None:
            self._children.warm_later(1, self._warm_after_s)

    async def stop(self, deadline_s: float) -> None:
        """Finish what is in hand within the deadline, and leave."""
        await self._worker.stop(deadline_s)
        await self._mirror.stop(deadline_s)
        await self._children.close()

    def ready(self) -> bool:
        """Whether work is taken and status mirrored."""
        return self._worker.ready() and self._mirror.alive


def build(settings: Settings, platform: Platform) -> Service:
    """Return the service, not started."""
    children = ChildPool(
        "cinelog_storage.children.gallery", size=settings.publish_slots, idle_s=settings.child_idle_s
    )
    publisher = OutputPublisher(
        platform.objects,
        platform.announcer("storage"),
        galleries=Galleries(platform.objects, Gallerist(children), scratch=platform.scratch),
        shelves=FolderShelves(platform.objects, platform.documents),
        clock=platform.clock,
    )
    worker = Worker(
        WorkerSpec(
            service="storage", topics={topics.WORK_PUBLISH: Priority.NORMAL}, slots=settings.publish_slots
        ),
        {PublishOutput: publisher},
        platform,
    )
    mirror = Mirror(
        platform.documents, platform.objects, DeadLetters(platform.producer, clock=platform.clock)
    )
    consumer = EventConsumer(
        GroupSettings(
            bootstrap=platform.bootstrap,
            group=MIRROR_GROUP,
            topics=(topics.STATUS,),
            client_id=f"mirror-{platform.worker}",
        ),
        mirror.handle,
        on_error=mirror.on_error,
    )
    return StorageService(worker, consumer, children, warm_after_s=settings.warm_after_s)
