"""The prover child: encodes one frame at a time, each in one way, and says how that went."""

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
from cinelog_transcode.domain.proof import Proof, Trial
from cinelog_transcode.domain.tables import NEEDS, EncoderTable, table_of

# Larger than the least that NVENC, AMF and QSV take.
_SIDE = 256


def handle(frame: bytes, send: Send) -> None:
    """Try one encoder in one way and send its `Proof`."""
    send(msgspec.msgpack.encode(prove(msgspec.msgpack.decode(frame, type=Trial))))


def prove(trial: Trial) -> Proof:
    """Encode one frame as the trial wants it."""
    clock = SystemClock()
    began = clock.monotonic()
    table = table_of(trial.encoder)
    proof = Proof(encoder=table.name, codec=table.codec, pool=table.pool, usable=False)
    try:
        version = _encode_one(table, trial)
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


def _encode_one(table: EncoderTable, trial: Trial) -> str:
    rendition = Rendition(name="proof", width=_SIDE, height=_SIDE, crf=30, max_rate_k=2000)
    recipe = Recipe(
        family=table.pool,
        encoder=table.name,
        version=trial.version,
        codec=table.codec,
        preset="ultrafast",
        pixel_format="yuv420p10le" if trial.depth > 8 else "yuv420p",
        time_base=(1, 25),
        frame_rate=(25, 1),
        renditions=(rendition,),
        max_segment_s=8.0,
    )
    encoder = RenditionEncoder(recipe, rendition, 1)
    frame = _grey(opening_options(recipe, rendition, 1).pixel_format)
    packets = [*encoder.encode(frame, force_keyframe=True), *encoder.flush()]
    if len(packets) != 1 or not packets[0].keyframe:
        raise EncoderUnavailableError(table.name, f"one picture became {len(packets)} packets")
    encoder.init()
    return encoder.version(packets[0].data)


def _grey(pixel_format: str) -> VideoFrame:
    plain = VideoFrame(_SIDE, _SIDE, "yuv420p")
    for plane in plain.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    frame = plain.reformat(format=pixel_format)
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    return frame


if __name__ == "__main__":
    serve(handle)
