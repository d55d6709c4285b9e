"""Lets requests of other systems in: from `cinelog.jobs.requested` to the ledger's own log.

They may come with any key and any client's partitioner; the job's events must all
lie in the partition that its id chooses. The job id follows from the request, so
admitting one twice changes nothing.
"""

from collections.abc import Callable

from cinelog_common.announcer import Announcer
from cinelog_common.clock import Clock
from cinelog_common.contract.options import settle
from cinelog_common.contract.requests import Place, parse_request
from cinelog_common.errors import Category, CinelogError
from cinelog_common.kafka.dead_letters import DeadLetters, Reason
from cinelog_common.kafka.records import Record
from loguru import logger

from cinelog_merge.ledger_ports import Log

GROUP = "cinelog-admission"
SERVICE = "admission"

Vendors = Callable[[str], frozenset[str] | None]
"""The vendors that can encode a codec; None while that is not known."""


def unknown(_: str) -> None:
    """Know of no vendor whether it is there."""


class Admission:
    """Handles the records of `cinelog.jobs.requested`."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        *,
        account: str = "local",
        epoch: int = 1,
        vendors: Vendors = unknown,
    ) -> None:
        self._vendors = vendors
        self._announcer = Announcer(log, service=SERVICE, clock=clock)
        self._account = account
        self._epoch = epoch
        self._letters = DeadLetters(log, clock=clock)

    async def handle(self, record: Record) -> None:
        """Announce the request in a record.

        Raises:
            PermanentError: It is none, or asks for what cannot be; `refuse` it.
            TransientError: The log does not take it now.
        """
        place = Place(topic=record.topic, partition=record.partition, offset=record.offset, epoch=self._epoch)
        # The record's own time, so that a request admitted twice is the same event to the letter.
        requested = parse_request(
            record.headers,
            record.value,
            place=place,
            account=self._account,
            now=record.timestamp_ms / 1000,
        )
        options = requested.options
        settle(options, vendors=self._vendors(options.codec or "h264"))
        await self._announcer.announce(requested)
        logger.bind(action="job.admitted", job_id=requested.job).info("{}", requested.source.url)

    async def refuse(self, record: Record, error: Exception) -> None:
        """Put a record aside that is no request, with the reason.

        Raises:
            TransientError: The log does not take it now.
        """
        if isinstance(error, CinelogError):
            reason = Reason(category=error.category, sentence=f"{error.message} {error.action}".strip())
        else:
            reason = Reason(category=Category.INTERNAL, sentence=f"Admission has a defect: {error!r}.")
        logger.bind(action="job.refused").warning("{}", reason.sentence)
        await self._letters.put(record, reason)
