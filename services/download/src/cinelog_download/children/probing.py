"""Opens a part file as far as it has arrived, and tells what it holds."""

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from cinelog_common.contract.values import AudioInfo, Chapter, VideoInfo
from cinelog_common.languages import three_letters
from cinelog_fastio import StreamParameters

from cinelog_download.children import refusals
from cinelog_download.children.reading import ArrivingFile
from cinelog_download.domain.containers import TS_PACKET, Layout, layout_of, missing_bytes
from cinelog_download.domain.cuetexts import is_text
from cinelog_download.domain.demuxing import Limits

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,live_flv,asf,asf_o,ogg,mp3,wav,w64,"
    "flac,aac,adts,ac3,eac3,dts,h264,hevc,av1,obu,ivf,m4v,mxf,gxf,dv,rm,nut,nsv,caf,aiff,amr,amrnb,amrwb,au,"
    "wv,ape,tta,truehd,mlp,yuv4mpegpipe,vc1,wtv,matroska,webm"
)
"""Containers of media only: none that refers to other files (playlists, concat) or to pictures on a disk."""
_MOST_TAGS, _MOST_CHAPTERS = 64, 1000
_OF_THE_FORM = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
"""Tags that tell who wrote the container and how; the result is written anew."""
_NAME_CHARS, _VALUE_CHARS = 200, 2000
"""All of it travels in one message, which has an end: some files carry books in their comments."""
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG")
_COVER_BYTES = 8 << 20
_TEXT_PICTURES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub"})
_FIELD_ORDERS = {0: "progressive", 1: "progressive", 2: "tt", 3: "bb", 4: "tb", 5: "bt"}
"""AVFieldOrder; what is not said is taken as progressive."""
_TOLD_BY_STREAM = frozenset({"mp4", "matroska"})
_CLOCK = re.compile(r"(\d{1,9}):(\d\d):(\d\d(?:\.\d{1,9})?)")


class Opened:
    """One input: its container and the streams that are used of it."""

    def __init__(self, file: ArrivingFile, container: InputContainer, layout: Layout) -> None:
        self.file = file
        self.container = container
        self.layout = layout
        self.video = _best_video(container)
        self.unreadable = self.video is None and any(map(_is_film, container.streams.video))
        """Whether it holds a picture, but none in a codec that is known."""
        self.audios = _audible(container)
        """Sound that can be decoded, the best track first, then as the container has them."""
        self.texts = [stream for stream in container.streams.subtitles if is_text(codec_of(stream))]
        """Subtitles that are text."""

    @property
    def duration_s(self) -> float | None:
        """How long the container says that it is."""
        duration = self.container.duration
        return duration / 1_000_000 if duration and duration > 0 else None

    @property
    def film_s(self) -> float | None:
        """How long picture and sound are, as far as the container says: its text may go on for hours.

        Matroska's durations count from its zero, which may lie long before the first picture.
        """
        whole = self.duration_s
        if whole is None or self.layout.family not in _TOLD_BY_STREAM:
            return whole
        used = [*([self.video] if self.video is not None else []), *self.audios]
        end = self.end_of(used) or whole
        start = self.container.start_time or 0 if self.layout.family == "matroska" else 0
        return max(0.0, end - max(0, start) / 1_000_000) or None

    def end_of(self, streams: Sequence[Stream]) -> float | None:
        """Return when the last of `streams` ends, as the container says; None if it does not of each."""
        ends = [end for stream in streams if (end := _said_end_s(stream)) is not None]
        if self.layout.family not in _TOLD_BY_STREAM or not ends or len(ends) < len(streams):
            return None
        return max(ends) if self.duration_s is None else min(self.duration_s, max(ends))


