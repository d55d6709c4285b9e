"""Values that events and commands share. Fields are only ever added, with defaults.

Times of media are integers in a `time_base` (numerator, denominator of a
second) on the job's one timeline, which starts at zero with the first frame.
"""

import hashlib
from functools import lru_cache

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything that is encoded: immutable; unknown fields are ignored."""


class Source(Value, frozen=True, kw_only=True):
    """Where the media come from: an http(s) URL, a page, a `file:` URL or path, an object key."""

    url: str
    headers: dict[str, str] = {}
    format: str | None = None
    """A yt-dlp format expression, for pages."""
    cookies_file: str | None = None
    """A path on the machine that fetches, never the cookies themselves: only `cinelog run` names one."""
    cookies_from_browser: str | None = None
    """`BROWSER[+KEYRING][:PROFILE][::CONTAINER]` on the machine that fetches; only from `cinelog run`."""


class Options(Value, frozen=True, kw_only=True):
    """What the user asked for. Empty fields take the profile's values."""

    profile: str = "web"
    height: int | None = None
    codec: str | None = None
    containers: tuple[str, ...] | None = None
    preset: str | None = None
    crf: int | None = None
    audio_bitrate_k: int | None = None
    hardware: str = "auto"
    vendor: str | None = None
    priority: str = "normal"
    segment_s: float | None = None
    verify: str = "seams"
    target_ssim: float | None = None
    """Structural similarity to reach: the constant quality is then found on the first segments."""
    target_xpsnr: float | None = None
    """The same in dB of XPSNR, instead of `target_ssim`."""
    measure_quality: bool = False
    """Whether to measure the result, without any target; with one it is measured anyway."""
    normalize: float | None = None
    """Loudness in LUFS that the sound is brought near; None leaves it as it is."""
    destination: str | None = None
    """A folder on the storage service's machine; None leaves the result in the object store."""
    title: str | None = None
    on_damage: str = "fail"
    """What to do with a source that is partly broken: `fail`, or `salvage` what can be shown."""
    audio_format: str | None = None
    """Of the profile `audio`: the file that is made, `m4a`, `mp3` or `opus`."""
    subtitles: str = "all"
    """`all` text subtitles of the source, `none`, or those in some languages: `en,pt-BR`."""
    field_rate: bool = False
    """Whether each field of an interlaced source becomes a picture: 50 a second of 25 frames."""


class VideoInfo(Value, frozen=True, kw_only=True):
    """What the container and the codec say of the picture."""

    codec: str
    width: int
    height: int
    time_base: tuple[int, int]
    frame_rate: tuple[int, int] = (0, 1)
    pixel_format: str = "yuv420p"
    bit_depth: int = 8
    sample_aspect: tuple[int, int] = (1, 1)
    rotation: int = 0
    """Degrees clockwise the picture must be turned for display: 0, 90, 180, 270."""
    field_order: str = "progressive"
    color_range: int = 0
    color_primaries: int = 2
    color_transfer: int = 2
    color_matrix: int = 2
    """The three above: code points of ITU-T H.273; 2 is unspecified. Range: 0 unknown, 1 limited, 2 full."""
    language: str = "und"


class AudioInfo(Value, frozen=True, kw_only=True):
    """What the container and the codec say of one sound track."""

    codec: str
    sample_rate: int
    channels: int
    layout: str = ""
    language: str = "und"
    title: str = ""


class Chapter(Value, frozen=True, kw_only=True):
    """A named stretch of the source."""

    start_s: float
    end_s: float
    title: str


class Loudness(Value, frozen=True, kw_only=True):
    """How loud a sound track is (EBU R128)."""

    integrated_lufs: float
    """Over the whole track."""
    range_lu: float
    """Between quiet and loud passages (EBU Tech 3342)."""
    true_peak_dbtp: float
    """The highest peak, between samples too; above 0 it is clipped when it is played."""


class AudioRecipe(Value, frozen=True, kw_only=True):
    """How every sound track is made; known before the source is, so `FetchSource` carries it."""

    mode: str = "encode"
    """`encode`, `copy` (as it is, where the container can hold it) or `none`."""
    codec: str = "aac"
    """`aac`, `opus` or `mp3`."""
    bitrate_k: int = 128
    loudness_lufs: float | None = None
    """Brought near this loudness; None leaves it as it is."""

    @property
    def hash(self) -> str:
        """Name of this recipe in object keys."""
        return recipe_hash(self)


