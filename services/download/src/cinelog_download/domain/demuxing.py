"""What the demuxing child and its parent tell each other. Values only, so that both ends stay light.

Messages carry a tag; every message from the child is one of `Told`, every answer an `Extent`.
Times are ticks of the picture's time base on the job's timeline, unless a field says otherwise.
"""

import msgspec
from cinelog_common.contract.values import AudioInfo, AudioRecipe, Chapter, Hold, Loudness, Value, VideoInfo


class Limits(Value, frozen=True, kw_only=True):
    """What a source may be at most; more is refused with `LIMIT_EXCEEDED`."""

    pixels: int = 8192 * 4320
    duration_s: float = 24 * 3600.0
    frames: int = 24 * 3600 * 240
    """Pictures of the film."""
    streams: int = 64
    units: int = 20_000
    sounds: int = 8
    """Sound tracks that are used; further ones are left out, and a warning says so."""
    texts: int = 32
    """Subtitle tracks that are used; further ones are left out, and a warning says so."""


class InputFile(Value, frozen=True, kw_only=True):
    """A part file that is being filled, and its final size where that is known."""

    path: str
    size_bytes: int | None = None
    kind: str = ""
    """`video`, `audio` or `both`: what it was fetched for; empty if nothing says so."""
    language: str = ""
    title: str = ""
    """Of its sound, where the file itself does not say."""
    in_pieces: bool = False
    """Whether it may be made of several stretches, each with a header and timestamps of its own."""
    duration_s: float | None = None
    """How long the list of its pieces says that it is."""


class TextPart(Value, frozen=True, kw_only=True):
    """A file of a track that comes in several, and what it covers of the film."""

    path: str
    origin_s: float = 0.0
    """What the clock of its cues shows where it begins."""
    begins_s: float = 0.0
    """Where on the film's timeline it begins."""
    lasts_s: float | None = None
    """What cues say behind that is not shown; None: it has no end."""


class TextFile(Value, frozen=True, kw_only=True):
    """A whole subtitle file, and what is said of it elsewhere."""

    path: str
    form: str
    """`vtt`, `srt`, `ass`, or `mp4` for samples of WebVTT."""
    language: str = "und"
    title: str = ""
    forced: bool = False
    hearing_impaired: bool = False
    parts: tuple[TextPart, ...] = ()
    """What there is instead of `path`, if anything."""


class DemuxOrder(Value, frozen=True, kw_only=True):
    """One source to be taken apart; the child's first frame.

    `folder` is an existing, empty scratch folder for what the child writes. The child gives each
    file up when it has told of it: whoever reads the message owns the file.
    """

    job: str
    run: int
    inputs: tuple[InputFile, ...]
    audio: AudioRecipe
    folder: str
    video: str = "bundles"
    segment_s: float = 4.0
    max_segment_s: float = 8.0
    regenerate: dict[str, int] = {}
    holds: tuple[Hold, ...] = ()
    limits: Limits = Limits()
    salvage: bool = False
    """Whether a source that breaks off is delivered as far as it goes, with a warning."""
    probe: bool = False
    """Only look: tell `Probed`, and `Finished` with what is expected, and write nothing."""
    subtitles: str = "none"
    """Of the inputs: `all`, `none`, or those in some languages."""
    texts: tuple[TextFile, ...] = ()
    """Without any input: subtitle files to be read, and nothing else."""
    zero_s: float = 0.0
    """What the clock of the film's transport stream shows at the timeline's zero: `texts` may go by it."""


class Told(Value, frozen=True, kw_only=True, tag_field="told"):
    """Base of what the child says."""


class Needed(Told, frozen=True, kw_only=True, tag="needed"):
    """The child waits for bytes of input `input` from `start` on; the answer is an `Extent`.

    It is in the stretch that begins at `base`.
    """

    input: int
    start: int
    length: int
    base: int = 0


class StreamSeen(Value, frozen=True, kw_only=True):
    """One stream of an input; `used` if something is made of it."""

    input: int
    kind: str
    codec: str
    used: bool = False
    language: str = "und"
    title: str = ""
    width: int = 0
    height: int = 0
    channels: int = 0
    sample_rate: int = 0
    bitrate_bps: int = 0


class Probed(Told, frozen=True, kw_only=True, tag="probed"):
    """What the source holds; told first, once."""

    container: str
    duration_s: float | None = None
    video: VideoInfo | None = None
    audio: tuple[AudioInfo, ...] = ()
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    streams: tuple[StreamSeen, ...] = ()
    """Every stream; told only where looking is all that is asked."""
    warnings: tuple[str, ...] = ()


class CoverFound(Told, frozen=True, kw_only=True, tag="cover"):
    """The picture that the source carries for itself lies at `path`; told before `Probed`, if at all."""

    path: str


class UnitCut(Told, frozen=True, kw_only=True, tag="unit"):
    """The bundle of unit `n` lies at `path`."""

    n: int
    generation: int
    start: int
    end: int
    frames: int
    path: str
    size_bytes: int


class TrackBegun(Told, frozen=True, kw_only=True, tag="track"):
    """A track of finished fragments begins; its init segment lies at `init_path`."""

    name: str
    kind: str
    codec: str
    init_path: str
    init_hash: str
    timescale: int
    language: str = "und"
    title: str = ""
    channels: int = 0
    sample_rate: int = 0
    bitrate_bps: int = 0
    width: int = 0
    height: int = 0
    frame_rate: tuple[int, int] = (0, 1)
    time_base: tuple[int, int] = (0, 1)


class FragmentCut(Told, frozen=True, kw_only=True, tag="fragment"):
    """Fragment `n` of a track lies at `path`; `start` and `end` are ticks of the track's timescale."""

    track: str
    n: int
    start: int
    end: int
    frames: int
    path: str
    size_bytes: int
    checksum: int


class TrackDone(Told, frozen=True, kw_only=True, tag="track-done"):
    """A track has no further fragments; `end` is in ticks of its timescale."""

    track: str
    segments: int
    end: int
    loudness: Loudness | None = None


class TextFound(Told, frozen=True, kw_only=True, tag="text"):
    """The cue sheet of one subtitle track lies at `path`."""

    path: str
    cues: int
    language: str = "und"
    title: str = ""
    default: bool = False
    forced: bool = False
    hearing_impaired: bool = False


class Finished(Told, frozen=True, kw_only=True, tag="finished"):
    """Everything was told; the child's last message if nothing went wrong."""

    units: int
    duration_s: float
    tracks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    zero_s: float = 0.0
    """What the clock of a transport stream showed at the timeline's zero."""


class Refused(Told, frozen=True, kw_only=True, tag="refused"):
    """The source cannot be taken apart, and why; the child's last message."""

    category: str
    message: str
    action: str = ""
    transient: bool = False


Message = (
    Needed
    | CoverFound
    | Probed
    | UnitCut
    | TrackBegun
    | FragmentCut
    | TrackDone
    | TextFound
    | Finished
    | Refused
)


class Extent(Value, frozen=True, kw_only=True):
    """The answer to `Needed`: bytes are there up to `end`.

    `end` at or before the wanted start says that the input, or the stretch, ends there; `size_bytes` is the
    input's size once known.
    """

    end: int
    size_bytes: int | None = None
    following: int | None = None
    """The number of the stretch that begins at `end`."""


_MESSAGES: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode(value: Value) -> bytes:
    """Return `value` as a frame."""
    return msgspec.msgpack.encode(value)


def decode_message(frame: bytes) -> Message:
    """Return what the child said.

    Raises:
        msgspec.DecodeError: It is no message of ours.
    """
    return _MESSAGES.decode(frame)
