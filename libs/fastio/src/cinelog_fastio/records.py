"""The values that a packet bundle carries, and the errors its readers raise."""

import os
from typing import Final

import msgspec

KEYFRAME: Final = 1
"""Decoding can start here. This and the next four have libavcodec's values, but for `CARRIED`."""
CORRUPT: Final = 2
"""The container or a checksum of the source said that this packet is damaged."""
DISCARD: Final = 4
"""Decode it, but do not present its frame."""
DISPOSABLE: Final = 16
"""No other packet needs it."""
CARRIED: Final = 256
"""Carried for decoding only: its frame belongs to a neighbour in decode order."""


class BundleError(ValueError):
    """A bundle is truncated, damaged or hostile, or a packet cannot be written into one.

    The message names the offset in bytes or the index of the packet where it broke.
    """


class StreamParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What a bare decoder must know before the first packet, and what the container said beside it.

    `extradata` is the codec's own configuration record, `side_data` the stream's as (name, bytes);
    a second of the stream is `time_base[1] / time_base[0]` ticks of `pts`, `dts` and `duration`.
    """

    codec: str
    extradata: bytes = b""
    time_base: tuple[int, int]
    attributes: dict[str, str | int | float] = {}
    side_data: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a time base in which no time can be told."""
        if min(self.time_base) <= 0:
            raise ValueError(f"time base {self.time_base[0]}/{self.time_base[1]} is not positive")


class Packet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One packet exactly as the demuxer gave it; times in ticks of the stream's time base."""

    data: bytes
    pts: int | None
    dts: int | None
    duration: int = 0
    flags: int = 0
    side_data: tuple[tuple[str, bytes], ...] = ()


class BundleSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole, verified bundle holds; `checksum` covers every byte of it."""

    packets: int
    payload_bytes: int
    size_bytes: int
    checksum: int


class FileRange(msgspec.Struct, frozen=True, kw_only=True):
    """`length` bytes of a file from the offset `start` on."""

    path: str | os.PathLike[str]
    start: int
    length: int
