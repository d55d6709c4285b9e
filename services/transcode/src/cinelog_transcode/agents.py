"""The Kafka edge: which work this service takes, and which handler carries it out."""

from collections.abc import Mapping

from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command, EncodeSegment, ProbeQuality
from cinelog_common.edge import CommandHandler
from cinelog_common.kafka.slots import Priority
from cinelog_common.worker import WorkerSpec

from cinelog_transcode.handlers import Handlers

SERVICE = "transcode"

_URGENT_SLOTS = 1


def worker_spec(pool: str, slots: int) -> WorkerSpec:
    """Return what a worker of `pool` takes.

    The queue keeps one slot free for urgent work. It is one more than the slots that are told to
    the ledger: a core that waits for urgent work would halve a small machine, and urgent work on
    top of a full one only shares its cores for a while.
    """
    return WorkerSpec(
        service=SERVICE,
        topics={topics.work_encode(pool, priority): Priority(priority) for priority in topics.PRIORITIES},
        slots=slots + _URGENT_SLOTS,
    )


def routes(handlers: Handlers) -> Mapping[type[Command], CommandHandler]:
    """Return the handler of each command."""
    return {EncodeSegment: handlers.encode_segment, ProbeQuality: handlers.probe_quality}
