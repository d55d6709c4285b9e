"""Init segments: from an opened encoder and its recipe, or from a stream that is passed through.

Written box by box instead of by libavformat: an init that a muxer takes from a segment says things
about that segment (one that starts at 4 s carried an empty edit of 4 s), while ours depends on the
recipe alone. The objects that come in are PyAV's, but this module runs without importing it, so
that the processes that only join can read inits too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cinelog_common.cmaf import configurations as codec
from cinelog_common.cmaf import nal, obu
from cinelog_common.cmaf.boxes import BoxError, box
from cinelog_common.cmaf.headers import (
    LightLevel,
    Mastering,
    TrackHeader,
    VideoPresentation,
    audio_entry,
    init_segment,
    rotation_matrix,
    visual_entry,
)
from cinelog_common.cmaf.initinfo import InitInfo, codec_string, init_info, parameter_hash
from cinelog_common.errors import Category, PermanentError

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioStream, VideoCodecContext, VideoStream

__all__ = [
    "CopyHints",
    "InitInfo",
    "LightLevel",
    "Mastering",
    "UnsupportedTrackError",
    "VideoPresentation",
    "audio_init",
    "codec_string",
    "copy_init",
    "init_info",
    "parameter_hash",
    "video_init",
]


class UnsupportedTrackError(PermanentError):
    """A track that MP4 cannot hold, or whose codec did not say what MP4 must repeat."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, category=Category.UNSUPPORTED_MEDIA, action="Choose a profile that encodes this track."
        )


class CopyHints(msgspec.Struct, frozen=True, kw_only=True):
    """What a passed-through stream does not say by itself.

    Attributes:
        first_packet: Names parameters that some containers leave to the stream (ADTS, AC-3,
            H.264 without extradata).
        priming: Samples of sound before the first audible one, in ticks of the track.
        presentation: Overrides what the stream says about its pictures (rotation, HDR).
    """

    first_packet: bytes | None = None
    priming: int = 0
    language: str = "und"
    presentation: VideoPresentation | None = None


def video_init(encoder: VideoCodecContext, timescale: int, show: VideoPresentation) -> bytes:
    """The init segment of everything that `encoder`'s recipe makes.

    The encoder must be open, with global headers (`flags |= Flags.global_header`).

    Raises:
        UnsupportedTrackError: A codec without a form in MP4, or an encoder without headers.
    """
    return _video(encoder, timescale, show, first_packet=None)


def audio_init(encoder: AudioCodecContext, sample_rate: int, priming: int, *, language: str = "und") -> bytes:
    """The init segment of a continuous sound encode; the timescale is `sample_rate`.

    Priming is said once, as an edit list of duration 0 (to the end) from media time `priming`
    (14496-12 8.6.6): unsignalled it is heard as 21 ms of delay.

    Raises:
        UnsupportedTrackError: As `video_init`.
    """
    return _audio(encoder, sample_rate, CopyHints(priming=priming, language=language))


def copy_init(stream: VideoStream | AudioStream, timescale: int, hints: CopyHints | None = None) -> bytes:
    """The init segment of a demuxed stream that is passed through unchanged.

    Raises:
        UnsupportedTrackError: A codec that MP4 cannot hold, or parameters that are missing.
    """
    hints = hints or CopyHints()
    if stream.type == "audio":
        return _audio(stream.codec_context, timescale, hints)
    show = hints.presentation or presentation_of(stream, language=hints.language)
    return _video(stream.codec_context, timescale, show, first_packet=hints.first_packet)


def presentation_of(stream: VideoStream, *, language: str = "und", rotation: int = 0) -> VideoPresentation:
    """What a demuxed stream says about its pictures; its rotation is known from frames only."""
    context = stream.codec_context
    aspect = stream.sample_aspect_ratio
    return VideoPresentation(
        width=context.width,
        height=context.height,
        sar=(aspect.numerator, aspect.denominator) if aspect else (1, 1),
        rotation=rotation,
        primaries=context.color_primaries,
        transfer=context.color_trc,
        matrix=context.colorspace,
        full_range=context.color_range == 2,
        language=language,
    )


def _video(
    context: VideoCodecContext, timescale: int, show: VideoPresentation, *, first_packet: bytes | None
) -> bytes:
    name = context.codec.canonical_name
    try:
        kind, configuration = _visual_configuration(context, show, first_packet)
    except BoxError as error:
        raise UnsupportedTrackError(f"The {name} track cannot be put into MP4: {error}.") from error
    numerator, denominator = show.sar
    size = (show.width * numerator / denominator, float(show.height))
    header = TrackHeader(
        handler=b"vide",
        timescale=timescale,
        size=size,
        matrix=rotation_matrix(show.rotation, size),
        language=show.language,
    )
    return init_segment(header, visual_entry(kind, show, configuration))


