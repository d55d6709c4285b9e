"""Lists of jobs, newest first, merged from what is in memory and what is in the documents."""

from collections.abc import Iterable

from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Value

from cinelog_gateway.domain.board import Board, is_gone

Mark = tuple[float, str]
"""Where a job stands in the list: when it was created, and its id."""


class JobQuery(Value, frozen=True, kw_only=True):
    """Which jobs are asked for. `after` is the `next` of the page before."""

    limit: int = 50
    state: str | None = None
    after: str | None = None


class JobPage(Value, frozen=True, kw_only=True):
    """Some jobs, newest first."""

    jobs: tuple[JobStatus, ...]
    next: str | None
    """To ask for the following page; None if this is the last one."""


def mark(status: JobStatus) -> Mark:
    """Return where a job stands; larger is newer, and comes earlier."""
    return (status.created_ms, status.job)


def matches(status: JobStatus, state: str | None, before: Mark | None) -> bool:
    """Whether a job belongs to what follows `before`."""
    return (
        not is_gone(status)
        and (state is None or status.state == state)
        and (before is None or mark(status) < before)
    )


def merged(
    board: Board, stored: Iterable[JobStatus], query: JobQuery, *, before: Mark | None, down_to: Mark | None
) -> list[JobStatus]:
    """Return the jobs after `before`, newest first, as far as `stored` reaches (`down_to`; None: to the end).

    What the board holds of a job is newer than its document.
    """
    held = [
        status
        for status in board
        if matches(status, query.state, before) and (down_to is None or mark(status) >= down_to)
    ]
    rest = [
        status for status in stored if board.get(status.job) is None and matches(status, query.state, before)
    ]
    return sorted(held + rest, key=mark, reverse=True)
