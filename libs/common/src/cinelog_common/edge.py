"""The one edge of every worker: from a record on a work topic to an outcome the ledger understands.

Handlers know nothing of delivery. Here alone an error becomes `WorkFailed`, a
record that is not ours becomes a dead letter, and a command whose run is over
is finished without work.
"""

import errno
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from loguru import logger

from cinelog_common.announcer import Announcer
from cinelog_common.contract.commands import Command
from cinelog_common.contract.envelope import NotAnEnvelopeError, UnknownTypeError, header_map, open_command
from cinelog_common.contract.events import WorkFailed
from cinelog_common.contract.values import Failure
from cinelog_common.controls import Controls
from cinelog_common.errors import Category, CinelogError, PermanentError
from cinelog_common.kafka.dead_letters import Reason
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.work import Lease
from cinelog_common.logging import job_context
from cinelog_common.tracing import continued

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_MOST_CHARS = 2_000

CommandHandler = Callable[[Any], Awaitable[None]]
"""Carries out one command; returns when its effects are durable and announced. Safe to run twice."""


class LetterBox(Protocol):
    """Where records go that nobody can work on."""

    async def put(self, record: Record, reason: Reason) -> object:
        """Keep `record`; when this returns it is safe.

        Raises:
            TransientError: The log did not acknowledge in time.
        """


class CommandEdge:
    """Turns records into calls of handlers, and whatever they raise into outcomes."""

    def __init__(
        self,
        handlers: Mapping[type[Command], CommandHandler],
        *,
        announcer: Announcer,
        controls: Controls,
        dead_letters: LetterBox,
        worker: str,
    ) -> None:
        self._handlers = handlers
        self._announcer = announcer
        self._controls = controls
        self._dead_letters = dead_letters
        self._worker = worker

    async def handle(self, record: Record, lease: Lease) -> None:  # noqa: ARG002 - the queue's signature
        """Carry out the command in `record`."""
        try:
            command = open_command(record.headers, record.value)
        except (NotAnEnvelopeError, UnknownTypeError) as error:
            await self._dead_letters.put(record, reason_of(error))
            return
        handler = self._handlers.get(type(command))
        if handler is None:
            misplaced = UnknownTypeError(f"{command.type} does not belong on {record.topic}.")
            await self._dead_letters.put(record, reason_of(misplaced))
            return
        if not self._controls.permits(command):
            return
        trace = header_map(record.headers).get("traceparent")
        with job_context(command.job, command.run), continued(trace):
            await handler(command)

    async def on_error(self, record: Record, error: Exception) -> None:
        """Tell the ledger that this attempt failed, and why."""
        try:
            command = open_command(record.headers, record.value)
        except (NotAnEnvelopeError, UnknownTypeError) as unreadable:
            # Nobody waits for its outcome; what failed was putting it aside.
            await self._dead_letters.put(record, reason_of(unreadable))
            return
        await self._tell(command, error)

    async def _tell(self, command: Command, error: Exception) -> None:
        known = error if isinstance(error, CinelogError) else None
        log = logger.bind(action="work.failed", job_id=command.job, command=command.kind, work=command.work)
        if known is None:
            log.opt(exception=error).error("A defect ended {} {}", command.kind, command.work)
        else:
            log.warning("{} {}: {}", command.kind, command.work, known.message)
        await self._announcer.announce(
            WorkFailed(
                job=command.job,
                run=command.run,
                attempt=command.attempt,
                command=command.kind,
                work=command.work,
                failure=failure_of(error),
                permanent=isinstance(error, PermanentError),
                retry_after_s=known.retry_after_s if known else None,
                worker=self._worker,
            )
        )

    async def on_poison(self, record: Record, starts: int) -> None:
        """Put work aside that killed its worker again and again, and tell the ledger."""
        poison = PermanentError(
            f"The work ended its worker {starts} times.",
            category=Category.POISON,
            action="Look at the worker's log and memory; the source may be hostile.",
        )
        await self._dead_letters.put(record, reason_of(poison, times=starts))
        try:
            command = open_command(record.headers, record.value)
        except (NotAnEnvelopeError, UnknownTypeError):
            return  # nobody waits for its outcome
        await self._tell(command, poison)

    def forbidden(self, record: Record) -> bool:
        """Whether the command in `record` may not go on: its run was cancelled, is over, or is deleted."""
        try:
            return not self._controls.permits(open_command(record.headers, record.value))
        except (NotAnEnvelopeError, UnknownTypeError):
            return False


def failure_of(error: Exception) -> Failure:
    """Return `error` as the value that travels; a defect's details stay in the log."""
    if isinstance(error, CinelogError):
        return Failure(
            category=error.category, message=_told(error.message), action=_told(error.action or "")
        )
    if isinstance(error, OSError) and error.errno in _FULL:
        return Failure(
            category=Category.NO_SPACE,
            message="There is no space left on the worker's disk.",
            action="Free some space and retry the job.",
        )
    return Failure(
        category=Category.INTERNAL,
        message=f"Something unforeseen happened ({type(error).__name__}).",
        action="Retry the job; if it fails again, report it with the worker's log.",
    )


def _told(text: str) -> str:
    """Return `text` as a record holds it: what cannot be told would be tried to be told for ever."""
    return text[:_MOST_CHARS].encode(errors="replace").decode()


def reason_of(error: CinelogError, *, times: int = 1) -> Reason:
    """Return why a record is put aside."""
    return Reason(category=error.category, sentence=error.message, times=times)
