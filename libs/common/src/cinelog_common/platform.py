"""What every service stands on, and what a service is: something that starts and stops."""

import os
import socket
from pathlib import Path
from typing import Protocol

import msgspec

from cinelog_common.announcer import Announcer
from cinelog_common.clock import Clock
from cinelog_common.documents.ports import DocumentStore
from cinelog_common.journal import Journal
from cinelog_common.kafka.producer import Producer
from cinelog_common.objects.ports import ObjectStore


class Service(Protocol):
    """One deployable: its composition root returns this."""

    name: str

    async def start(self) -> None:
        """Begin to work; returns when the service takes work.

        Raises:
            TransientError: A server does not answer, or topics are missing.
        """

    async def stop(self, deadline_s: float) -> None:
        """Take nothing more, finish what is in hand within the deadline, hand over the rest."""

    def ready(self) -> bool:
        """Whether the service can do its work now."""


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """The log, the stores and the machine, shared by the services of one process.

    Attributes:
        bootstrap: host:port of the log.
        epoch: The log's epoch: a newly made log orders above every earlier one.
        scratch: A folder on the worker's own disk; what lies there may be lost.
        worker: This process's name in heartbeats.
        embedded: Whether log and stores belong to this process alone.
    """

    bootstrap: str
    epoch: int
    producer: Producer
    objects: ObjectStore
    documents: DocumentStore
    clock: Clock
    scratch: Path
    worker: str
    embedded: bool
    partitions: int
    session_s: float = 15.0
    """Silence after which another member of a group takes its partitions over."""
    pools: dict[str, int] = {}
    """Declared pools of encoders and the slots each may scale to."""
    journal: Journal | None = None
    """What outlives an embedded log."""

    def announcer(self, service: str) -> Announcer:
        """Return what `service` tells the others with."""
        return Announcer(self.producer, service=service, clock=self.clock)


def worker_name(service: str) -> str:
    """Return a name for this process that no other living process has."""
    return f"{service}-{socket.gethostname()}-{os.getpid()}"
