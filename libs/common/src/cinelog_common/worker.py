"""A service whose work comes from work topics: controls, a queue and the edge, wired once for all of them."""

import asyncio
from collections.abc import Mapping

import msgspec

from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command
from cinelog_common.controls import Controls
from cinelog_common.edge import CommandEdge, CommandHandler
from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.dead_letters import DeadLetters
from cinelog_common.kafka.queue import QueueSettings, QueueState, WorkQueue
from cinelog_common.kafka.slots import Priority
from cinelog_common.platform import Platform

CONTROLS_S = 120.0
"""How long reading the controls of all jobs may take at the start: a million take ten seconds."""


class WorkerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which work a worker takes.

    Attributes:
        service: The service's name.
        topics: The class of work each topic holds; all are worked on by one group.
        slots: How many commands are carried out at a time.
    """

    service: str
    topics: Mapping[str, Priority]
    slots: int

    @property
    def group(self) -> str:
        """The consumer group, as the ledger knows it.

        Raises:
            ValueError: The topics belong to several groups, or to none.
        """
        groups = {topics.group_of(name) for name in self.topics}
        if len(groups) != 1:
            raise ValueError(f"{sorted(self.topics)} belong to {len(groups)} groups, not to one")
        return groups.pop()


class Worker:
    """Takes commands from work topics and carries them out."""

    def __init__(
        self, spec: WorkerSpec, handlers: Mapping[type[Command], CommandHandler], platform: Platform
    ) -> None:
        self.name = spec.service
        self._controls = Controls()
        self._reader = CompactedReader(
            ReaderSettings(bootstrap=platform.bootstrap, topics=(topics.CONTROL,), client_id=spec.service),
            self._controls.take,
        )
        self._edge = CommandEdge(
            handlers,
            announcer=platform.announcer(spec.service),
            controls=self._controls,
            dead_letters=DeadLetters(platform.producer, clock=platform.clock),
            worker=platform.worker,
        )
        self._queue = WorkQueue(
            QueueSettings(
                bootstrap=platform.bootstrap,
                group=spec.group,
                topics=spec.topics,
                slots=spec.slots,
                client_id=f"{spec.service}-{platform.worker}",
                session_s=platform.session_s,
                heartbeat_s=platform.session_s / 5,
            ),
            self._edge.handle,
            hooks=self._edge,
        )
        self._controls.watch(lambda _: self._queue.cancel(self._edge.forbidden))

    async def start(self) -> None:
        """Learn which runs are over, then take work.

        Raises:
            TransientError: No broker answers, or a topic is missing.
        """
        await self._reader.start()
        try:
            # What was cancelled while nobody was here must not be begun.
            await asyncio.wait_for(self._reader.wait_ready(), CONTROLS_S)
            await self._queue.start()
        except TimeoutError as error:
            await self._reader.stop()
            raise TransientError(
                f"The controls of all jobs were not read within {CONTROLS_S:.0f} s.",
                category=Category.DEPENDENCY,
                action=f"Check the broker, and how much lies in {topics.CONTROL}.",
            ) from error
        except BaseException:
            await self._reader.stop()
            raise

    async def stop(self, deadline_s: float) -> None:
        """Finish what is in hand within the deadline, hand over the rest, and leave."""
        await self._queue.stop(deadline_s)
        await self._reader.stop()

    def resize(self, slots: int) -> None:
        """Carry out `slots` commands at a time from now on; what runs beyond them is left to end."""
        self._queue.resize(slots)

    def ready(self) -> bool:
        """Whether work is taken."""
        return self._queue.state().alive

    def state(self) -> QueueState:
        """Return what the queue is doing."""
        return self._queue.state()
