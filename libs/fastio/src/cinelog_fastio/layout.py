"""The bundle format, version 1: where each byte lies. Everything is little-endian.

    prefix    magic "CINEPKTS" · u16 version · u16 zero · u32 length of the head
              · u64 xxh3-64 of (the 16 bytes before · the head)
    head      msgpack [StreamParameters, meta]
    records   for each packet:
                u32 payload length · u32 side-data length · i64 pts · i64 dts · i64 duration
                · u32 flags · u16 side-data entries · u16 zero
                payload
                side data: for each entry u16 name length · u32 length · name in UTF-8 · bytes
                u64 xxh3-64 of the record so far
    trailer   u64 packets · u64 payload bytes · u64 size of the bundle · u64 bundle checksum
              · magic "ENDCINEP"

A missing pts or dts is the lowest i64, as in libavcodec.

The bundle checksum starts as the prefix's checksum, is folded with each record's
(`fold(chain, checksum)` = xxh3-64 of the two as u64) and at last with the trailer's three numbers.
So every byte of a bundle lies under some checksum or magic, a record is hashed once however often
it is counted, and records cannot change places.
"""

import struct
from typing import Final

VERSION: Final = 1
MAGIC: Final = b"CINEPKTS"
END_MAGIC: Final = b"ENDCINEP"

PREFIX: Final = struct.Struct("<8sHHI")
CHECKSUM: Final = struct.Struct("<Q")
RECORD: Final = struct.Struct("<IIqqqIHH")
SIDE_DATA: Final = struct.Struct("<HI")
FOLD: Final = struct.Struct("<QQ")
TOTALS: Final = struct.Struct("<QQQQ")
TRAILER: Final = struct.Struct("<QQQQ8s")

HEAD_OFFSET: Final = PREFIX.size + CHECKSUM.size
RECORD_OVERHEAD: Final = RECORD.size + CHECKSUM.size
NO_TIMESTAMP: Final = -(1 << 63)
