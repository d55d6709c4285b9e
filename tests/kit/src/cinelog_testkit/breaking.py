"""Films whose packets are there, but broken: in a known stretch of time. Needs PyAV."""

from operator import itemgetter
from pathlib import Path

import av

_KEPT = 24
"""Bytes of a picture: its first slice's header stays, so that a picture is shown, and a damaged one."""


def break_between(
    path: Path, kind: str, *, start_s: float, end_s: float, number: int = 0
) -> tuple[float, float]:
    """Overwrite in place what of `kind` (`audio`, `video`) begins in that time; return when it really does.

    `path` must be a file whose packets lie in it as they are, such as MP4.
    """
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[number]
        told = sorted(
            (
                (packet.pos, packet.size, packet.pts * packet.time_base, packet.duration * packet.time_base)
                for packet in container.demux(stream)
                if packet.size and packet.pts is not None and start_s <= packet.pts * packet.time_base < end_s
            ),
            key=itemgetter(2),
        )
    data = bytearray(path.read_bytes())
    for at, size, _, _ in told:
        first = at + (_KEPT if kind == "video" else 0)
        data[first : at + size] = bytes(at + size - first)
    path.write_bytes(bytes(data))
    return float(told[0][2]), float(told[-1][2] + told[-1][3])
