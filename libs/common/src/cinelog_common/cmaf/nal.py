"""H.264 and H.265 parameter sets and access units, from start codes to the form MP4 wants.

Encoders and MPEG-TS separate NAL units by start codes (H.264 Annex B); MP4 puts a length before
each (14496-15 4.3.3) and the parameter sets into the sample entry.
"""

import struct
from collections.abc import Iterator

from cinelog_fastio import annexb_to_lengths

from cinelog_common.cmaf.bits import BitReader
from cinelog_common.cmaf.boxes import BoxError

_START = b"\0\0\1"
MAX_PARAMETER_SETS = 64

H264_SPS, H264_PPS, H264_SPS_EXTENSION = 7, 8, 13
H265_VPS, H265_SPS, H265_PPS = 32, 33, 34

# 14496-15 5.3.3.1.2: all profiles but these carry chroma format and bit depths in avcC.
_H264_PLAIN_PROFILES = frozenset({66, 77, 88})
# H.264 7.3.2.1.1: profiles whose SPS carries chroma_format_idc.
_H264_CHROMA_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def is_annex_b(data: bytes) -> bool:
    """Whether `data` begins with a start code."""
    return data.startswith((_START, b"\0" + _START))


def nal_units(data: bytes) -> Iterator[bytes]:
    """The NAL units between the start codes of `data`, without trailing zero bytes."""
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        # Annex B: trailing_zero_8bits belong to the byte stream; a NAL unit never ends in zero.
        unit = (data[begin:at] if at >= 0 else data[begin:]).rstrip(b"\0")
        if unit:
            yield unit


def length_prefixed(data: bytes) -> bytes:
    """An Annex B access unit with a 4-byte length before each NAL unit instead of start codes.

    Raises:
        BoxError: It does not begin with a start code, or holds nothing else.
    """
    try:
        sample = annexb_to_lengths(data)
    except ValueError as error:
        raise BoxError(f"an access unit without a start code: {error}") from error
    if not sample:
        raise BoxError("an access unit without a NAL unit")
    return sample


def unescaped(unit: bytes) -> bytes:
    """The payload without emulation prevention bytes (H.264 7.4.1)."""
    return unit.replace(b"\0\0\3", b"\0\0")


def avc_configuration(parameter_sets: bytes) -> bytes:
    """The AVCDecoderConfigurationRecord (14496-15 5.3.3.1) of Annex B parameter sets.

    Raises:
        BoxError: There is no SPS or no PPS.
    """
    units = list(nal_units(parameter_sets))
    sps = [unit for unit in units if unit[0] & 0x1F == H264_SPS and len(unit) >= 4]
    pps = [unit for unit in units if unit[0] & 0x1F == H264_PPS]
    if not sps or not pps or len(sps) > 31 or len(pps) > MAX_PARAMETER_SETS:
        raise BoxError(f"{len(sps)} sequence and {len(pps)} picture parameter sets")
    profile, compatibility, level = sps[0][1:4]
    record = [bytes((1, profile, compatibility, level, 0xFC | 3, 0xE0 | len(sps))), *map(_counted, sps)]
    record += [bytes((len(pps),)), *map(_counted, pps)]
    if profile not in _H264_PLAIN_PROFILES:
        chroma, luma_depth, chroma_depth = _avc_formats(sps[0])
        record.append(bytes((0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth)))
        extensions = [unit for unit in units if unit[0] & 0x1F == H264_SPS_EXTENSION]
        record += [bytes((len(extensions),)), *map(_counted, extensions)]
    return b"".join(record)


def _counted(unit: bytes) -> bytes:
    if len(unit) > 0xFFFF:
        raise BoxError(f"a parameter set of {len(unit)} bytes")
    return len(unit).to_bytes(2, "big") + unit


