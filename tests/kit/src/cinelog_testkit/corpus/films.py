"""Writes one film: pictures and sounds encoded, their packets put in order and into a container."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
from av.audio.stream import AudioStream
from av.container.output import OutputContainer
from av.stream import Stream
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from cinelog_common.contract.values import Value

from cinelog_testkit.corpus.clicking import Clicks, frames_of
from cinelog_testkit.corpus.painting import as_frame, painted

CLOSED = "bframes=2:b-adapt=0:scenecut=0:cabac=0"
OPEN = "bframes=3:b-adapt=0:scenecut=0:open-gop=1:rc-lookahead=8"
_FRAME_SIZES = {"libopus": 960, "ac3": 1536, "mp2": 1152, "libmp3lame": 1152, "flac": 4608}
_FORMATS = {
    "libopus": "flt",
    "mp2": "s16",
    "flac": "s16",
    "pcm_s16le": "s16",
    "pcm_s24le": "s32",
}

Packets = list["av.Packet[Any]"]


class Colours(Value, frozen=True, kw_only=True):
    """Code points of ITU-T H.273; the range 1 is limited, 2 full."""

    range: int = 1
    primaries: int = 1
    transfer: int = 1
    matrix: int = 1


class Voice(Value, frozen=True, kw_only=True):
    """One sound track, from `start_s` to the film's end or `end_s`."""

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    start_s: float = 0.0
    end_s: float | None = None
    first_click_s: float = 0.0
    every_s: float = 0.5
    language: str = ""
    bit_rate: int = 128_000
    options: dict[str, str] = {}


class Film(Value, frozen=True, kw_only=True):
    """What to write: `frames` pictures at `rate` a second, or at `times` (ticks of `time_base`)."""

    frames: int = 96
    first_number: int = 0
    rate: Fraction = Fraction(24)
    time_base: Fraction | None = None
    times: tuple[int, ...] = ()
    codec: str = "libx264"
    options: dict[str, str] = msgspec.field(default_factory=lambda: {"x264-params": CLOSED})
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (160, 96)
    gop: int = 12
    aspect: Fraction | None = None
    rotation: int = 0
    colours: Colours | None = None
    language: str = ""
    voices: tuple[Voice, ...] = (Voice(),)
    format: str | None = None
    container: dict[str, str] = {}
    tags: dict[str, str] = {}
    fields: bool = False
    """Twice as many pictures move as are numbered: what becomes the two fields of a frame."""
    offset_s: Fraction = Fraction(0)
    """Added to every time."""

    @property
    def base(self) -> Fraction:
        """Seconds per tick."""
        return self.time_base or 1 / self.rate

    def ticks(self) -> tuple[int, ...]:
        """Return when each picture is shown."""
        return self.times or tuple(round(n / self.rate / self.base) for n in range(self.frames))

    @property
    def lasts_s(self) -> float:
        """Until when the last picture is shown, if it lasts as long as one of `rate`."""
        ticks = self.ticks()
        return float(ticks[-1] * self.base + 1 / self.rate) if ticks else 0.0


Edit = Callable[[Packets], Iterable["av.Packet[Any]"]]
"""Changes packets on their way into the container."""


def write_film(path: Path, film: Film, edit: Edit | None = None) -> Path:
    """Write `film` into `path` and return it."""
    with av.open(str(path), "w", format=film.format, container_options=dict(film.container)) as container:
        container.metadata.update(film.tags)
        packets: Packets = []
        video = _video_stream(container, film) if film.times or film.frames else None
        audio = [_audio_stream(container, voice) for voice in film.voices]
        # No packet may be written before every encoder is open.
        if video is not None:
            packets += _pictures(video, film)
        for stream, voice in zip(audio, film.voices, strict=True):
            packets += _sounds(stream, voice, film)
        for packet in packets:
            _move(packet, film.offset_s)
        packets.sort(key=lambda packet: (packet.dts or 0) * (packet.time_base or Fraction(1)))
        for packet in packets if edit is None else edit(packets):
            container.mux(packet)
    return path


def is_video(packet: "av.Packet[Any]") -> bool:
    """Tell whether a packet holds a picture."""
    stream: Stream = packet.stream
    return stream.type == "video"


def _move(packet: "av.Packet[Any]", by_s: Fraction) -> None:
    assert packet.time_base is not None
    ticks = round(by_s / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


def _video_stream(container: OutputContainer, film: Film) -> VideoStream:
    stream = container.add_stream(film.codec, rate=film.rate, options=dict(film.options))
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    stream.width, stream.height = film.size
    stream.pix_fmt = film.pixel_format
    context.gop_size = film.gop
    context.thread_count = 1
    context.time_base = film.base
    if film.codec in {"libx264", "libx265"}:
        context.options = {"preset": "ultrafast", **context.options}
    if film.aspect is not None:
        context.sample_aspect_ratio = film.aspect
        stream.sample_aspect_ratio = film.aspect
    if film.colours is not None:
        context.color_range, context.color_primaries = film.colours.range, film.colours.primaries
        context.color_trc, context.colorspace = film.colours.transfer, film.colours.matrix
    if film.rotation:
        stream.set_display_rotation(film.rotation)
    if film.language:
        stream.metadata["language"] = film.language
    return stream


def _audio_stream(container: OutputContainer, voice: Voice) -> AudioStream:
    stream = container.add_stream(voice.codec, rate=voice.rate, options=dict(voice.options))
    assert isinstance(stream, AudioStream)
    stream.codec_context.layout = av.AudioLayout(voice.layout)
    stream.codec_context.format = av.AudioFormat(_FORMATS.get(voice.codec, "fltp"))
    if voice.codec.startswith(("pcm", "flac")) is False:
        stream.codec_context.bit_rate = voice.bit_rate
    if voice.language:
        stream.metadata["language"] = voice.language
    return stream


def _pictures(stream: VideoStream, film: Film) -> Packets:
    packets: Packets = []
    converter = VideoReformatter()
    conversion: dict[str, Any] = {}
    if film.colours is not None:
        conversion = {"dst_color_range": "JPEG" if film.colours.range == 2 else "MPEG"}
        if film.colours.matrix == 1:
            conversion["dst_colorspace"] = "ITU709"
    for at, tick in enumerate(film.ticks()):
        number = at // 2 if film.fields else at
        pixels = painted(film.first_number + number, film.size, moved=film.first_number + at)
        frame = as_frame(pixels, film.pixel_format, converter, **conversion)
        if film.colours is not None:
            frame.color_range, frame.color_primaries = film.colours.range, film.colours.primaries
            frame.color_trc, frame.colorspace = film.colours.transfer, film.colours.matrix
        frame.pts, frame.time_base = tick, film.base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _sounds(stream: AudioStream, voice: Voice, film: Film) -> Packets:
    end_s = film.lasts_s if voice.end_s is None else voice.end_s
    clicks = Clicks(
        rate=voice.rate,
        start_s=voice.start_s,
        end_s=end_s,
        first_s=voice.first_click_s,
        every_s=voice.every_s,
    )
    packets: Packets = []
    for frame in frames_of(clicks, voice.layout, _FRAME_SIZES.get(voice.codec, 1024)):
        packets += stream.encode(frame)
    return packets + stream.encode(None)
