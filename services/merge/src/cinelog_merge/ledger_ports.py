"""What the ledger's edge needs, in its own words: a table of jobs, a log to write to, where groups stand."""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from cinelog_common.contract.events import RecipeChosen
from cinelog_common.kafka.records import Headers, Partition, Position

from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.state import LedgerState, Place


class Log(Protocol):
    """The message log, to write to."""

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
            TransientError: Not acknowledged in time; it may have been written all the same.
            PermanentError: Too large (`LIMIT_EXCEEDED`), or the topic cannot be written.
        """


class Choices(Protocol):
    """What outlives a log that dies with its process."""

    async def chosen(self, choice: RecipeChosen) -> None:
        """Keep how a run is encoded, for a later log; the first of each step holds.

        Raises:
            TransientError: It cannot be kept now.
            PermanentError: It cannot be kept at all.
        """


class JobTable(Protocol):
    """The states of the jobs whose events come to this member."""

    @property
    def ready(self) -> bool:
        """Whether partitions are owned, their jobs recovered and their events flowing."""

    @property
    def generation(self) -> int:
        """A number that changes whenever partitions may have changed hands."""

    def get(self, job: str) -> bytes | None:
        """Return what is kept for a job; None if nothing is."""

    async def put(self, job: str, state: bytes, *, partition: int, place: Place) -> None:
        """Keep a state; when this returns, it survives this process.

        Args:
            job: The job's id.
            state: What `get` returns from now on.
            partition: Where the job's events lie.
            place: How far in the log the state is; a recovery never goes back behind the furthest.

        Raises:
            TransientError: The log does not take it now.
            PermanentError: It is too large.
        """

    def owned(self) -> Iterator[tuple[str, bytes]]:
        """Yield every job of the partitions owned now, and what is kept for it."""


class Offsets(Protocol):
    """Where groups and logs stand. Every question raises TransientError if the log does not answer."""

    async def committed(self, group: str, topics: Collection[str]) -> Mapping[Partition, int]:
        """Return the group's next offset to read, of each partition of these topics that has one."""

    async def log_starts(self, topics: Collection[str]) -> Mapping[Partition, int]:
        """Return the oldest offset that each partition of these topics still keeps."""


class PoolsNow(Protocol):
    """The view of who can work."""

    def now(self) -> Pools:
        """Return the pools as they were last heard of."""


class Rebuild(Protocol):
    """Makes a job's state anew from elsewhere, when the table's cannot be read."""

    async def __call__(self, job: str) -> LedgerState | None:
        """Return the state, or None if nothing is known elsewhere either.

        Raises:
            TransientError: Ask again later.
        """
