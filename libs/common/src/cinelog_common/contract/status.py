"""What the world sees of a job: the snapshot in `cinelog.jobs.status`, control, progress, heartbeats."""

from enum import StrEnum

import msgspec

from cinelog_common.contract.quality import RenditionQuality
from cinelog_common.contract.values import Failure, Output, Value


class JobState(StrEnum):
    """Where a job is. Open: readers accept members they do not know."""

    QUEUED = "queued"
    """Accepted; nothing of the source is known yet."""
    FETCHING = "fetching"
    """The source was probed; its first unit is not encoded yet."""
    ENCODING = "encoding"
    """At least one unit is encoded or one fragment stored."""
    ASSEMBLING = "assembling"
    """Everything is encoded; segments are being joined and checked."""
    PUBLISHING = "publishing"
    """The result is being put in its place."""
    CANCELLING = "cancelling"
    """Somebody asked for the end; the tombstone is not written yet."""
    FAILING = "failing"
    """No further attempt will be made; the tombstone is not written yet."""
    COMPLETED = "completed"
    """The manifest names a result."""
    FAILED = "failed"
    """The manifest is a tombstone that says why."""
    CANCELLED = "cancelled"
    """The manifest is a tombstone."""
    DELETED = "deleted"
    """The job and what it made are gone or going."""


TERMINAL = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.DELETED})


class JobStatus(Value, frozen=True, kw_only=True):
    """One full snapshot of one job. A later `version` replaces an earlier one."""

    job: str
    run: int
    state: str
    version: tuple[int, int]
    """(log epoch, offset of the last event that counted)."""
    account: str = "local"
    fingerprint: str = ""
    source_url: str = ""
    profile: str = ""
    title: str = ""
    created_ms: int = 0
    updated_ms: int = 0
    fraction: float = 0.0
    """How much of the run is done, 0 to 1."""
    duration_s: float | None = None
    units_ready: int = 0
    units_encoded: int = 0
    units: int | None = None
    playable: bool = False
    playlist_key: str | None = None
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    error: Failure | None = None
    timings_s: dict[str, float] = {}
    quality: tuple[RenditionQuality, ...] = ()
    """Of every rendition, if it was asked for; known when the result is assembled."""
    ledger: msgspec.Raw = msgspec.Raw(b"null")
    """The ledger's whole state; for the ledger alone."""


class Control(Value, frozen=True, kw_only=True):
    """What every worker obeys before it starts and while it works."""

    job: str
    run: int
    state: str
    """`run`, `cancelled`, `terminal` or `deleted`."""


class Progress(Value, frozen=True, kw_only=True):
    """How far one stage of one job is; worthless after an hour."""

    job: str
    run: int
    stage: str
    """`fetch`, `encode`, `assemble` or `publish`."""
    done: float
    total: float | None
    unit: str
    """`bytes`, `frames` or `files`."""
    at_ms: int
    subject: str = ""


class EncoderProof(Value, frozen=True, kw_only=True):
    """An encoder that encoded a frame when its worker started."""

    encoder: str
    codec: str
    version: str
    ten_bit: bool = True
    """Whether it also encoded one of 10 bit; workers that do not say so were never asked."""


class WorkerBeat(Value, frozen=True, kw_only=True):
    """A worker's heartbeat; a record without a value says that it is gone."""

    worker: str
    role: str
    """The service's name."""
    at_ms: int
    pool: str = ""
    slots: int = 0
    busy: int = 0
    encoders: tuple[EncoderProof, ...] = ()
    active_jobs: int = 0
