"""The jobs of this member that are not over, and what the reconciler must know of each.

The table also holds every job that ever ended; nobody may walk through it each second.
"""

import asyncio
from collections.abc import Iterable, Iterator

import msgspec
from loguru import logger

from cinelog_merge.domain.deciding import due_ms
from cinelog_merge.domain.state import InFlight, LedgerState, decode_state

_AT_ONCE = 200
"""States decoded before others get their turn: a few milliseconds."""


class OpenJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is not over.

    Attributes:
        due_ms: When it wants a tick; None if it waits for no time.
        in_flight: Commands without an outcome that are not known to be lost.
    """

    job: str
    run: int
    due_ms: int | None
    in_flight: tuple[InFlight, ...]


class Roster:
    """Open jobs, as of the last event of each."""

    def __init__(self) -> None:
        self._open: dict[str, OpenJob] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenJob]:
        return iter(list(self._open.values()))

    def note(self, state: LedgerState) -> None:
        """Take in a job's new state."""
        run = state.current
        if state.deleted or run.ending is not None or state.request is None:
            self._open.pop(state.job, None)
            return
        self._open[state.job] = OpenJob(
            job=state.job,
            run=state.run,
            due_ms=due_ms(state),
            in_flight=tuple(flight for flight in run.in_flight.values() if flight.command_id not in run.lost),
        )

    async def reset(self, kept: Iterable[tuple[str, bytes]]) -> None:
        """Begin anew with the states that are kept, as after a recovery; what cannot be read is left out."""
        self._open.clear()
        for count, (job, data) in enumerate(kept, start=1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if job in self._open:
                continue
            try:
                self.note(decode_state(data))
            except msgspec.DecodeError as error:
                logger.bind(action="ledger.unreadable", job_id=job).error(
                    "The job's state is broken: {}", error
                )
