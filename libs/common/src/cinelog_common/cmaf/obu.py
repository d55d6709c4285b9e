"""AV1 open bitstream units: what the sample entry says, and samples without delimiters."""

from collections.abc import Iterator

import msgspec

from cinelog_common.cmaf.bits import BitReader
from cinelog_common.cmaf.boxes import BoxError

SEQUENCE_HEADER, TEMPORAL_DELIMITER = 1, 2
_UNSPECIFIED = 2


class SequenceHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of sequence_header_obu (AV1 5.5.1) that av1C and codec strings repeat."""

    profile: int
    level: int
    tier: int
    high_bitdepth: bool
    twelve_bit: bool
    monochrome: bool
    subsampling: tuple[int, int]
    chroma_position: int

    @property
    def bit_depth(self) -> int:
        """Bits per component: 8, 10 or 12."""
        return 12 if self.twelve_bit else 10 if self.high_bitdepth else 8


def units(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(type, the whole unit, its payload) of each unit that says its size (AV1 5.3).

    Raises:
        BoxError: A unit reaches past the end.
    """
    position = 0
    while position < len(data):
        header = data[position]
        body = position + (2 if header & 4 else 1)
        if header & 2:
            size, body = _leb128(data, body)
        else:
            size = len(data) - body
        if size < 0 or body + size > len(data):
            raise BoxError("an AV1 unit reaches past the end of its packet")
        yield header >> 3 & 15, data[position : body + size], data[body : body + size]
        position = body + size


def _leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        if position + index >= len(data):
            break
        byte = data[position + index]
        value |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return value, position + index + 1
    raise BoxError("an AV1 unit's size is cut off")


def without_delimiters(packet: bytes) -> bytes:
    """A temporal unit as an MP4 sample: temporal delimiters removed (AV1-ISOBMFF 2.4)."""
    if packet[:2] == b"\x12\0" and b"\x12\0" not in packet[2:]:
        return packet[2:]
    return b"".join(whole for kind, whole, _ in units(packet) if kind != TEMPORAL_DELIMITER)


def sequence_header_unit(data: bytes) -> bytes:
    """The first sequence header unit in `data`.

    Raises:
        BoxError: There is none.
    """
    for kind, whole, _ in units(data):
        if kind == SEQUENCE_HEADER:
            return whole
    raise BoxError("no AV1 sequence header")


def read_sequence_header(data: bytes) -> SequenceHeader:
    """The first sequence header in `data` (AV1 5.5.1).

    Raises:
        BoxError: There is none, or it ends early.
    """
    payload = next((body for kind, _, body in units(data) if kind == SEQUENCE_HEADER), None)
    if payload is None:
        raise BoxError("no AV1 sequence header")
    reader = BitReader(payload)
    profile = reader.bits(3)
    reader.flag()  # still_picture
    reduced = reader.flag()
    point = (reader.bits(5), 0) if reduced else _operating_points(reader)
    _frame_size_and_tools(reader, reduced=reduced)
    return _color_config(reader, profile, point)


def _operating_points(reader: BitReader) -> tuple[int, int]:
    delay_bits, timing, decoder_model = 0, reader.flag(), False
    if timing:
        reader.bits(64)
        if reader.flag():
            reader.exp_golomb()
        decoder_model = reader.flag()
        if decoder_model:
            delay_bits = reader.bits(5) + 1
            reader.bits(32 + 5 + 5)
    initial_delay = reader.flag()
    first = (0, 0)
    for point in range(reader.bits(5) + 1):
        reader.bits(12)
        level = reader.bits(5)
        tier = reader.bits(1) if level > 7 else 0
        if decoder_model and reader.flag():
            reader.bits(2 * delay_bits + 1)
        if initial_delay and reader.flag():
            reader.bits(4)
        first = (level, tier) if point == 0 else first
    return first


def _frame_size_and_tools(reader: BitReader, *, reduced: bool) -> None:
    width_bits, height_bits = reader.bits(4) + 1, reader.bits(4) + 1
    reader.bits(width_bits + height_bits)
    if not reduced and reader.flag():  # frame_id_numbers_present_flag
        reader.bits(4 + 3)
    reader.bits(3)
    if not reduced:
        _inter_tools(reader)
    reader.bits(3)  # superres, cdef, restoration


def _inter_tools(reader: BitReader) -> None:
    reader.bits(4)
    order_hint = reader.flag()
    if order_hint:
        reader.bits(2)
    # seq_choose_screen_content_tools, else seq_force_screen_content_tools
    screen_content = reader.flag() or reader.flag()
    if screen_content and not reader.flag():  # seq_choose_integer_mv
        reader.flag()
    if order_hint:
        reader.bits(3)


def _color_config(reader: BitReader, profile: int, point: tuple[int, int]) -> SequenceHeader:
    high = reader.flag()
    twelve = profile == 2 and high and reader.flag()
    monochrome = profile != 1 and reader.flag()
    described = reader.flag()
    colours = tuple(reader.bits(8) for _ in range(3)) if described else (_UNSPECIFIED,) * 3
    subsampling, position = (1, 1), 0
    if monochrome:
        reader.flag()
    elif colours == (1, 13, 0):  # sRGB
        subsampling = (0, 0)
    else:
        reader.flag()
        subsampling = _subsampling(reader, profile, twelve=twelve)
        position = reader.bits(2) if subsampling == (1, 1) else 0
    return SequenceHeader(
        profile=profile,
        level=point[0],
        tier=point[1],
        high_bitdepth=high,
        twelve_bit=twelve,
        monochrome=monochrome,
        subsampling=subsampling,
        chroma_position=position,
    )


def _subsampling(reader: BitReader, profile: int, *, twelve: bool) -> tuple[int, int]:
    if profile == 0:
        return 1, 1
    if profile == 1:
        return 0, 0
    if not twelve:
        return 1, 0
    horizontal = reader.bits(1)
    return horizontal, reader.bits(1) if horizontal else 0


def av1_configuration(sequence_header: bytes) -> bytes:
    """The AV1CodecConfigurationRecord (AV1-ISOBMFF 2.3.3) around a sequence header unit.

    Raises:
        BoxError: There is no sequence header, or it ends early.
    """
    unit = sequence_header_unit(sequence_header)
    header = read_sequence_header(unit)
    horizontal, vertical = header.subsampling
    third = (
        header.tier << 7
        | header.high_bitdepth << 6
        | header.twelve_bit << 5
        | header.monochrome << 4
        | horizontal << 3
        | vertical << 2
        | header.chroma_position
    )
    return bytes((0x81, header.profile << 5 | header.level, third, 0)) + unit
