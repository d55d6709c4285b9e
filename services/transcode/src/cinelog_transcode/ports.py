"""What transcode needs from outside, in its own words."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.events import Event
from cinelog_common.contract.sidecars import UnitSidecar
from cinelog_common.contract.status import Progress, WorkerBeat
from cinelog_common.errors import Category, TransientError

from cinelog_transcode.domain.places import UnitPlace
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.domain.tasks import EncodeTask, QualityReport, QualityTask, UnitReport


class RefusedError(TransientError):
    """An encoder that was proven at the start does not open now: no free session, a lost device."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            category=Category.ENCODER_UNAVAILABLE,
            action="It is tried again; if it refuses each time, set hardware to never.",
        )


OnProgress = Callable[[int, int], Awaitable[None]]
"""Told the frames done and expected."""


class UnitEncoder(Protocol):
    """Encodes units where hostile bytes and broken drivers cannot hurt."""

    async def encode(self, task: EncodeTask, on_progress: OnProgress) -> UnitReport:
        """Encode a unit; its files are in the task's folder when this returns.

        Raises:
            PermanentError: The unit is damaged (`damaged`) or of a kind nobody decodes.
            RefusedError: The encoder, which was proven, does not open now.
            TransientError: The process died or stopped reporting.
        """


class UnitStore(Protocol):
    """Where units come from and go to. Every method may raise TransientError: the store does not answer."""

    async def find(self, command: EncodeSegment) -> UnitSidecar | None:
        """Return the unit if it is encoded already.

        Raises:
            PermanentError: What is stored of it is damaged (`damaged`).
        """

    async def bundle(self, place: UnitPlace, folder: Path) -> Path:
        """Return a file with the unit's packets, which nobody may write to; a copy lies in `folder`.

        Raises:
            PermanentError: They are gone (`damaged`).
        """

    async def store(self, command: EncodeSegment, report: UnitReport, folder: Path) -> UnitSidecar:
        """Store what lies in `folder`, first writer wins, and return the unit as it is stored now.

        Raises:
            PermanentError: Another writer's object of the same name is damaged (`damaged`).
        """


class QualityMeter(Protocol):
    """Measures what qualities look like, as carefully."""

    async def measure(self, task: QualityTask) -> QualityReport:
        """Encode and compare samples at each quality of the task.

        Raises:
            PermanentError: As `UnitEncoder.encode`.
            TransientError: As `UnitEncoder.encode`.
        """


class EncoderProofs(Protocol):
    """What is known of this worker's encoders."""

    async def of(self, encoder: str) -> Proof:
        """Return the proof of one encoder, waiting while it is still being made."""


class Announcer(Protocol):
    """Tells the other services."""

    async def announce(self, event: Event) -> object:
        """Make `event` a fact.

        Raises:
            TransientError: The log did not acknowledge in time.
        """

    async def progress(self, progress: Progress) -> None:
        """Tell how far a stage is; most calls may be dropped.

        Raises:
            TransientError: The log did not acknowledge in time.
        """


class Heartbeats(Protocol):
    """Tells the ledger that this worker lives."""

    async def beat(self, beat: WorkerBeat) -> None:
        """Make `beat` this worker's latest.

        Raises:
            TransientError: The log did not acknowledge in time.
        """

    async def gone(self, worker: str) -> None:
        """Say that the worker is no more.

        Raises:
            TransientError: The log did not acknowledge in time.
        """
