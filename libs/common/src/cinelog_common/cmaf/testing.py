"""Footage that tells which frame it is: pictures that hold their own number, sound that clicks.

For tests that must know that every frame and every sample arrived. Needs PyAV.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import msgspec
from av.codec.context import Flags
from av.packet import Packet
from av.video.stream import VideoStream

from cinelog_common.cmaf.accessunits import sample_form
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.inits import VideoPresentation, audio_init, video_init
from cinelog_common.cmaf.joinplan import JoinTrack
from cinelog_common.cmaf.timing import time_samples

BITS = 16
_COLUMNS, _BLACK, _WHITE = 8, 40, 210
CLICK_EVERY_S = 1
AAC_PRIMING = 1024

X264_OPTIONS = tuple(
    {"preset": "veryfast", "x264-params": "stitchable=1:level=3.1:bframes=3:b-adapt=0:scenecut=0"}.items()
)


def numbered_frame(
    number: int, *, width: int = 160, height: int = 96, pix_fmt: str = "yuv420p"
) -> av.VideoFrame:
    """A picture whose 8 x 2 blocks are the bits of `number`; 8 bits a component."""
    frame = av.VideoFrame(width, height, pix_fmt)
    bits = [_WHITE if number >> bit & 1 else _BLACK for bit in range(BITS)]
    luma = frame.planes[0]
    rows = []
    for half in (bits[:_COLUMNS], bits[_COLUMNS:]):
        row = b"".join(bytes((level,)) * (width // _COLUMNS) for level in half)
        rows.append(row.ljust(luma.line_size, row[-1:]) * (height // 2))
    luma.update(b"".join(rows).ljust(luma.buffer_size, b"\0"))
    for plane in frame.planes[1:]:
        plane.update(b"\x80" * plane.buffer_size)
    return frame


def number_in(frame: av.VideoFrame) -> int:
    """The number that a decoded picture holds."""
    luma = frame.planes[0]
    wide = 2 if frame.format.components[0].bits > 8 else 1
    pixels = memoryview(luma)
    number = 0
    for bit in range(BITS):
        x = (bit % _COLUMNS * 2 + 1) * frame.width // (2 * _COLUMNS)
        y = (bit // _COLUMNS * 2 + 1) * frame.height // 4
        at = y * luma.line_size + x * wide
        value = int.from_bytes(pixels[at : at + wide], "little") >> (frame.format.components[0].bits - 8)
        number |= (value > (_BLACK + _WHITE) // 2) << bit
    return number


class EncodedTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track in pieces, as the workers store them."""

    init: bytes
    segments: Sequence[bytes]


Interval = tuple[Sequence[int], int, int]
"""The pts of a segment's frames, its start and its end, in 90 kHz ticks."""


def intervals(pts: Sequence[int], end: int, *, cuts: Sequence[int]) -> list[Interval]:
    """The frames at `pts` cut before the frames numbered `cuts`; the last one stays until `end`."""
    edges = [0, *cuts, len(pts)]
    bounds = [*pts, end]
    return [(pts[a:b], bounds[a], bounds[b]) for a, b in pairwise(edges)]


def steady() -> list[Interval]:
    """25 fps, 60 frames in segments of 24, 24 and 12."""
    return intervals([at * 3600 for at in range(60)], 60 * 3600, cuts=(24, 48))


def varying() -> list[Interval]:
    """20 to 500 ms a frame, a hold of 2 s, and a segment of one frame."""
    steps_ms = [20, 40, 500, 33, 20, 20, 120, 41, 77, 2000, 20, 20, 35, 300, 20, 20, 41, 500, 20, 250, 20, 20]
    pts = [0]
    for step in steps_ms:
        pts.append(pts[-1] + step * 90)
    return intervals(pts, pts[-1] + 180 * 90, cuts=(7, 12, 13, 20))


def stored(folder: Path, name: str, track: EncodedTrack, *, kind: str) -> JoinTrack:
    """The segments as files, as a worker finds them."""
    paths = []
    for number, segment in enumerate(track.segments):
        path = folder / f"{name}-{number:06d}.m4s"
        path.write_bytes(segment)
        paths.append(path)
    return JoinTrack(init=track.init, fragments=paths, kind=kind)


class VideoRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How the footage is encoded."""

    encoder: str = "libx264"
    options: tuple[tuple[str, str], ...] = X264_OPTIONS
    timescale: int = 90000
    pix_fmt: str = "yuv420p"
    rotation: int = 0


def encode_video(segments: Sequence[Interval], recipe: VideoRecipe | None = None) -> EncodedTrack:
    """Each (pts of its frames, start, end) encoded on its own; frames are numbered over all."""
    recipe = recipe or VideoRecipe()
    show = VideoPresentation(width=160, height=96, rotation=recipe.rotation)
    number = 0
    pieces = []
    init = b""
    for sequence, (pts, start, end) in enumerate(segments, 1):
        encoder = _video_encoder(recipe, show)
        init = video_init(encoder, recipe.timescale, show)
        form = sample_form(encoder.codec.canonical_name, encoder.extradata)
        packets: list[Packet[VideoStream]] = []
        for own in pts:
            frame = numbered_frame(number, pix_fmt=recipe.pix_fmt)
            frame.pts, frame.time_base = own, encoder.time_base
            packets += encoder.encode(frame)
            number += 1
        packets += encoder.encode(None)
        pieces.append(_fragment(packets, [form(bytes(packet)) for packet in packets], (sequence, start, end)))
    return EncodedTrack(init=init, segments=pieces)


def _video_encoder(recipe: VideoRecipe, show: VideoPresentation) -> av.VideoCodecContext:
    encoder = av.VideoCodecContext.create(recipe.encoder, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = show.width, show.height, recipe.pix_fmt
    encoder.time_base, encoder.framerate = Fraction(1, recipe.timescale), Fraction(25)
    encoder.flags |= Flags.global_header
    encoder.options = dict(recipe.options)
    encoder.open()
    return encoder


def _fragment(
    packets: "Sequence[Packet[VideoStream]]", payload: Sequence[bytes], place: tuple[int, int, int]
) -> bytes:
    sequence, start, end = place
    times = time_samples([packet.pts or 0 for packet in packets], start, end)
    samples = [
        Sample(
            size=len(data),
            duration=time.duration,
            composition_offset=time.composition_offset,
            sync=packet.is_keyframe,
        )
        for packet, data, time in zip(packets, payload, times, strict=True)
    ]
    return write_fragment(FragmentSpec(sequence=sequence, base_time=start, samples=samples), payload)


def click_track(seconds: float, sample_rate: int = 48000) -> Iterator[av.AudioFrame]:
    """Silence with one click of 2 ms at each full second, from 0.5 s on."""
    total, size = round(seconds * sample_rate), 1024
    click = round(0.002 * sample_rate)
    for begin in range(0, total, size):
        count = min(size, total - begin)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=count)
        values = [
            0.8 if (begin + at - sample_rate // 2) % (CLICK_EVERY_S * sample_rate) < click else 0.0
            for at in range(count)
        ]
        plane = frame.planes[0]
        plane.update(memoryview(_floats(values)).cast("B").tobytes().ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, begin, Fraction(1, sample_rate)
        yield frame


def _floats(values: Sequence[float]) -> memoryview:
    import array

    return memoryview(array.array("f", values))


def encode_clicks(seconds: float, cuts_s: Sequence[float], sample_rate: int = 48000) -> EncodedTrack:
    """One continuous AAC encode, cut at the first frame at or after each of `cuts_s` plus priming."""
    encoder = av.AudioCodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = sample_rate, "mono", "fltp"
    encoder.bit_rate = 96000
    encoder.flags |= Flags.global_header
    encoder.open()
    init = audio_init(encoder, sample_rate, AAC_PRIMING)
    frames: list[bytes] = []
    for frame in click_track(seconds, sample_rate):
        frames += map(bytes, encoder.encode(frame))
    frames += map(bytes, encoder.encode(None))
    # The last frame lasts only until the sound ends: the encoder padded it.
    durations = [1024] * (len(frames) - 1)
    durations.append(round(seconds * sample_rate) + AAC_PRIMING - 1024 * len(durations))
    groups: list[list[int]] = [[] for _ in range(len(cuts_s) + 1)]
    for index in range(len(frames)):
        groups[sum(index * 1024 >= cut * sample_rate + AAC_PRIMING for cut in cuts_s)].append(index)
    segments = [
        write_fragment(
            FragmentSpec(
                sequence=sequence,
                base_time=group[0] * 1024,
                samples=[
                    Sample(size=len(frames[at]), duration=durations[at], composition_offset=0, sync=True)
                    for at in group
                ],
            ),
            [frames[at] for at in group],
        )
        for sequence, group in enumerate((group for group in groups if group), 1)
    ]
    return EncodedTrack(init=init, segments=segments)


def clicks_in(frames: Iterator[av.AudioFrame], sample_rate: int = 48000) -> list[float]:
    """The seconds at which clicks begin in decoded sound, by the frames' own times."""
    found: list[float] = []
    for frame in frames:
        values = memoryview(frame.planes[0]).cast("f")[: frame.samples]
        if max(values) < 0.3 or frame.pts is None or frame.time_base is None:
            continue
        at = next(index for index, value in enumerate(values) if value >= 0.3)
        second = float(frame.pts * frame.time_base) + at / sample_rate
        if not found or second - found[-1] > 0.1:
            found.append(second)
    return found
