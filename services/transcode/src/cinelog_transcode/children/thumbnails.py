"""Small JPEG pictures of the film, from what is encoded anyway, packed as one bundle."""

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import msgspec
from av.codec.context import CodecContext, Flags
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from cinelog_fastio import KEYFRAME, BundleWriter, Packet, StreamParameters

from cinelog_transcode.children.tones import tone_steps
from cinelog_transcode.domain.thumbnails import ThumbnailClock, ThumbnailSize

LUMA = "cinelog.luma"
"""Side data of each packet: JSON with `mean` and `variance` of luma, 0 to 255; a poster is not black."""

_QUALITY = 5
"""libavcodec's scale for JPEG, 2 to 31."""
_EVERY_NTH_PIXEL = 5
_TURNS = {90: ("clock",), 180: ("clock", "clock"), 270: ("cclock",)}


class ThumbnailWriter:
    """Writes chosen frames as JPEGs, turned upright, with square pixels.

    Use as a context manager: on an exception nothing is left behind.
    """

    def __init__(self, path: Path, size: ThumbnailSize, time_base: Fraction, tones: Path | None) -> None:
        self._size = size
        self._tones = tones
        self._time_base = time_base
        turned = size.rotation % 180 != 0
        width, height = (size.height, size.width) if turned else (size.width, size.height)
        self._encoder = _jpeg_encoder(width, height, time_base)
        self._graph: tuple[object, Graph, FilterContext, FilterContext] | None = None
        self._bundle = BundleWriter(
            path,
            StreamParameters(
                codec="mjpeg",
                time_base=(time_base.numerator, time_base.denominator),
                attributes={"width": width, "height": height},
            ),
        )
        self.count = 0

    def add(self, frame: VideoFrame, pts: int) -> None:
        """Keep one frame as what is on screen at `pts`, in ticks of the time base."""
        small = self._shrunk(frame)
        small.pict_type = PictureType.NONE
        small.time_base = self._time_base
        for packet in self._encoder.encode(small):
            self._bundle.add(
                Packet(
                    data=bytes(packet),
                    pts=pts,
                    dts=pts,
                    flags=KEYFRAME,
                    side_data=((LUMA, _luma(small)),),
                )
            )
            self.count += 1

    def close(self) -> None:
        """Make the bundle visible."""
        self._bundle.close()

    def abort(self) -> None:
        """Drop what was written."""
        self._bundle.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _shrunk(self, frame: VideoFrame) -> VideoFrame:
        shape = (frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range))
        if self._graph is None or self._graph[0] != shape:
            self._graph = (shape, *self._build(frame))
        _, _, source, sink = self._graph
        source.push(frame)
        small = sink.pull()
        assert isinstance(small, VideoFrame)
        return small

    def _build(self, frame: VideoFrame) -> tuple[Graph, FilterContext, FilterContext]:
        graph = Graph()
        graph.threads = 1
        source = last = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base=f"{self._time_base.numerator}/{self._time_base.denominator}",
            pixel_aspect="1/1",
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
        chain = [graph.add("scale", w=str(self._size.width), h=str(self._size.height), out_range="full")]
        if self._tones is not None:
            chain += [*tone_steps(graph, self._tones), graph.add("scale", out_range="full")]
        chain += [graph.add("transpose", dir=turn) for turn in _TURNS.get(self._size.rotation, ())]
        chain += [graph.add("format", "yuvj420p"), graph.add("buffersink")]
        for step in chain:
            last.link_to(step)
            last = step
        graph.configure()
        return graph, source, last


class Posing:
    """Picks the thumbnails among the pictures of the first rendition.

    Those are what the film looks like: deinterlaced, and made alike where the source changes.
    """

    def __init__(self, writer: ThumbnailWriter, clock: ThumbnailClock) -> None:
        self._writer = writer
        self._clock = clock
        self._due: set[int] = set()

    @property
    def count(self) -> int:
        """How many there are."""
        return self._writer.count

    def expect(self, pts: int) -> None:
        """Tell of a frame that a picture will be made of."""
        if self._clock.takes(pts):
            self._due.add(pts)

    def see(self, picture: VideoFrame, pts: int) -> None:
        """Take a picture of the frame at `pts`; it is kept if it is due."""
        if pts in self._due:
            self._due.remove(pts)
            self._writer.add(picture, pts)


def _jpeg_encoder(width: int, height: int, time_base: Fraction) -> VideoCodecContext:
    encoder = CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = time_base
    encoder.thread_count = 1
    encoder.thread_type = cast("Any", "NONE")
    encoder.flags |= Flags.bitexact
    # A quality of its own is asked of each frame, which PyAV cannot set; bounds hold for all.
    encoder.options = {"qmin": str(_QUALITY), "qmax": str(_QUALITY)}
    encoder.open()
    return encoder


def _luma(frame: VideoFrame) -> bytes:
    plane = frame.planes[0]
    rows = memoryview(plane)
    pixels: Counter[int] = Counter()
    for row in range(0, frame.height, 2):
        start = row * plane.line_size
        pixels.update(rows[start : start + frame.width : _EVERY_NTH_PIXEL])
    count = max(1, pixels.total())
    mean = sum(value * times for value, times in pixels.items()) / count
    variance = sum((value - mean) ** 2 * times for value, times in pixels.items()) / count
    return msgspec.json.encode({"mean": round(mean, 1), "variance": round(variance, 1)})
