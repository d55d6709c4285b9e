"""One record in the hands of a handler."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Protocol

from cinelog_common.kafka.lanes import Lane
from cinelog_common.kafka.records import Record


class Ending(StrEnum):
    """Why the queue ends work that has not ended by itself."""

    CANCELLED = "cancelled"
    """Somebody cancelled it: it is finished, and not delivered again."""
    LOST = "lost"
    """The partition went to another member, which has it too: nothing more is said about it here."""
    HANDED_OVER = "handed_over"
    """This process stops: it is delivered again, and this start is not counted."""


class Lease:
    """What a handler may know about its hold on a record.

    Attributes:
        starts: How often the work was begun before and ended with its process; 0 at first.
        ending: Why the handler is being cancelled; None while it is not.
    """

    def __init__(self, starts: int) -> None:
        self.starts = starts
        self.ending: Ending | None = None

    @property
    def cancelled(self) -> bool:
        """Whether this work was cancelled on purpose, and so must leave no result."""
        return self.ending is Ending.CANCELLED


Handler = Callable[[Record, Lease], Awaitable[None]]
"""Does the work of one record and returns when its effect is durable; may run again for the same record.

It is cancelled (`CancelledError`) when its work is no longer wanted here; `Lease.ending` says why.
"""


class Hooks(Protocol):
    """What the edge of a service does when a handler cannot.

    When a hook returns, the record is finished. A hook that raises is called again later: nothing is lost
    while the log or a store is out.
    """

    async def on_error(self, record: Record, error: Exception) -> None:
        """The handler raised: tell those who wait for an outcome."""

    async def on_poison(self, record: Record, starts: int) -> None:
        """The work ended its process `starts` times and will not be begun again: put the record aside."""


class Work:
    """A handler at work, as its queue sees it."""

    def __init__(self, lane: Lane, record: Record) -> None:
        self.lane = lane
        self.record = record
        self.lease = Lease(lane.starts(record.offset))
        self.task: asyncio.Task[bool] | None = None

    def end(self, ending: Ending) -> None:
        """Cancel it for this reason; the first reason stays."""
        if self.lease.ending is None and self.task is not None:
            self.lease.ending = ending
            self.task.cancel()