def _visual_configuration(
    context: VideoCodecContext, show: VideoPresentation, first_packet: bytes | None
) -> tuple[bytes, bytes]:
    extradata = context.extradata or first_packet or b""
    match context.codec.canonical_name:
        case "h264":
            record = nal.avc_configuration(extradata) if nal.is_annex_b(extradata) else extradata
            return b"avc1", box(b"avcC", _checked(record))
        case "hevc":
            if nal.is_annex_b(extradata):
                return b"hvc1", box(b"hvcC", nal.hevc_configuration(extradata))
            return b"hvc1", box(b"hvcC", nal.hevc_without_sei(_checked(extradata)))
        case "av1":
            # av1C itself has its marker bit set; a bare sequence header unit never has.
            record = extradata if extradata[:1] == b"\x81" else obu.av1_configuration(extradata)
            return b"av01", box(b"av1C", record)
        case "vp9":
            return b"vp09", codec.vp9(_vp9_shape(context, show))
        case "mpeg4":
            return b"mp4v", codec.esds(codec.OBJECT_MPEG4_VIDEO, extradata)
        case "mpeg2video":
            return b"mp4v", codec.esds(codec.OBJECT_MPEG2_VIDEO, context.extradata or b"")
        case name:
            raise UnsupportedTrackError(f"MP4 holds no {name} video.")


def _checked(record: bytes) -> bytes:
    if len(record) < 7 or record[0] != 1:
        raise BoxError("the decoder configuration is missing")
    return record


def _vp9_shape(context: VideoCodecContext, show: VideoPresentation) -> codec.Vp9Shape:
    pixels = context.format
    if pixels is None:
        raise BoxError("the pixel format is unknown")
    luma, chroma = pixels.components[0], pixels.components[1]
    return codec.Vp9Shape(
        width=show.width,
        height=show.height,
        frames_per_second=float(context.framerate or 30),
        bit_depth=luma.bits,
        subsampling=(int(chroma.width < luma.width), int(chroma.height < luma.height)),
        colours=(show.primaries, show.transfer, show.matrix),
        full_range=show.full_range,
    )


def _audio(context: AudioCodecContext, timescale: int, hints: CopyHints) -> bytes:
    name = context.codec.canonical_name
    try:
        kind, configuration = _sound_configuration(context, hints.first_packet)
    except BoxError as error:
        raise UnsupportedTrackError(f"The {name} track cannot be put into MP4: {error}.") from error
    header = TrackHeader(
        handler=b"soun", timescale=timescale, language=hints.language, media_time=hints.priming
    )
    # Opus in ISOBMFF 4.3.1: always 48 kHz, whatever the input was.
    rate = 48000 if kind == b"Opus" else context.sample_rate
    entry = audio_entry(kind, channels=context.channels, sample_rate=rate, configuration=configuration)
    return init_segment(header, entry)


def _sound_configuration(context: AudioCodecContext, first_packet: bytes | None) -> tuple[bytes, bytes]:
    extradata = context.extradata or b""
    shape = codec.SoundShape(
        channels=context.channels,
        sample_rate=context.sample_rate,
        bit_rate=context.bit_rate or 0,
        lfe=any(channel.name.startswith("LFE") for channel in context.layout.channels),
    )
    match context.codec.canonical_name:
        case "aac":
            specific = extradata or _aac_specific(context, first_packet)
            return b"mp4a", codec.esds(codec.OBJECT_AAC, specific)
        case "mp3":
            low = context.sample_rate < 32000
            return b"mp4a", codec.esds(codec.OBJECT_MPEG2_MP3 if low else codec.OBJECT_MP3)
        case "ac3":
            return b"ac-3", codec.ac3(shape, first_packet)
        case "eac3":
            return b"ec-3", codec.eac3(shape, first_packet)
        case "opus":
            return b"Opus", codec.opus(extradata)
        case "flac":
            return b"fLaC", codec.flac(extradata)
        case "alac":
            return b"alac", codec.alac(extradata)
        case name:
            raise UnsupportedTrackError(f"MP4 holds no {name} sound.")


def _aac_specific(context: AudioCodecContext, first_packet: bytes | None) -> bytes:
    if first_packet is not None:
        return codec.aac_configuration_of_adts(first_packet)
    # HE-AAC in ADTS is signalled implicitly: the configuration names the AAC-LC core (14496-3 1.6.5).
    doubled = str(context.profile).startswith("HE-AAC")
    object_type = {"Main": 1, "SSR": 3, "LTP": 4}.get(str(context.profile), 2)
    rate = context.sample_rate // 2 if doubled else context.sample_rate
    return codec.aac_configuration(object_type=object_type, sample_rate=rate, channels=context.channels)
