"""What every worker obeys: whether a run may still be worked on."""

from collections.abc import Callable

import msgspec
from loguru import logger

from cinelog_common.contract.commands import Command, PublishOutput
from cinelog_common.contract.status import Control
from cinelog_common.kafka.records import Record

_STATES = {"run": 0, "cancelled": 1, "terminal": 2, "deleted": 3}
_OVER = frozenset({"terminal", "deleted"})
REMEMBERED_ENDS = 100_000
"""Ended jobs that are remembered; what is still ordered for an older one is done in vain."""


class Controls:
    """The latest control of each job, as `cinelog.jobs.control` tells it: of ended jobs, the last ones."""

    def __init__(self, *, ends: int = REMEMBERED_ENDS) -> None:
        self._ends = ends
        self._going: dict[str, Control] = {}
        self._over: dict[str, Control] = {}
        self._watchers: list[Callable[[Control], object]] = []

    def watch(self, watcher: Callable[[Control], object]) -> None:
        """Call `watcher` with every change."""
        self._watchers.append(watcher)

    async def take(self, record: Record) -> None:
        """Learn from one record of the topic; what is broken is logged and left out."""
        if record.key is None:
            return
        if record.value is None:
            self._forget(record.key.decode("utf-8", "replace"))
            return
        try:
            control = msgspec.json.decode(record.value, type=Control)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            logger.bind(action="control.ignored").warning("A broken control record: {}", error)
            return
        known = self._known(control.job)
        # Whoever decided before a rebalance may still be writing: a run never comes back to life.
        if known is not None and _rank(known) > _rank(control):
            return
        self._remember(control)
        for watcher in self._watchers:
            watcher(control)

    def permits(self, command: Command) -> bool:
        """Whether `command` may be started, or go on.

        A tombstone is written *because* the run was cancelled, so it goes on then.
        """
        control = self._known(command.job)
        if control is None or control.run < command.run:
            return True
        if control.run > command.run:
            return False
        if control.state == "cancelled":
            return isinstance(command, PublishOutput) and command.outcome != "completed"
        return control.state not in _OVER

    def _known(self, job: str) -> Control | None:
        return self._going.get(job) or self._over.get(job)

    def _forget(self, job: str) -> None:
        self._going.pop(job, None)
        self._over.pop(job, None)

    def _remember(self, control: Control) -> None:
        self._forget(control.job)
        (self._over if control.state in _OVER else self._going)[control.job] = control
        if len(self._over) > self._ends:
            del self._over[next(iter(self._over))]


def _rank(control: Control) -> tuple[int, int]:
    """Return what orders the controls of a job; a state that is not known yet counts as an order to go on."""
    return (control.run, _STATES.get(control.state, 0))