def open_input(file: ArrivingFile, limits: Limits, *, salvage: bool = False) -> Opened:
    """Open one input; reads no more than its index and the beginning. `salvage`: also what is cut off.

    Raises:
        PermanentError: NOT_MEDIA, PROTECTED, DAMAGED, LIMIT_EXCEEDED.
    """
    if not file.peek(0, 1):
        raise refusals.not_media(": it is empty")
    layout = layout_of(file.peek)
    if layout.protected:
        raise refusals.protected()
    file.jumps = layout.seekable
    if not salvage:
        check_bytes(file, layout)
    try:
        container = av.open(
            file,
            "r",
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
            io_open=_refuse_others,
            metadata_errors="replace",
            buffer_size=1 << 16,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _open_failed(layout, error) from error
    if len(container.streams) > limits.streams:
        detail = f"{len(container.streams)} streams, {limits.streams} allowed"
        raise refusals.over_limit(detail, refusals.MAX_STREAMS)
    opened = Opened(file, container, layout)
    if opened.film_s is not None and opened.film_s > limits.duration_s:
        detail = f"{opened.film_s:.0f} s long, {limits.duration_s:.0f} s allowed"
        raise refusals.over_limit(detail, refusals.MAX_DURATION)
    return opened


def check_bytes(file: ArrivingFile, layout: Layout) -> None:
    """Compare what the container claims with the size, as far as both are known.

    Raises:
        PermanentError: DAMAGED, with both numbers.
    """
    size, claimed = file.known_size, layout.claimed_bytes
    if size is not None and claimed is not None and size < claimed:
        raise refusals.damaged(f"it is cut off after {size} of {claimed} bytes")


def video_info(stream: VideoStream, first: VideoFrame | None) -> VideoInfo:
    """Return what container, codec and first picture say of the picture.

    Raises:
        PermanentError: DAMAGED: nothing says how large it is.
    """
    context = stream.codec_context
    width, height = (context.width, context.height) if first is None else (first.width, first.height)
    if min(width, height) <= 0:
        raise refusals.damaged("nothing says how large its picture is, and none can be decoded")
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    rate = frame_rate(stream)
    pixel_format = context.pix_fmt or "yuv420p"
    time_base = stream.time_base or Fraction(1, 90_000)
    order = _FIELD_ORDERS.get(int(context.field_order or 0), "progressive")
    if first is not None and first.interlaced_frame and order == "progressive":
        order = "tt"
    return VideoInfo(
        codec=context.codec.canonical_name,
        width=width,
        height=height,
        time_base=(time_base.numerator, time_base.denominator),
        frame_rate=(rate.numerator, rate.denominator) if rate else (0, 1),
        pixel_format=pixel_format,
        bit_depth=max((part.bits for part in context.format.components), default=8) if context.format else 8,
        sample_aspect=(aspect.numerator, aspect.denominator) if aspect else (1, 1),
        # libavutil counts counter-clockwise.
        rotation=-round((first.rotation if first is not None else 0) / 90) * 90 % 360,
        field_order=order,
        color_range=int(context.color_range),
        color_primaries=int(context.color_primaries),
        color_transfer=int(context.color_trc),
        color_matrix=int(context.colorspace),
        language=three_letters(stream.language or "und"),
    )


def language_of(stream: AudioStream, said: str = "") -> str:
    """Return a track's language, or what is `said` of it elsewhere where it does not say itself."""
    own = three_letters(stream.language or "und")
    return own if own != "und" else three_letters(said)


def audio_info(stream: AudioStream, said: str = "") -> AudioInfo:
    """Return what container and codec say of a sound track; `said` as for `language_of`."""
    context = stream.codec_context
    return AudioInfo(
        codec=context.codec.canonical_name,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=context.layout.name,
        language=language_of(stream, said),
        title=stream.metadata.get("title", ""),
    )


def parameters_of(stream: VideoStream, info: VideoInfo, first: VideoFrame | None) -> StreamParameters:
    """Return what a bare decoder must know."""
    context = stream.codec_context
    attributes: dict[str, str | int | float] = {
        "width": context.width,
        "height": context.height,
        "pix_fmt": info.pixel_format,
        "bits_per_coded_sample": context.bits_per_coded_sample,
        "codec_tag": context.codec_tag,
        "profile": str(context.profile or ""),
        "level": int(context.level or 0),
        "rotation": info.rotation,
        "field_order": info.field_order,
    }
    # Indexed by position the container yields side data, iterated it yields their names.
    found: Any = () if first is None else first.side_data
    side = [found[at] for at in range(len(found))]
    kept = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
    return StreamParameters(
        codec=info.codec,
        extradata=context.extradata or b"",
        time_base=info.time_base,
        attributes=attributes,
        side_data=tuple((data.type.name, bytes(data)) for data in side if data.type.name in kept),
    )


def key_times(opened: Opened) -> tuple[int, ...]:
    """Return when each keyframe of the picture is decoded, where a whole index was read at opening.

    Only MP4's is whole: other containers' grows with what was read, so it would tell early runs less.
    """
    if opened.video is None or opened.layout.family != "mp4" or not opened.layout.seekable:
        return ()
    return tuple(sorted(entry.timestamp for entry in opened.video.index_entries if entry.is_keyframe))


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Return pictures per second, the average where it varies; None if nothing says so."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return Fraction(rate) if rate else None


def tags_of(container: InputContainer) -> dict[str, str]:
    """Return what the container says of its contents, as far as it is short enough to be told."""
    tags = ((name, value) for name, value in container.metadata.items() if name not in _OF_THE_FORM)
    return {str(name)[:_NAME_CHARS]: str(value)[:_VALUE_CHARS] for name, value in islice(tags, _MOST_TAGS)}


def chapters_of(container: InputContainer) -> tuple[Chapter, ...]:
    """Return the named stretches, as far as there are not absurdly many."""
    found = []
    for chapter in container.chapters()[:_MOST_CHAPTERS]:
        base = chapter["time_base"] or Fraction(1)
        title = chapter["metadata"].get("title", "")[:_NAME_CHARS]
        start, end = float(chapter["start"] * base), float(chapter["end"] * base)
        found.append(Chapter(start_s=start, end_s=end, title=title))
    return tuple(found)


def cover_of(opened: Opened) -> bytes | None:
    """Return the picture that an input carries for itself, as JPEG or PNG; None if there is none.

    libavformat gives it out before anything else: nothing is read on for it.
    """
    covers = (
        stream for stream in opened.container.streams.video if stream.disposition & Disposition.attached_pic
    )
    stream = next(covers, None)
    if stream is None:
        return None
    try:
        data = bytes(next(iter(opened.container.demux(stream)), b""))
    except av.error.FFmpegError:
        return None
    return data if data.startswith(_PICTURES) and len(data) <= _COVER_BYTES else None


def left_out(container: InputContainer, *, heard: int) -> list[str]:
    """Return warnings about streams that are not used; `heard` sound tracks are."""
    warnings = []
    if 0 < heard < (tracks := len(container.streams.audio)):
        warnings.append(f"Of {tracks} sound tracks only {heard} can be used.")
    return warnings


def left_out_texts(container: InputContainer) -> list[str]:
    """Return warnings about subtitles that are no text, or text of a kind that cannot be read."""
    codecs = [codec_of(stream) for stream in container.streams.subtitles]
    pictures = [codec for codec in codecs if codec in _TEXT_PICTURES]
    others = [codec for codec in codecs if not is_text(codec) and codec not in _TEXT_PICTURES]
    return [
        f"{len(found)} subtitle track(s) are {what} ({', '.join(sorted(set(found)))}) and are left out."
        for found, what in ((pictures, "pictures"), (others, "of an unknown kind"))
        if found
    ]


def codec_of(stream: Any) -> str:
    """Return the name of a stream's codec, empty if it is not known."""
    context = stream.codec_context
    return str(context.codec.canonical_name) if context is not None else ""


def _said_end_s(stream: Stream) -> float | None:
    """Return when a stream ends: what Matroska's writers put in a tag, MP4 in the track's header."""
    if found := _CLOCK.fullmatch(stream.metadata.get("DURATION", "")):
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    if stream.duration is None or stream.duration <= 0 or stream.time_base is None:
        return None
    return float(stream.duration * stream.time_base)


def _best_video(container: InputContainer) -> VideoStream | None:
    films = [stream for stream in container.streams.video if _is_film(stream) and _has_decoder(stream)]
    default = {stream.index for stream in films if stream.disposition & Disposition.default}
    return max(
        films,
        key=lambda stream: (
            stream.codec_context.width * stream.codec_context.height,
            stream.index in default,
            -stream.index,
        ),
        default=None,
    )


def _is_film(stream: VideoStream) -> bool:
    return not stream.disposition & (Disposition.attached_pic | Disposition.still_image)


def _audible(container: InputContainer) -> tuple[AudioStream, ...]:
    streams = [stream for stream in container.streams.audio if _has_decoder(stream)]
    best = max(
        streams,
        key=lambda stream: (
            bool(stream.disposition & Disposition.default),
            not stream.disposition & (Disposition.visual_impaired | Disposition.comment),
            stream.codec_context.layout.nb_channels,
            -stream.index,
        ),
        default=None,
    )
    others = [stream for stream in streams if stream is not best]
    return () if best is None else (best, *others)


def _has_decoder(stream: VideoStream | AudioStream) -> bool:
    # PyAV gives streams of unknown codecs no context at all, against its annotations.
    context: Any = stream.codec_context
    return context is not None


def _open_failed(layout: Layout, error: Exception) -> Exception:
    if isinstance(error, OSError) and not isinstance(error, av.error.FFmpegError):
        return error
    if layout.family == "mp4" and isinstance(error, av.error.InvalidDataError):
        return refusals.damaged("its index (moov) is missing or broken")
    return refusals.not_media()


def _refuse_others(*_: Any) -> Any:
    # A media file that names other files or addresses must not be able to open them.
    raise PermissionError("a source may not open other files")


def check_end(opened: Opened) -> None:
    """Compare the whole file with what its container claims, now that all of it was read.

    Raises:
        PermanentError: DAMAGED, with numbers.
    """
    file = opened.file
    check_bytes(file, opened.layout)
    if opened.layout.family == "mp4" and (missing := missing_bytes(file.peek, file.size)):
        raise refusals.damaged(f"it is cut off: {missing} bytes are missing after {file.size}")


def odd_end(opened: Opened) -> list[str]:
    """Return a warning if a recording that does not say how long it is seems to break off."""
    size = opened.file.size
    if opened.layout.family == "mpegts" and size % TS_PACKET:
        return [f"The source ends in the middle of a packet, after {size} bytes: its end may be missing."]
    return []
