"""The latest snapshot of each job: bounded, and never an older one in place of a newer."""

from collections import OrderedDict
from collections.abc import Iterator

import msgspec
from cinelog_common.contract.status import TERMINAL, JobState, JobStatus

from cinelog_gateway.domain.addresses import shown_url

PROVISIONAL = (-1, -1)
"""The version of a snapshot that says only what was accepted here; every real one replaces it."""


def is_real(status: JobStatus) -> bool:
    """Whether the ledger has told this."""
    return status.version > PROVISIONAL


def public(status: JobStatus) -> JobStatus:
    """Return the snapshot as it may be shown, without secrets of the source.

    And without the ledger's own state, which would keep the whole record in memory.
    """
    return msgspec.structs.replace(
        status, source_url=shown_url(status.source_url), ledger=msgspec.Raw(b"null")
    )


class Board:
    """Holds at most `capacity` snapshots; of too many, those that ended longest ago go first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._open: OrderedDict[str, JobStatus] = OrderedDict()
        self._ended: OrderedDict[str, JobStatus] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open) + len(self._ended)

    def __iter__(self) -> Iterator[JobStatus]:
        yield from self._open.values()
        yield from self._ended.values()

    def get(self, job: str) -> JobStatus | None:
        """Return the latest snapshot that is held."""
        return self._open.get(job) or self._ended.get(job)

    def put(self, status: JobStatus) -> bool:
        """Hold `status` unless the same or a newer version is there; tell whether it is held now."""
        known = self.get(status.job)
        if known is not None and known.version >= status.version:
            return False
        self.remove(status.job)
        (self._ended if status.state in TERMINAL else self._open)[status.job] = status
        while len(self) > self._capacity:
            (self._ended or self._open).popitem(last=False)
        return True

    def remove(self, job: str) -> JobStatus | None:
        """Forget a job; return what was held."""
        return self._open.pop(job, None) or self._ended.pop(job, None)


def is_gone(status: JobStatus) -> bool:
    """Whether the job counts as unknown from now on."""
    return status.state == JobState.DELETED
