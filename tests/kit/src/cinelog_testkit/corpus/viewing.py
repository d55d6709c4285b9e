"""A whole file as a player shows it: every picture with its time and its number, every click."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from cinelog_testkit.corpus.clicking import Samples, clicks_in
from cinelog_testkit.corpus.painting import Pixels, number_in


@dataclass(frozen=True)
class Shown:
    """One picture: when it is shown on the container's timeline, its number, and its pixels in RGB."""

    at: Fraction
    number: int | None
    pixels: Pixels


def pictures_of(
    path: Path, *, deinterlaced: str | None = None, size: tuple[int, int] | None = None
) -> list[Shown]:
    """Decode the picture of a file whole, in the order of showing.

    `deinterlaced` is a mode of libavfilter's bwdif (`send_frame`, `send_field`): all of it goes through
    one filter, so that every picture has its neighbours;
    `size` is what the pictures are scaled to.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        frames = _frames(container, stream)
        if deinterlaced:
            frames = _deinterlaced(frames, stream, deinterlaced)
        # One converter for all: to make one costs more than to use it.
        converter = VideoReformatter()
        return [_shown(frame, converter, size) for frame in frames]


@dataclass(frozen=True)
class Heard:
    """One sound track on the container's timeline: `samples` of its first channel from `first_s` on."""

    first_s: float
    rate: int
    samples: Samples
    channels: int
    language: str

    @property
    def clicks_s(self) -> list[float]:
        """When clicks begin."""
        return [self.first_s + at for at in clicks_in(self.samples, self.rate)]

    @property
    def end_s(self) -> float:
        """Where the last sample ends."""
        return self.first_s + len(self.samples) / self.rate


def sound_of(path: Path, track: int = 0) -> Heard:
    """Decode one sound track whole, its silences where its timestamps leave holes included."""
    pieces: list[tuple[Fraction | None, Samples, int]] = []
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        channels, language = stream.codec_context.layout.nb_channels, stream.language or ""
        for frame in _sound_frames(container, stream):
            at = None if frame.pts is None else frame.pts * (frame.time_base or Fraction(1))
            pieces.append((at, _first_channel(frame), frame.sample_rate))
    rate = max(rate for _, _, rate in pieces)
    first = next(at for at, _, _ in pieces if at is not None)
    length = sum(round(len(samples) * rate / own) for _, samples, own in pieces)
    last, tail, own = next(piece for piece in reversed(pieces) if piece[0] is not None)
    assert last is not None
    line = np.zeros(
        max(length, round((last - first) * rate) + round(len(tail) * rate / own)) + rate, np.float32
    )
    end = 0
    for at, samples, own in pieces:
        even = samples if own == rate else _stretched(samples, rate / own)
        start = end if at is None else round((at - first) * rate)
        # Containers round times to their ticks: only what is further apart is a hole.
        if own == rate and abs(start - end) < rate / 50:
            start = end
        end = start + len(even)
        line[start:end] = even
    return Heard(first_s=float(first), rate=rate, samples=line[:end], channels=channels, language=language)


def _frames(container: Any, stream: VideoStream) -> Iterator[VideoFrame]:
    discarded: set[int | None] = set()
    for packet in container.demux(stream):
        if packet.is_discard:
            discarded.add(packet.pts)
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            if frame.pts not in discarded:
                yield frame


def _deinterlaced(frames: Iterator[VideoFrame], stream: VideoStream, mode: str) -> Iterator[VideoFrame]:
    graph = Graph()
    source = graph.add_buffer(template=stream)
    bwdif = graph.add("bwdif", mode=mode, parity="auto", deint="interlaced")
    sink = graph.add("buffersink")
    graph.link_nodes(source, bwdif, sink).configure()
    for frame in (*frames, None):
        source.push(frame)
        while True:
            try:
                made = sink.pull()
            except (av.BlockingIOError, av.EOFError):
                break
            assert isinstance(made, VideoFrame)
            yield made


def _shown(frame: VideoFrame, converter: VideoReformatter, size: tuple[int, int] | None) -> Shown:
    assert frame.time_base is not None
    if frame.pts is None:
        frame.pts = frame.dts
    assert frame.pts is not None
    at = frame.pts * frame.time_base
    width, height = size or (frame.width, frame.height)
    converted = converter.reformat(frame, width, height, format="rgb24")
    pixels = np.asarray(converted.to_ndarray(), np.uint8)
    return Shown(at=at, number=number_in(pixels[..., 1]), pixels=pixels)


def _sound_frames(container: Any, stream: Any) -> Iterator[AudioFrame]:
    for packet in container.demux(stream):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _first_channel(frame: AudioFrame) -> Samples:
    samples = frame.to_ndarray()
    channel = samples[0] if frame.format.is_planar else samples[0][:: frame.layout.nb_channels]
    if channel.dtype.kind == "f":
        return np.asarray(channel, np.float32)
    return np.asarray(channel / np.iinfo(channel.dtype).max, np.float32)


def _stretched(samples: Samples, by: float) -> Samples:
    at = np.arange(round(len(samples) * by)) / by
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