class Rendition(Value, frozen=True, kw_only=True):
    """One size of the picture."""

    name: str
    width: int
    height: int
    crf: int
    max_rate_k: int
    level: str = ""

    @property
    def buffer_k(self) -> int:
        """Kilobits by which a work unit of any length may exceed its share of `max_rate_k`: half a second."""
        return self.max_rate_k // 2


class Recipe(Value, frozen=True, kw_only=True):
    """Everything that fixes what an encoder makes, so that all segments fit one init segment."""

    family: str
    """The vendor's pool: cpu, nvidia, intel, amd, apple."""
    encoder: str
    codec: str
    preset: str
    pixel_format: str
    time_base: tuple[int, int]
    frame_rate: tuple[int, int]
    renditions: tuple[Rendition, ...]
    max_segment_s: float
    version: str = ""
    sample_aspect: tuple[int, int] = (1, 1)
    rotation: int = 0
    deinterlace: bool = False
    field_rate: bool = False
    """Whether deinterlacing makes a picture of each field; `frame_rate` is then twice the source's."""
    color_range: int = 0
    color_primaries: int = 2
    color_transfer: int = 2
    color_matrix: int = 2
    language: str = "und"

    @property
    def hash(self) -> str:
        """Name of this recipe in object keys."""
        return recipe_hash(self)

    @property
    def timescale(self) -> int:
        """Ticks per second in the segments: a tick of `picture_base` is `time_base[0]` of these."""
        return self.time_base[1] * self.pictures_per_tick

    @property
    def pictures_per_tick(self) -> int:
        """How finely pictures divide the source's tick: a second field is shown between two ticks."""
        return 2 if self.field_rate else 1

    @property
    def picture_base(self) -> tuple[int, int]:
        """Seconds per tick of the encoded pictures; `time_base` is that of the source's frames."""
        return self.time_base[0], self.timescale


@lru_cache(maxsize=256)
def recipe_hash(recipe: Recipe | AudioRecipe) -> str:
    """Return 16 hex digits that change with any field of `recipe`."""
    document = msgspec.json.encode(msgspec.to_builtins(recipe), order="deterministic")
    return hashlib.blake2b(document, digest_size=8).hexdigest()


class EncodedRendition(Value, frozen=True, kw_only=True):
    """What one work unit became in one rendition."""

    name: str
    init_hash: str
    size_bytes: int
    peak_bps: int = 0
    quality: float | None = None
    """If it was asked for, and there were pictures enough: in the unit of its metric."""


class Output(Value, frozen=True, kw_only=True):
    """One file or playlist of a result."""

    kind: str
    """mp4, hls, webm, audio, subtitles, poster, sprite, metadata or manifest."""
    key: str
    size_bytes: int = 0
    path: str | None = None
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    duration_s: float | None = None
    language: str | None = None
    """ISO 639-2, of subtitles."""


class Failure(Value, frozen=True, kw_only=True):
    """Why something failed, for people and for programs."""

    category: str
    message: str
    action: str = ""


class Hold(Value, frozen=True, kw_only=True):
    """What unit `n` holds when it is stored again, because its packets did not yield what they should."""

    n: int
    last: int
    """The last of the units whose pictures it holds: its own number, or a later one's."""
    since: int
    """Its decoding begins where that of this unit did: at its own packets, or with an earlier one's."""


class Track(Value, frozen=True, kw_only=True):
    """A stream that download delivers as finished fragments: sound, or a passed-through picture."""

    name: str
    """a0, a1, … or v0."""
    kind: str
    codec: str
    """As RFC 6381 spells it."""
    recipe: str
    init_key: str
    timescale: int
    language: str = "und"
    channels: int = 0
    sample_rate: int = 0
    bitrate_bps: int = 0
    width: int = 0
    height: int = 0
    frame_rate: tuple[int, int] = (0, 1)
    time_base: tuple[int, int] = (0, 1)
    title: str = ""
    """What the source calls it."""
    loudness: Loudness | None = None
    """Known when the track has ended."""


class Subtitle(Value, frozen=True, kw_only=True):
    """One track of text subtitles; its cues lie in a `CueSheet`."""

    name: str
    """s0, s1, …"""
    key: str
    """Of the cue sheet, until the run has ended."""
    language: str = "und"
    title: str = ""
    """What the source calls it."""
    default: bool = False
    """Whether the source wants it to be shown unasked."""
    forced: bool = False
    """Whether it only translates what would not be understood otherwise."""
    hearing_impaired: bool = False
    cues: int = 0
