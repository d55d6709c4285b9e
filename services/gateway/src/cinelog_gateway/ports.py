"""What the gateway needs from outside, in its own words."""

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager
from typing import Protocol

from cinelog_common.contract.events import Event, JobRequested
from cinelog_common.contract.status import JobStatus, Progress
from cinelog_common.contract.values import Value
from cinelog_common.errors import Category, PermanentError

from cinelog_gateway.domain.paging import JobPage, JobQuery
from cinelog_gateway.domain.paths import Place


class UnknownJobError(PermanentError):
    """Nothing is known of this job."""

    def __init__(self, job: str) -> None:
        super().__init__(
            f"There is no job {job[:60]!r}.",
            category=Category.INVALID_REQUEST,
            action="List the jobs that there are with GET /api/v1/jobs.",
        )


class KeyTakenError(PermanentError):
    """Another request was made under the same idempotency key; it holds.

    Attributes:
        job: The job that the key stands for.
    """

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(
            f"This idempotency key already stands for job {job}, which was requested differently.",
            category=Category.INVALID_REQUEST,
            action="Use another key for another request.",
        )


class WrongStateError(PermanentError):
    """The job is in a state in which this cannot be done."""

    def __init__(self, job: str, state: str, what: str) -> None:
        super().__init__(
            f"Job {job} is {state} and cannot be {what}.",
            category=Category.INVALID_REQUEST,
            action="Only open jobs can be cancelled, and only ended ones retried.",
        )


class NoFileError(PermanentError):
    """The job has no such file, or nobody may read it: the two are not told apart."""

    def __init__(self) -> None:
        super().__init__(
            "The job has no such file.",
            category=Category.INVALID_REQUEST,
            action="Take the addresses from the job's outputs and links.",
        )


class Following(Protocol):
    """The news of one job, for one reader who may be slow: only the latest of each kind is kept."""

    async def take(self) -> tuple[JobStatus | Progress, ...]:
        """Wait until there is something new and return it, the snapshot first."""


class Jobs(Protocol):
    """What is known of the jobs."""

    async def find(self, job: str) -> JobStatus | None:
        """Return the latest snapshot, without the ledger's state; None if nothing is known.

        Raises:
            TransientError: It is not in memory, and the documents do not answer.
        """

    async def page(self, query: JobQuery) -> JobPage:
        """Return jobs, newest first.

        Raises:
            TransientError: The documents do not answer.
            PermanentError: The cursor is not one of ours.
        """

    def follow(self, job: str) -> AbstractContextManager[Following]:
        """Keep the news of a job while the context is open, beginning with what is in memory."""

    def accept(self, status: JobStatus) -> None:
        """Show a job that was announced, until the ledger tells of it."""

    @property
    def ready(self) -> bool:
        """Whether everything that lay in the log at the start is known."""


class Promises(Protocol):
    """Remembers what is about to be acknowledged, where the log does not outlive its process."""

    async def requested(self, request: JobRequested) -> JobRequested:
        """Remember `request`, or return the one that came first under the same job id.

        Raises:
            TransientError: It could not be written down, so it must not be acknowledged.
        """

    async def cancelled(self, job: str, run: int) -> None:
        """Remember that this run is to be cancelled."""

    async def retried(self, job: str, run: int) -> tuple[Event, ...]:
        """Remember that the job is to run again, and return the events that make the log know it."""

    async def forgotten(self, job: str) -> None:
        """Forget a job that was deleted."""


class Announcer(Protocol):
    """Tells the others."""

    async def announce(self, event: Event) -> object:
        """Append `event` to the log; when this returns, it is a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """


class Hardware(Protocol):
    """What the workers have proven."""

    def vendors(self, codec: str) -> frozenset[str] | None:
        """Return the vendors that can encode `codec`; None while that is not known."""


class OpenFile(Value, frozen=True, kw_only=True):
    """An object that is about to be read."""

    place: Place
    size_bytes: int
    tag: str
    """Its strong entity tag, with the quotes."""
    data: bytes | None = None
    """All of it, if it was read whole, as what may be replaced meanwhile has to be."""


class Files(Protocol):
    """The objects of jobs."""

    async def find(self, place: Place) -> OpenFile | None:
        """Return the object; None if there is none.

        Raises:
            TransientError: The store does not answer.
        """

    def chunks(self, file: OpenFile, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes `start` to `end` (not included) in chunks of a bounded size.

        Raises:
            TransientError: The store does not answer, or the object has gone.
        """


class Health(Protocol):
    """Whether the gateway can do its work."""

    async def check(self) -> dict[str, str]:
        """Return for each thing the gateway needs `ok`, or one sentence saying what is wrong."""
