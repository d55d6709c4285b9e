"""Films that tell which frame is which: pictures that hold their number, sound that clicks.

They are small and quickly made. Needs PyAV.
"""

import array
import io
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
from av.stream import Disposition
from cinelog_common.cmaf.testing import numbered_frame

X264 = {"preset": "ultrafast", "x264-params": "bframes=2:b-adapt=0:scenecut=0"}
CLICK_EVERY_S = 1.0
FIRST_CLICK_S = 0.5
_CLICK_S = 0.002
_SOUND_SAMPLES = 960
"""Per frame that is fed: what Opus wants; other encoders gather what they need."""


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """What to make.

    Attributes:
        frames: How many pictures; 0 makes sound alone.
        rate: Pictures a second, where `pts` does not say otherwise.
        pts: When each picture is shown, in `1 / timescale` seconds.
        keyframes: Pictures from one keyframe to the next.
        noise: Fill the colour planes with noise, which makes the file large.
        layout: Of the sound; None makes none.
        sound_s: Seconds of sound; None as long as the pictures.
        container: Options of the muxer.
    """

    frames: int = 50
    rate: int = 25
    pts: tuple[int, ...] = ()
    timescale: int = 90_000
    size: tuple[int, int] = (160, 96)
    encoder: str = "libx264"
    options: dict[str, str] = msgspec.field(default_factory=lambda: dict(X264))
    keyframes: int = 25
    noise: bool = False
    rotation: int = 0
    sound: str = "aac"
    layout: str | None = "mono"
    sample_rate: int = 48_000
    sound_s: float | None = None
    container: dict[str, str] = {}
    title: str = ""
    tags: dict[str, str] = {}
    chapters: tuple[tuple[float, str], ...] = ()
    """Where each begins, in seconds, and its title."""
    cover: bytes = b""
    """A JPEG that the file carries for itself."""
    black: int = 0
    """So many pictures from the first on are black, and hold no number."""

    @property
    def times(self) -> tuple[int, ...]:
        """When each picture is shown, in ticks."""
        return self.pts or tuple(n * self.timescale // self.rate for n in range(self.frames))


def make_film(path: Path, film: Film | None = None) -> Path:
    """Write `film` to `path`; the suffix names the container."""
    film = film or Film()
    with av.open(str(path), "w", container_options=dict(film.container)) as container:
        if film.title:
            container.metadata["title"] = film.title
        container.metadata.update(film.tags)
        _mark(container, film)
        cover = _cover(container, film)
        pictures = _pictures(container, film) if film.times else iter(())
        sounds = _sounds(container, film) if film.layout else iter(())
        for packet in cover:
            container.mux(packet)
        for packet in _by_time(pictures, sounds):
            container.mux(packet)
    return path


def _cover(container: Any, film: Film) -> Iterator[Any]:
    if not film.cover:
        return
    with av.open(io.BytesIO(film.cover), "r", format="jpeg_pipe") as picture:
        stream = container.add_stream_from_template(picture.streams.video[0], opaque=True)
        stream.disposition = Disposition.attached_pic
        packet = next(iter(picture.demux(video=0)))
        packet.stream = stream
        yield packet


def jpeg(width: int = 64, height: int = 64) -> bytes:
    """Return a small picture."""
    frame = numbered_frame(7, width=width, height=height).reformat(format="yuvj420p")
    frame.time_base = Fraction(1, 1)
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _mark(container: Any, film: Film) -> None:
    if not film.chapters:
        return
    starts = [round(start * 1000) for start, _ in film.chapters]
    ends = [*starts[1:], round(1000 * film.times[-1] / film.timescale)]
    chapters = [
        {"id": n, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for n, (start, end, (_, title)) in enumerate(zip(starts, ends, film.chapters, strict=True))
    ]
    container.set_chapters(chapters)


def _by_time(one: Iterator[tuple[float, Any]], other: Iterator[tuple[float, Any]]) -> Iterator[Any]:
    """Take from whichever is behind, so that the file can be read front to back."""
    heads = [next(one, None), next(other, None)]
    sources = [one, other]
    while any(head is not None for head in heads):
        at = min((0, 1), key=lambda n: float("inf") if (head := heads[n]) is None else head[0])
        head = heads[at]
        assert head is not None
        yield head[1]
        heads[at] = next(sources[at], None)


def _pictures(container: Any, film: Film) -> Iterator[tuple[float, Any]]:
    stream = container.add_stream(film.encoder, rate=film.rate, options=dict(film.options))
    stream.width, stream.height = film.size
    stream.pix_fmt = "yuv420p"
    base = Fraction(1, film.timescale)
    stream.codec_context.time_base = stream.time_base = base
    stream.codec_context.thread_count = 1
    stream.gop_size = film.keyframes
    if film.rotation:
        stream.set_display_rotation(film.rotation)

    def packets() -> Iterator[tuple[float, Any]]:
        second = 0.0
        for number, pts in enumerate(film.times):
            frame = numbered_frame(number, width=film.size[0], height=film.size[1])
            if number < film.black:
                frame.planes[0].update(bytes((16,)) * frame.planes[0].buffer_size)
            if film.noise:
                _add_noise(frame, number)
            frame.pts, frame.time_base = pts, base
            second = float(pts * base)
            yield from ((second, packet) for packet in stream.encode(frame))
        yield from ((second, packet) for packet in stream.encode(None))

    return packets()


def _add_noise(frame: av.VideoFrame, seed: int) -> None:
    source = random.Random(seed)
    for plane in frame.planes[1:]:
        plane.update(source.randbytes(plane.buffer_size))


def _sounds(container: Any, film: Film) -> Iterator[tuple[float, Any]]:
    stream = container.add_stream(film.sound, rate=film.sample_rate, layout=film.layout)
    seconds = film.sound_s
    if seconds is None:
        times = film.times
        seconds = (times[-1] + (times[-1] - times[-2])) / film.timescale if len(times) > 1 else 1.0

    def packets() -> Iterator[tuple[float, Any]]:
        for frame in clicks(seconds, sample_rate=film.sample_rate, layout=film.layout or "mono"):
            second = float(frame.pts * frame.time_base)
            yield from ((second, packet) for packet in stream.encode(frame))
        yield from ((seconds, packet) for packet in stream.encode(None))

    return packets()


def clicks(seconds: float, *, sample_rate: int, layout: str) -> Iterator[Any]:
    """Yield silence with a click on every channel each second, the first after half a second."""
    total = round(seconds * sample_rate)
    every, first = round(CLICK_EVERY_S * sample_rate), round(FIRST_CLICK_S * sample_rate)
    length = round(_CLICK_S * sample_rate)
    for begin in range(0, total, _SOUND_SAMPLES):
        count = min(_SOUND_SAMPLES, total - begin)
        frame = av.AudioFrame(format="fltp", layout=layout, samples=count)
        values = array.array(
            "f", (0.8 if (begin + n - first) % every < length else 0.0 for n in range(count))
        ).tobytes()
        for plane in frame.planes:
            plane.update(values.ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, begin, Fraction(1, sample_rate)
        yield frame
