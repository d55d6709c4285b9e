"""Every event: a fact, in the past tense. The union is closed; a new meaning is a new type."""

from typing import ClassVar

from cinelog_common.contract.quality import RenditionQuality
from cinelog_common.contract.values import (
    AudioInfo,
    Chapter,
    EncodedRendition,
    Failure,
    Loudness,
    Options,
    Output,
    Recipe,
    Source,
    Subtitle,
    Track,
    Value,
    VideoInfo,
)
from cinelog_common.ids import name_id


class Event(Value, frozen=True, kw_only=True):
    """A fact about one run of one job."""

    type: ClassVar[str] = ""

    job: str
    run: int = 1
    attempt: int = 0

    def subject(self) -> tuple[str | int, ...]:
        """What within the run this is about; part of the event's id."""
        return ()

    @property
    def id(self) -> str:
        """The same for the same fact, whoever announces it and however often."""
        return name_id(self.type, self.job, self.run, *self.subject(), self.attempt)


class JobRequested(Event, frozen=True, kw_only=True):
    """Somebody wants this source as playable video."""

    type = "cinelog.job.requested.v1"
    source: Source
    options: Options = Options()
    account: str = "local"
    requested_ms: int = 0
    fingerprint: str = ""
    """Digest of the request's body: another body under the same job id is a conflict."""


class SourceProbed(Event, frozen=True, kw_only=True):
    """The source was opened, and this is what it holds."""

    type = "cinelog.source.probed.v1"
    fingerprint: str
    container: str
    title: str = ""
    duration_s: float | None = None
    size_bytes: int | None = None
    inputs: int = 1
    video: VideoInfo | None = None
    audio: tuple[AudioInfo, ...] = ()
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    cover_key: str = ""
    """A picture that the source carries for itself, JPEG or PNG, in the object store."""
    warnings: tuple[str, ...] = ()


class RecipeChosen(Event, frozen=True, kw_only=True):
    """How the picture is encoded from unit `since` on; of each step, the first in the log holds."""

    type = "cinelog.recipe.chosen.v1"
    recipe: Recipe
    warnings: tuple[str, ...] = ()
    step: int = 0
    """Counts the run's recipes: each but the first takes the place of one whose encoder stopped working."""
    since: int = 0

    def subject(self) -> tuple[str | int, ...]:
        """The step, after the first."""
        return (self.step,) if self.step else ()


class SegmentReady(Event, frozen=True, kw_only=True):
    """The packets of work unit `n` are stored."""

    type = "cinelog.segment.ready.v1"
    n: int
    key: str
    start: int
    end: int
    frames: int
    size_bytes: int
    generation: int = 0

    def subject(self) -> tuple[str | int, ...]:
        """The unit and its generation."""
        return (self.n, self.generation)


class PlanRevised(Event, frozen=True, kw_only=True):
    """Units `first`…`last` were found not to be separable: `first`, in a new generation, holds them all."""

    type = "cinelog.plan.revised.v1"
    revision: int
    first: int
    last: int
    generation: int
    since: int | None = None
    """Its decoding begins with the packets of this unit; None for its own."""

    def subject(self) -> tuple[str | int, ...]:
        """The revision's number."""
        return (self.revision,)


class TrackOpened(Event, frozen=True, kw_only=True):
    """A stream begins that download delivers as finished fragments."""

    type = "cinelog.track.opened.v1"
    track: Track

    def subject(self) -> tuple[str | int, ...]:
        """The track and how it is made."""
        return (self.track.name, self.track.recipe)


class TrackSegmentReady(Event, frozen=True, kw_only=True):
    """Fragment `n` of a track is stored."""

    type = "cinelog.track.segment-ready.v1"
    track: str
    recipe: str
    n: int
    key: str
    start: int
    end: int
    size_bytes: int

    def subject(self) -> tuple[str | int, ...]:
        """The track, how it is made, and the fragment."""
        return (self.track, self.recipe, self.n)


class TrackEnded(Event, frozen=True, kw_only=True):
    """A track has no further fragments."""

    type = "cinelog.track.ended.v1"
    track: str
    recipe: str
    segments: int
    end: int
    loudness: Loudness | None = None
    """Of what was encoded; None for silence, for what was passed through, and for a picture."""

    def subject(self) -> tuple[str | int, ...]:
        """The track and how it is made."""
        return (self.track, self.recipe)


