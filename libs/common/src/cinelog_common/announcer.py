"""How a service tells the others: facts to the log, awaited; progress now and then."""

from typing import Protocol

import msgspec
from loguru import logger

from cinelog_common.clock import Clock
from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command
from cinelog_common.contract.envelope import seal
from cinelog_common.contract.events import Event
from cinelog_common.contract.status import Progress
from cinelog_common.errors import CinelogError
from cinelog_common.kafka.records import Headers, Position
from cinelog_common.tracing import current_traceparent

PROGRESS_INTERVAL_S = 0.5
_REMEMBERED = 4096


class Sender(Protocol):
    """What appends a record and returns when the log has it."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append a record and return where it lies.

        Raises:
            TransientError: The log did not acknowledge in time.
            PermanentError: The record is too large.
        """


class Announcer:
    """Puts events and commands into their envelopes and sends them."""

    def __init__(self, sender: Sender, *, service: str, clock: Clock) -> None:
        self._sender = sender
        self._source = f"/cinelog/{service}"
        self._clock = clock
        self._told: dict[tuple[str, str], float] = {}
        self._ended: set[tuple[str, int, str, str]] = set()

    async def announce(self, event: Event) -> Position:
        """Append `event` to `cinelog.events`; when this returns, it is a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        message = seal(
            event, source=self._source, now=self._clock.now(), traceparent=current_traceparent() or ""
        )
        return await self._sender.send(topics.EVENTS, message.value, key=message.key, headers=message.headers)

    async def order(self, topic: str, key: bytes | None, command: Command) -> Position:
        """Append `command` to a work topic; without a key it is spread evenly.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
        message = seal(
            command, source=self._source, now=self._clock.now(), traceparent=current_traceparent() or ""
        )
        return await self._sender.send(topic, message.value, key=key, headers=message.headers)

    async def progress(self, progress: Progress) -> None:
        """Tell how far a stage is, at most twice a second per job and stage; the rest is dropped.

        That a subject is done is told once at once. Never fails: a bar that stands still must not fail
        the work it is about.
        """
        now = self._clock.monotonic()
        slot = (progress.job, progress.stage)
        if not self._ends(progress) and now - self._told.get(slot, -1.0) < PROGRESS_INTERVAL_S:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()  # costs one message too many per stage that is under way
        self._told[slot] = now
        try:
            await self._sender.send(topics.PROGRESS, msgspec.json.encode(progress), key=progress.job.encode())
        except CinelogError as error:
            logger.bind(action="progress.dropped", job_id=progress.job).debug("{}", error.message)

    def _ends(self, progress: Progress) -> bool:
        """Whether its subject is done for the first time: encoders say so again while they are emptied."""
        if progress.total is None or progress.done < progress.total:
            return False
        subject = (progress.job, progress.run, progress.stage, progress.subject)
        if subject in self._ended:
            return False
        if len(self._ended) >= _REMEMBERED:
            self._ended.clear()
        self._ended.add(subject)
        return True
