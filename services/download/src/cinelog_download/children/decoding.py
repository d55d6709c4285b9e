"""Bare decoding of a few packets, to see whether a cut is clean and how many pictures there are."""

import hashlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from cinelog_fastio import CORRUPT, DISCARD, KEYFRAME, Packet, StreamParameters

# libavcodec's own AV1 decoder wants hardware.
_DECODERS = {"av1": "libdav1d"}


def bare_context(parameters: StreamParameters) -> VideoCodecContext:
    """Return a decoder that knows nothing but what a bundle carries.

    Raises:
        av.error.FFmpegError: No such decoder.
    """
    context = av.CodecContext.create(_DECODERS.get(parameters.codec, parameters.codec), "r")
    assert isinstance(context, VideoCodecContext)
    if parameters.extradata:
        context.extradata = parameters.extradata
    attributes = parameters.attributes
    context.width, context.height = int(attributes.get("width", 0)), int(attributes.get("height", 0))
    context.bits_per_coded_sample = int(attributes.get("bits_per_coded_sample", 0))
    if parameters.codec == "rawvideo":
        context.pix_fmt = str(attributes.get("pix_fmt", "yuv420p"))
    if len(tag := str(attributes.get("codec_tag", ""))) == 4:
        context.codec_tag = tag
    context.thread_count = 1
    return context


def as_av(packet: Packet, time_base: Fraction) -> "av.Packet[Any]":
    """Return `packet` for PyAV's decoders."""
    # Of its own size: decoders read up to 64 bytes past the end, which only its own buffers have.
    made: av.Packet[Any] = av.Packet(len(packet.data))
    if packet.data:
        made.update(packet.data)
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, time_base
    made.duration = packet.duration
    made.is_keyframe = bool(packet.flags & KEYFRAME)
    made.is_corrupt = bool(packet.flags & CORRUPT)
    return made


def decoded(parameters: StreamParameters, packets: Iterable[Packet]) -> Iterator[VideoFrame]:
    """Yield all pictures of `packets`, flushed at the end; a packet that is refused is skipped."""
    context = bare_context(parameters)
    time_base = Fraction(*parameters.time_base)
    for packet in packets:
        try:
            yield from context.decode(as_av(packet, time_base))
        except av.error.InvalidDataError:
            continue
    yield from context.decode(None)


def pictures(
    parameters: StreamParameters, packets: Iterable[Packet], *, since: int | None = None
) -> dict[int, bytes]:
    """Return a hash of each picture by its pts; what the container discards is left out.

    Of pictures before `since` the hash is empty: it costs as much as their decoding does. The packets
    are taken one after the other, and none is kept.
    """
    discarded: set[int | None] = set()
    found = {
        frame.pts: picture_hash(frame) if since is None or frame.pts >= since else b""
        for frame in decoded(parameters, _noting_discarded(packets, discarded))
        if frame.pts is not None
    }
    return {pts: digest for pts, digest in found.items() if pts not in discarded}


def count_pictures(parameters: StreamParameters, packets: Iterable[Packet], start: int, end: int) -> int:
    """Return how many pictures of [start, end) decoding yields.

    As the encoder counts them: one that a decoder shows too late or twice is none. The packets are
    taken one after the other, and neither they nor their times are kept.
    """
    discarded: set[int | None] = set()
    count, last = 0, None
    for frame in decoded(parameters, _noting_discarded(packets, discarded)):
        # A decoder shows nothing of a packet that it did not get: what is discarded was noted before.
        if frame.pts is None or frame.pts in discarded or (last is not None and frame.pts <= last):
            continue
        last = frame.pts
        count += start <= frame.pts < end
    return count


def _noting_discarded(packets: Iterable[Packet], discarded: set[int | None]) -> Iterator[Packet]:
    for packet in packets:
        if packet.flags & DISCARD:
            discarded.add(packet.pts)
        yield packet


def picture_hash(frame: VideoFrame) -> bytes:
    """Return a digest of the visible samples of a frame."""
    digest = hashlib.blake2b(digest_size=16)
    for plane in frame.planes:
        # Lines are padded to the decoder's liking; only their first bytes are picture.
        line = -(-plane.width * _bits(frame, plane.width) // 8) if plane.line_size else 0
        data = memoryview(plane)
        for row in range(plane.height):
            digest.update(data[row * plane.line_size : row * plane.line_size + line])
    return digest.digest()


def _bits(frame: VideoFrame, plane_width: int) -> int:
    components = [part for part in frame.format.components if part.width == plane_width]
    planar = max((part.plane for part in frame.format.components), default=0) > 0
    per_sample = 16 if components and components[0].bits > 8 else 8
    if not planar:
        return frame.format.padded_bits_per_pixel
    interleaved = sum(1 for part in components if part.plane == components[-1].plane)
    return per_sample * max(1, interleaved if plane_width < frame.width else 1)
