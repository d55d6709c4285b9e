"""Documents in the object store that lie beside the bytes they describe."""

from typing import TypeVar

import msgspec

from cinelog_common.contract.values import EncodedRendition, Failure, Output, Value

T = TypeVar("T", bound=Value)


class SegmentPart(Value, frozen=True, kw_only=True):
    """One playlist segment of a unit: its presentation interval in ticks and what it holds."""

    key: str
    start: int
    end: int
    frames: int
    size_bytes: int
    checksum: int
    """xxh3-64 of the file."""


class Sidecar(Value, frozen=True, kw_only=True):
    """All parts of one unit in one rendition, or one fragment of a track."""

    n: int
    generation: int
    init_hash: str
    init_key: str
    timescale: int
    parts: tuple[SegmentPart, ...]
    quality: float | None = None
    held: bool = False
    """The parts repeat the film's last frame, for players that need a picture; no frame of the source."""


class UnitSidecar(Value, frozen=True, kw_only=True):
    """What one `EncodeSegment` made, over all renditions; written last, so its presence means done."""

    n: int
    generation: int
    recipe: str
    frames: int
    start: int
    end: int
    renditions: tuple[EncodedRendition, ...]
    parts: int
    thumbnails: str | None = None
    warnings: tuple[str, ...] = ()
    encode_s: float = 0.0


class Cue(Value, frozen=True, kw_only=True):
    """One subtitle: milliseconds on the job's timeline, and text as in WebVTT, with b, i and u only."""

    start_ms: int
    end_ms: int
    text: str


class CueSheet(Value, frozen=True, kw_only=True):
    """The cues of one subtitle track by their beginnings; they may overlap."""

    cues: tuple[Cue, ...]


class Manifest(Value, frozen=True, kw_only=True):
    """How a run ended. Readers trust nothing else."""

    job: str
    run: int
    outcome: str
    created_ms: int
    title: str = ""
    source_url: str = ""
    outputs: tuple[Output, ...] = ()
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None
    destination: str | None = None
    """The folder in which `outputs` have their paths, if they were put into one."""


def encode_document(value: Value) -> bytes:
    """Return `value` as JSON."""
    return msgspec.json.encode(value)


def decode_document(kind: type[T], data: bytes) -> T:
    """Return the document in `data`.

    Raises:
        msgspec.DecodeError: It is not such a document.
    """
    return msgspec.json.decode(data, type=kind)
