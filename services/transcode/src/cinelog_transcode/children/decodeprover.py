"""The decoder prover child: decodes a few pictures on a device and by software, and compares every bit."""

from fractions import Fraction

import av
import msgspec
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from cinelog_common.child_channel import Send, serve
from cinelog_common.errors import CinelogError
from cinelog_fastio import Packet, StreamParameters

from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.domain.decoders import DecoderCandidate, DecoderProof

_ENCODERS = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
_OPTIONS = {
    "h264": {"preset": "veryfast", "bf": "2"},
    "hevc": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=2"},
    "vp9": {"deadline": "realtime", "cpu-used": "8"},
    "av1": {"preset": "12"},
}
_SIDE = 256
_PICTURES = 8

Bits = tuple[int, bytes]
"""When a picture is shown, and what it is."""


def handle(frame: bytes, send: Send) -> None:
    """Prove each of the candidates; send one `DecoderProof` each, in their order."""
    for candidate in msgspec.msgpack.decode(frame, type=list[DecoderCandidate]):
        send(msgspec.msgpack.encode(prove_decoder(candidate)))


def prove_decoder(candidate: DecoderCandidate) -> DecoderProof:
    """Decode a film that is made here, on the device and by software."""
    proof = DecoderProof(codec=candidate.codec, device=candidate.device, usable=False)
    try:
        parameters, packets = _film(candidate.codec)
        shown = decoded(parameters, packets, candidate.device)
        same = shown == decoded(parameters, packets, "")
    except CinelogError as error:
        return msgspec.structs.replace(proof, reason=error.message.removesuffix("."))
    except (av.FFmpegError, ValueError) as error:
        return msgspec.structs.replace(proof, reason=str(error))
    if not same or len(shown) != _PICTURES:
        return msgspec.structs.replace(proof, reason="it shows other pictures than the processor")
    return msgspec.structs.replace(proof, usable=True)


def decoded(parameters: StreamParameters, packets: list[Packet], device: str) -> list[Bits]:
    """Return what is shown when, decoded on `device`; by software if that is empty."""
    decoder = BundleDecoder(parameters, DecoderOptions(reorder_depth=2, device=device))
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    frames += decoder.flush()
    return [_bits(frame) for frame in frames]


def _bits(frame: VideoFrame) -> Bits:
    assert frame.pts is not None
    return frame.pts, frame.reformat(format="yuv420p").to_ndarray().tobytes()


def _film(codec: str) -> tuple[StreamParameters, list[Packet]]:
    context = CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(context, VideoCodecContext)
    context.width = context.height = _SIDE
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, 25)
    context.framerate = Fraction(25)
    context.thread_count = 1
    context.options = dict(_OPTIONS[codec])
    made = [packet for at in range(_PICTURES) for packet in context.encode(_picture(at))]
    made += context.encode(None)
    parameters = StreamParameters(codec=codec, extradata=context.extradata or b"", time_base=(1, 25))
    packets = [
        Packet(
            data=bytes(packet),
            pts=packet.pts,
            dts=packet.dts,
            duration=packet.duration or 0,
            flags=int(packet.is_keyframe),
            side_data=(),
        )
        for packet in made
    ]
    return parameters, packets


def _picture(at: int) -> VideoFrame:
    """Return a slope that moves, so that there is something to predict and something to code."""
    frame = VideoFrame(_SIDE, _SIDE, "yuv420p")
    for plane in frame.planes:
        row = bytes((x * 3 + at * 7) % 256 for x in range(plane.line_size))
        plane.update(b"".join(row[y % 64 :] + row[: y % 64] for y in range(plane.height)))
    frame.pts, frame.time_base = at, Fraction(1, 25)
    return frame


if __name__ == "__main__":
    serve(handle)
