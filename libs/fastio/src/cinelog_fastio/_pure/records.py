"""Packing packets into records, and walking records with every count and length checked first."""

import struct

import xxhash

from cinelog_fastio.kernel import ByteSource
from cinelog_fastio.layout import (
    CHECKSUM,
    FOLD,
    NO_TIMESTAMP,
    RECORD,
    RECORD_OVERHEAD,
    SIDE_DATA,
)
from cinelog_fastio.records import BundleError, Packet


def pack_record(packet: Packet, index: int) -> bytes:
    """Return the record of `packet`; see `Kernel.pack_record`."""
    try:
        side_data = b"".join(_pack_side_data(name, data) for name, data in packet.side_data)
        head = RECORD.pack(
            len(packet.data),
            len(side_data),
            _pack_time(packet.pts),
            _pack_time(packet.dts),
            packet.duration,
            packet.flags,
            len(packet.side_data),
            0,
        )
    except (struct.error, ValueError) as error:
        raise BundleError(f"packet {index}: {error}") from error
    record = b"".join((head, packet.data, side_data))
    return record + CHECKSUM.pack(xxhash.xxh3_64_intdigest(record))


def _pack_side_data(name: str, data: bytes) -> bytes:
    encoded = name.encode()
    return b"".join((SIDE_DATA.pack(len(encoded), len(data)), encoded, data))


def _pack_time(ticks: int | None) -> int:
    if ticks is None:
        return NO_TIMESTAMP
    if ticks == NO_TIMESTAMP:
        raise ValueError("the lowest timestamp means that there is none")
    return ticks


def _unpack_time(ticks: int) -> int | None:
    return None if ticks == NO_TIMESTAMP else ticks


class RecordCursor:
    """Walks records; see the protocol of the same name."""

    def __init__(self, source: ByteSource, start: int, end: int, chain: int) -> None:
        self._view = memoryview(source).cast("B")
        self._end = end
        self.offset = start
        self.packets = 0
        self.payload_bytes = 0
        self.chain = chain

    def __iter__(self) -> "RecordCursor":
        """Return itself."""
        return self

    def __next__(self) -> Packet:
        """Return the next packet."""
        start, fields = self._advance()
        length, side_length, pts, dts, duration, flags, entries, _ = fields
        payload = start + RECORD.size
        packet = Packet(
            data=bytes(self._view[payload : payload + length]),
            pts=_unpack_time(pts),
            dts=_unpack_time(dts),
            duration=duration,
            flags=flags,
            side_data=self._side_data(start, (payload + length, side_length), entries),
        )
        self.packets += 1
        return packet

    def skim(self) -> None:
        """Check all records that are left."""
        while self.offset < self._end:
            start, (length, side_length, _, _, _, _, entries, _) = self._advance()
            self._side_data(start, (start + RECORD.size + length, side_length), entries)
            self.packets += 1

    def _advance(self) -> tuple[int, tuple[int, ...]]:
        start = self.offset
        left = self._end - start
        if left == 0:
            raise StopIteration
        if left < RECORD_OVERHEAD:
            raise self._broken(start, f"{left} bytes are too few for a record")
        fields = RECORD.unpack_from(self._view, start)
        size = RECORD.size + fields[0] + fields[1]
        if size > left - CHECKSUM.size:
            raise self._broken(start, f"the record claims {size + CHECKSUM.size} bytes, but {left} are left")
        (written,) = CHECKSUM.unpack_from(self._view, start + size)
        if xxhash.xxh3_64_intdigest(self._view[start : start + size]) != written:
            raise self._broken(start, "checksum mismatch")
        if fields[7]:
            raise self._broken(start, "reserved bits are set")
        self.chain = xxhash.xxh3_64_intdigest(FOLD.pack(self.chain, written))
        self.offset = start + size + CHECKSUM.size
        self.payload_bytes += fields[0]
        return start, fields

    def _side_data(self, start: int, block: tuple[int, int], entries: int) -> tuple[tuple[str, bytes], ...]:
        offset, length = block
        end = offset + length
        found: list[tuple[str, bytes]] = []
        for _ in range(entries):
            if end - offset < SIDE_DATA.size:
                raise self._broken(start, "side data are cut short")
            name_length, data_length = SIDE_DATA.unpack_from(self._view, offset)
            offset += SIDE_DATA.size
            if name_length + data_length > end - offset:
                raise self._broken(start, "side data claim more bytes than the record has")
            try:
                name = str(self._view[offset : offset + name_length], "utf-8")
            except UnicodeDecodeError as error:
                raise self._broken(start, "the name of side data is not UTF-8") from error
            offset += name_length
            found.append((name, bytes(self._view[offset : offset + data_length])))
            offset += data_length
        if offset != end:
            raise self._broken(start, "bytes are left over after the side data")
        return tuple(found)

    def _broken(self, start: int, reason: str) -> BundleError:
        return BundleError(f"packet {self.packets} at byte {start}: {reason}")
