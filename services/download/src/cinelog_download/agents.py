"""The Kafka edge: which work this service takes, and which handler carries it out."""

from collections.abc import Mapping

from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command, FetchSource
from cinelog_common.edge import CommandHandler
from cinelog_common.kafka.slots import Priority
from cinelog_common.worker import WorkerSpec

from cinelog_download.handlers import FetchHandler

SERVICE = "download"


def worker_spec(slots: int) -> WorkerSpec:
    """Return what the worker takes."""
    return WorkerSpec(service=SERVICE, topics={topics.WORK_FETCH: Priority.NORMAL}, slots=slots)


def routes(fetch: FetchHandler) -> Mapping[type[Command], CommandHandler]:
    """Return the handler of each command."""
    return {FetchSource: fetch}
