"""NAL units from Annex B (ITU-T H.264 and H.265) to length prefixes (ISO/IEC 14496-15)."""

import struct
from typing import Final

from cinelog_fastio.kernel import ByteSource

START_CODE: Final = b"\x00\x00\x01"


def annexb_to_lengths(data: ByteSource) -> bytes:
    """Replace each start code by the unit's length in 4 bytes; see `Kernel.annexb_to_lengths`."""
    if len(data) > 0xFFFF_FFFF:
        raise ValueError("an Annex-B stream of 4 GiB or more has no 4-byte lengths")
    lead, *units = bytes(data).split(START_CODE)
    if lead.strip(b"\x00"):
        raise ValueError("no start code at the beginning of the Annex-B stream")
    if not units and lead:
        raise ValueError("no start code in the Annex-B stream")
    # B.1.1: zeros before a start code (its fourth byte too) are padding; no unit ends in a zero byte (7.4.1).
    trimmed = [unit.rstrip(b"\x00") for unit in units]
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in trimmed if unit)
