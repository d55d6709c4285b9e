"""What the service asks of its child processes, and what they answer."""

import msgspec
from cinelog_common.contract.values import Recipe, Value
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError


class EncodeTask(Value, frozen=True, kw_only=True):
    """Encode one unit: decode `bundle`, and leave in `folder` what each rendition became."""

    bundle: str
    folder: str
    recipe: Recipe
    n: int
    generation: int = 0
    threads: int = 1
    max_pixels: int = 1 << 26
    """A larger picture is refused before it is allocated."""
    thumbnail_every_s: float = 2.0
    thumbnail_width: int = 320
    salvage: bool = False
    """Whether to deliver what can be decoded, and to say what could not, rather than fail."""
    metric: str = ""
    """What of the result is measured; empty for nothing."""
    decoders: dict[str, str] = {}
    """By codec: the device type that decodes it here, as proven."""


class PartReport(Value, frozen=True, kw_only=True):
    """One playlist part in one rendition: its file's name and its interval in ticks of the timescale."""

    file: str
    start: int
    end: int
    frames: int
    size_bytes: int
    checksum: int


class RenditionReport(Value, frozen=True, kw_only=True):
    """What the unit became in one rendition; `init` is the init segment itself."""

    name: str
    init: bytes
    init_hash: str
    parts: tuple[PartReport, ...]
    quality: float | None = None
    """If it was asked for, and there were pictures enough."""

    @property
    def size_bytes(self) -> int:
        """All parts together."""
        return sum(part.size_bytes for part in self.parts)


class TaskProgress(Value, frozen=True, kw_only=True, tag="progress"):
    """The child is alive: so many of so many frames are encoded."""

    done: int
    total: int


class UnitReport(Value, frozen=True, kw_only=True, tag="unit"):
    """A unit is encoded and checked; `start` and `end` are ticks of the timeline."""

    frames: int
    start: int
    end: int
    renditions: tuple[RenditionReport, ...]
    thumbnails: str | None = None
    """File name of the bundle of small pictures."""
    warnings: tuple[str, ...] = ()
    encode_s: float = 0.0
    held: bool = False
    """It repeats the film's last frame; `frames` is 0 then."""


class QualityTask(Value, frozen=True, kw_only=True):
    """Measure how alike some frames of these bundles are after encoding them at some qualities."""

    bundles: tuple[str, ...]
    recipe: Recipe
    crfs: tuple[tuple[int, ...], ...]
    """By rendition: the qualities to try."""
    metric: str = "ssim"
    frames: int | None = None
    """So many are compared at most, of all bundles together; None for a twentieth of these bundles."""
    threads: int = 1
    max_pixels: int = 1 << 26


class QualityReport(Value, frozen=True, kw_only=True, tag="quality"):
    """Means over all sampled frames, in the order of the task's renditions and qualities."""

    values: tuple[tuple[float, ...], ...]


class TaskFailed(Value, frozen=True, kw_only=True, tag="failed"):
    """The task cannot be done, and the child knows why."""

    message: str
    category: str
    action: str = ""
    permanent: bool = True

    def error(self) -> CinelogError:
        """Return this as the error that the service raises."""
        kind = PermanentError if self.permanent else TransientError
        return kind(self.message, category=Category(self.category), action=self.action)


Report = TaskProgress | UnitReport | QualityReport | TaskFailed
_REPORTS = msgspec.msgpack.Decoder(Report)


def decode_report(data: bytes) -> Report:
    """Return what a child sent.

    Raises:
        msgspec.DecodeError: It is no report.
    """
    report: Report = _REPORTS.decode(data)
    return report


def failed(error: CinelogError) -> TaskFailed:
    """Return `error` as a report."""
    return TaskFailed(
        message=error.message,
        category=error.category,
        action=error.action,
        permanent=isinstance(error, PermanentError),
    )
