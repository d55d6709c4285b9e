"""What a packet bundle says of the work unit it carries; stored as the bundle's `meta`."""

import msgspec

from cinelog_common.contract.values import Value, VideoInfo


class UnitMeta(Value, frozen=True, kw_only=True):
    """One work unit: the presentation interval [start, end) and what decoding must yield."""

    job: str
    run: int
    n: int
    start: int
    end: int
    frames: int
    """Frames with a presentation timestamp in the interval that are not marked discard."""
    video: VideoInfo
    generation: int = 0
    last: bool = False
    """No unit follows: frames the decoder holds back to the very end belong here."""
    held: bool = False
    """No frame begins in it: the last one before it goes on being shown, for sound that goes on."""


def encode_meta(meta: UnitMeta) -> bytes:
    """Return the bytes for a bundle's `meta`."""
    return msgspec.json.encode(meta)


def decode_meta(data: bytes) -> UnitMeta:
    """Return the meta of a bundle.

    Raises:
        msgspec.DecodeError: It is not one.
    """
    return msgspec.json.decode(data, type=UnitMeta)