def _avc_formats(sps: bytes) -> tuple[int, int, int]:
    """chroma_format_idc, bit_depth_luma_minus8, bit_depth_chroma_minus8 (H.264 7.3.2.1.1)."""
    reader = BitReader(unescaped(sps[1:]))
    profile = reader.bits(8)
    reader.bits(16)
    reader.exp_golomb()
    if profile not in _H264_CHROMA_PROFILES:
        return 1, 0, 0
    chroma = reader.exp_golomb()
    if chroma == 3:
        reader.flag()
    return chroma & 3, reader.exp_golomb() & 7, reader.exp_golomb() & 7


def hevc_configuration(parameter_sets: bytes) -> bytes:
    """The HEVCDecoderConfigurationRecord (14496-15 8.3.3.1) of Annex B parameter sets.

    SEI units are left out: x265 writes its command line into one, which differs between recipes'
    workers although nothing that a decoder needs does.

    Raises:
        BoxError: A VPS, SPS or PPS is missing.
    """
    arrays: dict[int, list[bytes]] = {H265_VPS: [], H265_SPS: [], H265_PPS: []}
    for unit in nal_units(parameter_sets):
        if (kind := unit[0] >> 1 & 0x3F) in arrays:
            arrays[kind].append(unit)
    if not all(arrays.values()) or max(map(len, arrays.values())) > MAX_PARAMETER_SETS:
        raise BoxError("a video, sequence or picture parameter set is missing")
    sps = unescaped(arrays[H265_SPS][0])
    if len(sps) < 15:
        raise BoxError("a sequence parameter set ends early")
    # H.265 7.3.2.2.1: after the 2-byte NAL header and one byte lies profile_tier_level().
    sub_layers, nested = (sps[2] >> 1 & 7) + 1, sps[2] & 1
    chroma, luma_depth, chroma_depth = _hevc_formats(sps, sub_layers - 1)
    record = [
        b"\1",
        sps[3:15],
        struct.pack(">HBBBBH", 0xF000, 0xFC, 0xFC | chroma, 0xF8 | luma_depth, 0xF8 | chroma_depth, 0),
        # constantFrameRate 0, numTemporalLayers, temporalIdNested, lengthSizeMinusOne 3
        bytes((sub_layers << 3 | nested << 2 | 3, len(arrays))),
    ]
    for kind, units in arrays.items():
        # array_completeness = 1: with hvc1 all parameter sets are here and none in band.
        record += [struct.pack(">BH", 0x80 | kind, len(units)), *map(_counted, units)]
    return b"".join(record)


def _hevc_formats(sps: bytes, sub_layers_minus1: int) -> tuple[int, int, int]:
    reader = BitReader(sps[15:])
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers_minus1)]
    if sub_layers_minus1:
        reader.bits(2 * (8 - sub_layers_minus1))
    for profile, level in present:
        reader.bits(88 * profile + 8 * level)
    reader.exp_golomb()
    chroma = reader.exp_golomb()
    if chroma == 3:
        reader.flag()
    reader.exp_golomb(), reader.exp_golomb()
    if reader.flag():  # conformance_window
        for _ in range(4):
            reader.exp_golomb()
    return chroma & 3, reader.exp_golomb() & 7, reader.exp_golomb() & 7


def hevc_without_sei(record: bytes) -> bytes:
    """A HEVCDecoderConfigurationRecord as hvc1 wants it: complete parameter sets, no SEI.

    Raises:
        BoxError: The record ends early.
    """
    if len(record) < 23:
        raise BoxError("an hvcC record ends early")
    position, kept = 23, []
    for _ in range(record[22]):
        begin = position
        position += 3
        for _ in range(int.from_bytes(record[begin + 1 : begin + 3], "big")):
            position += 2 + int.from_bytes(record[position : position + 2], "big")
        if position > len(record):
            raise BoxError("an hvcC record ends early")
        if record[begin] & 0x3F in {H265_VPS, H265_SPS, H265_PPS}:
            # array_completeness: hvc1 promises that none are in band.
            kept.append(bytes((record[begin] | 0x80,)) + record[begin + 1 : position])
    return record[:22] + bytes((len(kept),)) + b"".join(kept)
