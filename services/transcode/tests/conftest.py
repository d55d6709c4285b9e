"""Generated footage with the number of each frame painted in, cut into bundles as download cuts them."""

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import msgspec
import numpy as np
import pytest
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.contract.units import UnitMeta, encode_meta
from cinelog_common.contract.values import Recipe, Rendition, VideoInfo
from cinelog_fastio import DISCARD, KEYFRAME, BundleWriter, Packet, StreamParameters
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.domain.tasks import RenditionReport

BLOCK = 16
BITS = 10


class Footage(msgspec.Struct, frozen=True, kw_only=True):
    """One encoded stream: packets in decode order."""

    parameters: StreamParameters
    packets: tuple[Packet, ...]
    video: VideoInfo

    @property
    def pts(self) -> list[int]:
        return sorted(packet.pts for packet in self.packets if packet.pts is not None)


class FootageSpec(msgspec.Struct, frozen=True, kw_only=True):
    codec: str = "libx264"
    options: dict[str, str] = {}
    pts: tuple[int, ...]
    time_base: tuple[int, int] = (1, 12800)
    size: tuple[int, int] = (320, 180)
    pixel_format: str = "yuv420p"
    keyframes: tuple[int, ...] = ()
    rate: int = 25
    flat: bool = False


def picture(number: int, size: tuple[int, int], pixel_format: str, *, flat: bool = False) -> av.VideoFrame:
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    luma = ((rows * 2 + columns + number * 5) % 160 + 40).astype(np.uint8)
    if flat:
        luma[:] = 16
    for bit in range(BITS):
        luma[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    image = np.full((height * 3 // 2, width), 128, np.uint8)
    image[:height] = luma
    frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
    return frame if pixel_format == "yuv420p" else frame.reformat(format=pixel_format)


def number_in(frame: av.VideoFrame, *, block: float = BLOCK) -> int:
    image = frame.reformat(format="gray").to_ndarray()
    middle = int(block / 2)
    return sum(1 << bit for bit in range(BITS) if image[middle, int(bit * block) + middle] > 125)


def make_footage(spec: FootageSpec) -> Footage:
    context = cast("VideoCodecContext", CodecContext.create(spec.codec, "w"))
    context.width, context.height = spec.size
    context.pix_fmt = spec.pixel_format
    context.time_base = Fraction(*spec.time_base)
    context.framerate = Fraction(spec.rate)
    context.thread_count = 1
    context.flags |= Flags.global_header
    context.options = dict(spec.options)
    context.open()
    made: list[Packet] = []
    for number, pts in enumerate(spec.pts):
        frame = picture(number, spec.size, spec.pixel_format, flat=spec.flat)
        frame.pts, frame.time_base = pts, Fraction(*spec.time_base)
        frame.pict_type = 1 if number in spec.keyframes else 0
        made.extend(_packet(packet) for packet in context.encode(frame))
    made.extend(_packet(packet) for packet in context.encode(None))
    name = context.codec.canonical_name
    video = VideoInfo(
        codec=name,
        width=spec.size[0],
        height=spec.size[1],
        time_base=spec.time_base,
        frame_rate=(spec.rate, 1),
        pixel_format=spec.pixel_format,
    )
    parameters = StreamParameters(codec=name, extradata=context.extradata or b"", time_base=spec.time_base)
    return Footage(parameters=parameters, packets=tuple(made), video=video)


def _packet(packet: Any) -> Packet:
    return Packet(
        data=bytes(packet),
        pts=packet.pts,
        dts=packet.dts,
        duration=packet.duration or 0,
        flags=KEYFRAME if packet.is_keyframe else 0,
    )


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Which unit to make of a footage, and what to lie about."""

    n: int = 0
    start: int
    end: int
    frames: int | None = None
    video: VideoInfo | None = None
    held: bool = False


def write_bundle(path: Path, footage: Footage, cut: Cut) -> Path:
    """Everything from the last keyframe at or before `start` to the last packet shown before `end`."""
    packets = footage.packets
    keys = [
        at
        for at, packet in enumerate(packets)
        if packet.flags & KEYFRAME and packet.pts is not None and packet.pts <= cut.start
    ]
    shown = [
        at
        for at, packet in enumerate(packets)
        if packet.pts is not None and cut.start <= packet.pts < cut.end
    ]
    kept = packets[keys[-1] : max(shown, default=len(packets)) + 1]
    frames = sum(not packets[at].flags & DISCARD for at in shown)
    meta = UnitMeta(
        job="job",
        run=1,
        n=cut.n,
        start=cut.start,
        end=cut.end,
        frames=frames if cut.frames is None else cut.frames,
        video=cut.video or footage.video,
        held=cut.held,
    )
    with BundleWriter(path, footage.parameters, encode_meta(meta)) as writer:
        for packet in kept:
            writer.add(packet)
    return path


def make_recipe(footage: Footage, **changes: Any) -> Recipe:
    width, height = footage.video.width, footage.video.height
    fields: dict[str, Any] = {
        "family": "cpu",
        "encoder": "libx264",
        "codec": "h264",
        "preset": "veryfast",
        "pixel_format": "yuv420p",
        "time_base": footage.video.time_base,
        "frame_rate": footage.video.frame_rate,
        "renditions": (
            Rendition(name="180p", width=width, height=height, crf=23, max_rate_k=4000, level="3.0"),
        ),
        "max_segment_s": 8.0,
    }
    return Recipe(**{**fields, **changes})


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a player would show of some segments: times in ticks of their timescale, and pictures."""

    pts: list[int]
    frames: list[Any]

    def numbers(self, *, block: float = BLOCK) -> list[int]:
        return [number_in(frame, block=block) for frame in self.frames]


def play(init: bytes, fragments: Sequence[bytes]) -> Shown:
    """Decode segments under one init, timed by their own sample tables."""
    with av.open(io.BytesIO(init)) as container:
        stream = container.streams.video[0]
        name, extradata = stream.codec_context.codec.canonical_name, stream.codec_context.extradata
        time_base = stream.time_base
    assert time_base is not None
    parameters = StreamParameters(
        codec=name, extradata=extradata or b"", time_base=(time_base.numerator, time_base.denominator)
    )
    decoder = BundleDecoder(parameters, DecoderOptions(reorder_depth=4))
    frames = [
        frame for fragment in fragments for packet in _samples(fragment) for frame in decoder.decode(packet)
    ]
    frames.extend(decoder.flush())
    assert not decoder.damaged
    return Shown(pts=[frame.pts for frame in frames if frame.pts is not None], frames=frames)


def _samples(fragment: bytes) -> Iterator[Packet]:
    told = read_fragment(fragment)
    at, time = told.mdat_offset, told.base_time
    for sample in told.samples:
        yield Packet(
            data=fragment[at : at + sample.size],
            pts=time + sample.composition_offset,
            dts=time,
            duration=sample.duration,
            flags=KEYFRAME if sample.sync else 0,
        )
        at += sample.size
        time += sample.duration


def play_report(folder: Path, report: RenditionReport) -> Shown:
    return play(report.init, [(folder / part.file).read_bytes() for part in report.parts])


class Studio:
    """What tests make their media with."""

    make = staticmethod(make_footage)
    spec = FootageSpec
    cut = Cut
    bundle = staticmethod(write_bundle)
    recipe = staticmethod(make_recipe)
    play = staticmethod(play)
    play_report = staticmethod(play_report)
    number_in = staticmethod(number_in)


@pytest.fixture
def studio() -> Studio:
    return Studio()
