"""The prover child: encodes one frame with each encoder and says how that went."""

from fractions import Fraction

import av
import msgspec
from av.video.frame import VideoFrame
from cinelog_common.child_channel import Send, serve
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.errors import CinelogError

from cinelog_transcode.children.encoding import EncoderUnavailableError, RenditionEncoder
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.domain.tables import NEEDS, EncoderTable, table_of

# Larger than the least that NVENC, AMF and QSV take.
_SIDE = 256


def handle(frame: bytes, send: Send) -> None:
    """Prove each of the named encoders; send one `Proof` each, in their order."""
    for name in msgspec.msgpack.decode(frame, type=list[str]):
        send(msgspec.msgpack.encode(prove(table_of(name))))


def prove(table: EncoderTable) -> Proof:
    """Encode one frame with `table`'s encoder."""
    clock = SystemClock()
    began = clock.monotonic()
    proof = Proof(encoder=table.name, codec=table.codec, pool=table.pool, usable=False)
    try:
        version = _encode_one(table)
    except CinelogError as error:
        reason = error.reason if isinstance(error, EncoderUnavailableError) else error.message
        if needs := NEEDS.get(table.pool):
            reason = f"{reason}; it needs {needs}"
        proof = msgspec.structs.replace(proof, reason=reason)
    except av.FFmpegError as error:
        proof = msgspec.structs.replace(proof, reason=str(error))
    else:
        proof = msgspec.structs.replace(proof, usable=True, version=version)
    return msgspec.structs.replace(proof, seconds=round(clock.monotonic() - began, 3))


def _encode_one(table: EncoderTable) -> str:
    rendition = Rendition(name="proof", width=_SIDE, height=_SIDE, crf=30, max_rate_k=2000)
    recipe = Recipe(
        family=table.pool,
        encoder=table.name,
        codec=table.codec,
        preset="ultrafast",
        pixel_format="yuv420p",
        time_base=(1, 25),
        frame_rate=(25, 1),
        renditions=(rendition,),
        max_segment_s=8.0,
    )
    encoder = RenditionEncoder(recipe, rendition, 1)
    frame = VideoFrame(_SIDE, _SIDE, opening_options(recipe, rendition, 1).pixel_format)
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    packets = [*encoder.encode(frame, force_keyframe=True), *encoder.flush()]
    if len(packets) != 1 or not packets[0].keyframe:
        raise EncoderUnavailableError(table.name, f"one picture became {len(packets)} packets")
    encoder.init()
    return encoder.version(packets[0].data)


if __name__ == "__main__":
    serve(handle)
