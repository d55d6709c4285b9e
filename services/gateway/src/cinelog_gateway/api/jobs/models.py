"""What goes in and out of `/api/v1/jobs`, as the OpenAPI document shows it."""

from typing import Annotated, Any, Self

import msgspec
from cinelog_common.contract import options as contract
from cinelog_common.contract.quality import quality_document
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.contract.values import Output
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
)

from cinelog_gateway.api.errors import Problem
from cinelog_gateway.domain.paging import JobPage
from cinelog_gateway.domain.paths import files_url


def _printable(text: str) -> str:
    # Half of a surrogate pair and NUL are legal in JSON, and cannot be stored.
    if any(char < " " or "\ud800" <= char <= "\udfff" or char == "\x7f" for char in text):
        raise ValueError("it holds control characters, or what is no character")
    return text


Text = Annotated[StrictStr, AfterValidator(_printable)]


def _one_of(*names: str) -> dict[str, Any]:
    return {"enum": list(names)}


class SourceModel(BaseModel):
    """A source that needs more than its address."""

    model_config = ConfigDict(extra="forbid")

    url: Text
    headers: dict[Text, Text] = Field(default={}, description="Sent with every request to it.")
    format: Text | None = Field(default=None, description="A yt-dlp format expression, for pages.")


class OptionsModel(BaseModel):
    """How the result is made. What is left out takes the profile's value."""

    model_config = ConfigDict(extra="forbid")

    profile: Text = Field(default="web", json_schema_extra=_one_of(*contract.PROFILES))
    height: StrictInt | None = Field(
        default=None, description="Upper bound of the shorter side, 480 to 2160."
    )
    codec: Text | None = Field(default=None, json_schema_extra=_one_of(*contract.CODECS))
    containers: list[Text] | None = Field(default=None, description=f"Of {', '.join(contract.CONTAINERS)}.")
    preset: Text | None = Field(default=None, json_schema_extra=_one_of(*contract.PRESETS))
    crf: StrictInt | None = Field(default=None, description="Constant quality: lower is better and larger.")
    audio_bitrate_k: StrictInt | None = Field(default=None, description="kbit/s, 32 to 512.")
    audio_format: Text | None = Field(default=None, json_schema_extra=_one_of(*contract.AUDIO_FORMATS))
    normalize: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="Loudness in LUFS that the sound is brought near, -40 to -5."
    )
    subtitles: Text = Field(
        default="all", description="Text subtitles of the source: all, none, or languages: en,pt-BR."
    )
    hardware: Text = Field(default="auto", json_schema_extra=_one_of(*contract.HARDWARE))
    vendor: Text | None = Field(default=None, json_schema_extra=_one_of(*contract.VENDORS))
    priority: Text = Field(default="normal", json_schema_extra=_one_of(*contract.PRIORITIES))
    segment_s: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="Target length of a segment in seconds, 1 to 30."
    )
    target_ssim: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="Structural similarity to reach, 0.8 to 0.999: the crf is then found."
    )
    target_xpsnr: Annotated[StrictFloat, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="The same in dB of XPSNR, 25 to 60; instead of target_ssim."
    )
    measure_quality: StrictBool = Field(
        default=False, description="Compare a share of the result's pictures with the source."
    )
    on_damage: Text = Field(default="fail", json_schema_extra=_one_of(*contract.ON_DAMAGE))
    field_rate: StrictBool = Field(
        default=False,
        description="Of an interlaced source: a picture of each field, 50 a second of 25 frames.",
    )
    verify: Text = Field(default="seams", json_schema_extra=_one_of("seams", "full"))
    title: Text | None = Field(default=None, max_length=500, description="Instead of the source's own.")


def _form(value: object) -> str:
    # Without this choice, what is wrong would be told of both forms.
    return "object" if isinstance(value, dict | SourceModel) else "text"


_Source = Annotated[
    Annotated[Text, Field(min_length=1, max_length=8192), Tag("text")]
    | Annotated[SourceModel, Tag("object")],
    Discriminator(_form),
]


