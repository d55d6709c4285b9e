"""One coroutine per thing that can be asked for: look, promise, tell, wait for the effect; safe to run twice.

The order matters: what is acknowledged was written down and announced before, and whoever asks again
repeats the same events, whose ids are deterministic.
"""

import asyncio
import secrets
from collections.abc import Callable
from enum import StrEnum

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract.events import JobCancelRequested, JobDeleted, JobRequested
from cinelog_common.contract.options import settle
from cinelog_common.contract.requests import body_fingerprint
from cinelog_common.contract.status import TERMINAL, JobState, JobStatus
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from loguru import logger

from cinelog_gateway.domain.addresses import shown_url
from cinelog_gateway.domain.board import PROVISIONAL, is_gone, is_real
from cinelog_gateway.ports import (
    Announcer,
    Following,
    Hardware,
    Jobs,
    KeyTakenError,
    Promises,
    UnknownJobError,
    WrongStateError,
)

_STOPPING = frozenset({JobState.CANCELLING, JobState.CANCELLED})
_ENDED = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})


class Outcome(StrEnum):
    """What became of a request for a job."""

    CREATED = "created"
    """The ledger has taken it in."""
    KNOWN = "known"
    """The same request was made before."""
    ACCEPTED = "accepted"
    """It is in the log; the ledger has not answered yet."""


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was asked for."""

    status: JobStatus
    outcome: Outcome


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk works with.

    Attributes:
        account: Whose jobs the requests are.
        patience_s: How long a request waits to see its effect.
    """

    jobs: Jobs
    promises: Promises
    announcer: Announcer
    hardware: Hardware
    clock: Clock
    account: str
    patience_s: float


class Desk:
    """Takes requests for jobs."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def submit(self, source: Source, options: Options, key: str | None) -> Submitted:
        """Ask for a job; with a `key` that was used before, return its job.

        Raises:
            InvalidOptionsError: Hardware is required that no worker has.
            KeyTakenError: The key stands for another request.
            TransientError: The request could not be written down, or not announced.
        """
        reach = self._reach
        settle(options, vendors=reach.hardware.vendors(options.codec or "h264"))
        fingerprint = body_fingerprint(source, options)
        job = job_id_of_key(reach.account, secrets.token_hex(16) if key is None else key)
        known = None if key is None else await reach.jobs.find(job)
        if known is not None:
            # What is provisional was announced before this: it comes first in the log, whoever tells of it.
            same = _same(known, fingerprint)
            if is_real(known):
                return Submitted(status=same, outcome=Outcome.KNOWN)
        request = JobRequested(
            job=job,
            account=reach.account,
            source=source,
            options=options,
            requested_ms=int(reach.clock.now() * 1000),
            fingerprint=fingerprint,
        )
        first = await reach.promises.requested(request)
        if first.fingerprint != fingerprint:
            raise KeyTakenError(job)
        with reach.jobs.follow(job) as following:
            await reach.announcer.announce(first)
            provisional = _provisional(first)
            reach.jobs.accept(provisional)
            logger.bind(action="job.requested", job_id=job).info(
                "{} as {}", shown_url(source.url, query=False), options.profile
            )
            status = await self._until(following, is_real)
        if status is None:
            return Submitted(status=provisional, outcome=Outcome.ACCEPTED)
        return Submitted(status=_same(status, fingerprint), outcome=Outcome.CREATED)

    async def cancel(self, job: str) -> JobStatus:
        """Ask for the end of a job's current run; asking again changes nothing.

        Raises:
            UnknownJobError: There is no such job.
            WrongStateError: It has ended otherwise.
            TransientError: The wish could not be written down, or not announced.
        """
        status = await self._known(job)
        if status.state in _STOPPING:
            return status
        if status.state in TERMINAL:
            raise WrongStateError(job, status.state, "cancelled")
        await self._reach.promises.cancelled(job, status.run)
        with self._reach.jobs.follow(job) as following:
            await self._reach.announcer.announce(JobCancelRequested(job=job, run=status.run))
            logger.bind(action="job.cancel-requested", job_id=job).info("run {}", status.run)
            seen = await self._until(
                following, lambda now: now.run > status.run or now.state in TERMINAL | _STOPPING
            )
        return seen or status

    async def retry(self, job: str) -> JobStatus:
        """Ask for an ended job again, as its next run; of two at the same time both mean the same run.

        Raises:
            UnknownJobError: There is no such job.
            WrongStateError: It has not ended.
            TransientError: The wish could not be written down, or not announced.
        """
        status = await self._known(job)
        if status.state not in _ENDED:
            raise WrongStateError(job, status.state, "retried")
        run = status.run + 1
        events = await self._reach.promises.retried(job, run)
        with self._reach.jobs.follow(job) as following:
            for event in events:
                await self._reach.announcer.announce(event)
            logger.bind(action="job.retried", job_id=job).info("run {}", run)
            seen = await self._until(following, lambda now: now.run >= run)
        return seen or status

    async def delete(self, job: str) -> None:
        """Let an ended job and everything it made go.

        Raises:
            UnknownJobError: There is no such job.
            WrongStateError: It has not ended.
            TransientError: The wish could not be announced.
        """
        status = await self._known(job)
        if status.state not in _ENDED:
            raise WrongStateError(job, status.state, "deleted")
        with self._reach.jobs.follow(job) as following:
            await self._reach.announcer.announce(JobDeleted(job=job, run=status.run))
            logger.bind(action="job.deleted", job_id=job).info("after run {}", status.run)
            await self._until(following, is_gone)
        # Forgotten last: a promise is dropped only when the log has taken what ends it.
        await self._reach.promises.forgotten(job)

    async def _known(self, job: str) -> JobStatus:
        status = await self._reach.jobs.find(job)
        if status is None or is_gone(status):
            raise UnknownJobError(job)
        return status

    async def _until(self, following: Following, holds: Callable[[JobStatus], bool]) -> JobStatus | None:
        """Return the first snapshot for which `holds`, or None when patience is at its end."""
        try:
            async with asyncio.timeout(self._reach.patience_s):
                while True:
                    for news in await following.take():
                        if isinstance(news, JobStatus) and holds(news):
                            return news
        except TimeoutError:
            return None


def _same(status: JobStatus, fingerprint: str) -> JobStatus:
    if status.fingerprint != fingerprint or is_gone(status):
        raise KeyTakenError(status.job)
    return status


def _provisional(request: JobRequested) -> JobStatus:
    """Return what is shown of a job that was announced and that the ledger has not told of yet."""
    return JobStatus(
        job=request.job,
        run=request.run,
        state=JobState.QUEUED,
        version=PROVISIONAL,
        account=request.account,
        fingerprint=request.fingerprint,
        source_url=shown_url(request.source.url),
        profile=request.options.profile,
        title=request.options.title or "",
        created_ms=request.requested_ms,
        updated_ms=request.requested_ms,
    )