class SourceEnded(Event, frozen=True, kw_only=True):
    """All inputs have ended; every unit and track was announced before."""

    type = "cinelog.source.ended.v1"
    units: int
    tracks: tuple[str, ...]
    size_bytes: int
    duration_s: float
    warnings: tuple[str, ...] = ()
    subtitles: tuple[Subtitle, ...] = ()
    """Their cue sheets are stored."""


class SegmentEncoded(Event, frozen=True, kw_only=True):
    """Work unit `n` is encoded in every rendition of its recipe."""

    type = "cinelog.segment.encoded.v1"
    n: int
    recipe: str
    parts: int
    frames: int
    renditions: tuple[EncodedRendition, ...]
    generation: int = 0
    worker: str = ""
    encode_s: float = 0.0
    warnings: tuple[str, ...] = ()
    """Stretches of the source that are damaged and were encoded as far as they could be decoded."""

    def subject(self) -> tuple[str | int, ...]:
        """The unit, its generation and its recipe."""
        return (self.n, self.generation, self.recipe)


class PlaylistExtended(Event, frozen=True, kw_only=True):
    """The live playlist now covers the first `units` units and `tracks` fragments."""

    type = "cinelog.playlist.extended.v1"
    version: int
    units: int
    tracks: dict[str, int]
    key: str
    ended: bool = False
    """The playlist is complete: nothing will follow."""

    def subject(self) -> tuple[str | int, ...]:
        """The playlist's version."""
        return (self.version,)


class OutputAssembled(Event, frozen=True, kw_only=True):
    """The segments were joined without re-encoding, and the result was checked."""

    type = "cinelog.output.assembled.v1"
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...] = ()
    quality: tuple[RenditionQuality, ...] = ()
    """If it was asked for, of every rendition that could be measured."""


class JobCompleted(Event, frozen=True, kw_only=True):
    """The manifest names a result: the run has ended."""

    type = "cinelog.job.completed.v1"
    manifest_key: str
    outputs: tuple[Output, ...]
    warnings: tuple[str, ...] = ()


class JobFailed(Event, frozen=True, kw_only=True):
    """The manifest is a tombstone that says why: the run has ended."""

    type = "cinelog.job.failed.v1"
    failure: Failure


class JobCancelRequested(Event, frozen=True, kw_only=True):
    """Somebody wants the run to stop."""

    type = "cinelog.job.cancel-requested.v1"


class JobCancelled(Event, frozen=True, kw_only=True):
    """The manifest is a tombstone: the run was cancelled."""

    type = "cinelog.job.cancelled.v1"


class JobRetried(Event, frozen=True, kw_only=True):
    """Somebody wants the job again: `run` is the new run."""

    type = "cinelog.job.retried.v1"


class JobTicked(Event, frozen=True, kw_only=True):
    """Time passed, and these commands are lost: committed past, or out of the log, without an outcome."""

    type = "cinelog.job.ticked.v1"
    tick: int
    lost: tuple[str, ...] = ()
    """Ids of commands."""

    def subject(self) -> tuple[str | int, ...]:
        """The tick's number."""
        return (self.tick,)


class WorkFailed(Event, frozen=True, kw_only=True):
    """One attempt at a command ended without its outcome. The ledger alone decides on another."""

    type = "cinelog.work.failed.v1"
    command: str
    """The command's kind, as `Command.kind`."""
    work: str
    """What the command was about, as `Command.work`."""
    failure: Failure
    permanent: bool = False
    retry_after_s: float | None = None
    worker: str = ""

    def subject(self) -> tuple[str | int, ...]:
        """The command's kind and what it was about."""
        return (self.command, self.work)


class JobDeleted(Event, frozen=True, kw_only=True):
    """The job and everything it made are to go."""

    type = "cinelog.job.deleted.v1"


EVENTS: tuple[type[Event], ...] = (
    JobRequested,
    SourceProbed,
    RecipeChosen,
    SegmentReady,
    PlanRevised,
    TrackOpened,
    TrackSegmentReady,
    TrackEnded,
    SourceEnded,
    SegmentEncoded,
    PlaylistExtended,
    OutputAssembled,
    JobCompleted,
    JobFailed,
    JobCancelRequested,
    JobCancelled,
    JobRetried,
    JobTicked,
    WorkFailed,
    JobDeleted,
)
EVENT_TYPES: dict[str, type[Event]] = {event.type: event for event in EVENTS}
