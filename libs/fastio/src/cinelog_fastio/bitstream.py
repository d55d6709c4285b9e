"""Rewriting of elementary streams."""

from cinelog_fastio import backend
from cinelog_fastio.kernel import ByteSource


def annexb_to_lengths(data: ByteSource) -> bytes:
    """Return an Annex-B stream (H.264, HEVC) as NAL units, each after its length in 4 bytes, big-endian.

    3- and 4-byte start codes are understood; zeros that pad a unit and empty units are dropped.

    Raises:
        ValueError: `data` does not begin with a start code.
    """
    return backend.kernel.annexb_to_lengths(data)