class SubmitModel(OptionsModel):
    """A request for a job. Options stand beside the source or under `options`; of both the former hold."""

    source: _Source = Field(
        description="An http(s) address of a file or of a page that holds a video; a path, where allowed."
    )
    options: OptionsModel | None = None

    def document(self) -> dict[str, Any]:
        """Return what was really sent, as plain values."""
        return self.model_dump(exclude_unset=True)


class OutputModel(BaseModel):
    """One file or playlist of a result."""

    kind: str = Field(description="mp4, hls, webm, audio, subtitles, poster, sprite, metadata or manifest.")
    key: str = Field(description="In the object store.")
    url: str | None = Field(description="Where it is read; null if it lies elsewhere.")
    size_bytes: int
    width: int | None
    height: int | None
    frames: int | None
    duration_s: float | None
    language: str | None = Field(description="ISO 639-2, of subtitles.")

    @classmethod
    def of(cls, output: Output, status: JobStatus) -> Self:
        """Return the face of an output of `status`."""
        return cls(
            kind=output.kind,
            key=output.key,
            url=files_url(status.job, status.run, output.key),
            size_bytes=output.size_bytes,
            width=output.width,
            height=output.height,
            frames=output.frames,
            duration_s=output.duration_s,
            language=output.language,
        )


class LinksModel(BaseModel):
    """Where the rest is; paths on this gateway."""

    self: str
    events: str = Field(
        description="A WebSocket: the current snapshot, then snapshots `{type: status, …}` and progress "
        "`{type: progress, stage, done, total, unit, …}` as they come, until the job has ended."
    )
    files: str = Field(description="Folder of this run's files; append a path such as `live/master.m3u8`.")
    playlist: str | None = Field(description="HLS, growing while the job runs; null before it can be played.")
    watch: str = Field(description="A page that plays it.")


class JobModel(BaseModel):
    """The latest snapshot of a job."""

    job: str
    run: int = Field(description="1, and one more for each retry.")
    state: str = Field(
        description=f"One of {', '.join(JobState)}; more may be added. "
        "completed, failed and cancelled are the ends."
    )
    version: tuple[int, int] = Field(description="Of two snapshots the one with the larger version is newer.")
    account: str
    fingerprint: str = Field(description="The same for requests that ask for the same.")
    source_url: str
    profile: str
    title: str
    created_ms: int
    updated_ms: int
    fraction: float = Field(description="How much of the run is done, 0 to 1.")
    duration_s: float | None
    units_ready: int
    units_encoded: int
    units: int | None
    playable: bool
    outputs: list[OutputModel]
    warnings: list[str]
    error: Problem | None
    timings_s: dict[str, float]
    quality: list[dict[str, Any]] = Field(
        description="Of each rendition, if asked for: metric, mean, lowest, target, missed, outliers, size."
    )
    links: LinksModel

    @classmethod
    def of(cls, status: JobStatus) -> Self:
        """Return the face of a snapshot."""
        plain = {name: getattr(status, name) for name in _PLAIN}
        return cls(
            **plain,
            outputs=[OutputModel.of(output, status) for output in status.outputs],
            quality=[quality_document(one) for one in status.quality],
            error=None if status.error is None else Problem(**msgspec.structs.asdict(status.error)),
            links=links_of(status),
        )


_PLAIN = frozenset(JobModel.model_fields) - {"outputs", "quality", "error", "links"}


class PageModel(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobModel]
    next: str | None = Field(description="Pass it as `after` for the following page; null on the last one.")

    @classmethod
    def of(cls, page: JobPage) -> Self:
        """Return the face of a page."""
        return cls(jobs=[JobModel.of(status) for status in page.jobs], next=page.next)


def links_of(status: JobStatus) -> LinksModel:
    """Return where the rest of a job is."""
    base = f"/api/v1/jobs/{status.job}"
    return LinksModel(
        self=base,
        events=f"{base}/events",
        files=files_url(status.job, status.run) or base,
        playlist=_playlist(status),
        watch=f"/watch/{status.job}",
    )


def _playlist(status: JobStatus) -> str | None:
    finished = next((output.key for output in status.outputs if output.kind == "hls"), None)
    key = (finished if status.state == JobState.COMPLETED else None) or status.playlist_key
    return files_url(status.job, status.run, key) if key else None
