"""What a sample entry says about its codec: the box that a decoder is set up from.

One function a codec, from the extradata that libavcodec gives. Bit rates are always left at zero
(unknown): they would differ between segments of one recipe.
"""

import struct

import msgspec

from cinelog_common.cmaf.bits import BitReader
from cinelog_common.cmaf.boxes import BoxError, box, full_box

# 14496-1 table 5, and the MP4 registration authority's list of object types.
OBJECT_MPEG4_VIDEO, OBJECT_AAC, OBJECT_MPEG2_VIDEO, OBJECT_MPEG2_MP3, OBJECT_MP3 = (
    0x20,
    0x40,
    0x61,
    0x69,
    0x6B,
)
_VISUAL_STREAM, _AUDIO_STREAM = 4, 5

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AC3_RATES = (48000, 44100, 32000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)

# VP9 bitstream specification, annex A: level x 10, luma samples a second, luma samples a picture.
_VP9_LEVELS = (
    (10, 829440, 36864),
    (11, 2764800, 73728),
    (20, 4608000, 122880),
    (21, 9216000, 245760),
    (30, 20736000, 552960),
    (31, 36864000, 983040),
    (40, 83558400, 2228224),
    (41, 160432128, 2228224),
    (50, 311951360, 8912896),
    (51, 588251136, 8912896),
    (52, 1176502272, 8912896),
    (60, 1176502272, 35651584),
    (61, 2353004544, 35651584),
    (62, 4706009088, 35651584),
)


class SoundShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream says about its sound, for codecs whose header does not."""

    channels: int
    sample_rate: int
    bit_rate: int = 0
    lfe: bool = False


class Vp9Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What vpcC says; the colours are code points of ISO/IEC 23091-2 (2: unspecified)."""

    width: int
    height: int
    frames_per_second: float
    bit_depth: int = 8
    subsampling: tuple[int, int] = (1, 1)
    colours: tuple[int, int, int] = (2, 2, 2)
    full_range: bool = False


def esds(object_type: int, specific: bytes = b"") -> bytes:
    """The elementary stream descriptor (14496-14 6.7.2) with its decoder specific info."""
    stream = _VISUAL_STREAM if object_type in {OBJECT_MPEG4_VIDEO, OBJECT_MPEG2_VIDEO} else _AUDIO_STREAM
    info = _descriptor(5, specific) if specific else b""
    # 14496-1 7.2.6.6: objectType, streamType << 2 | upStream << 1 | 1, buffer size, max and mean rate.
    decoder = _descriptor(4, bytes((object_type, stream << 2 | 1)) + bytes(11) + info)
    # 7.2.6.5: ES_ID 0 in files, no flags; the SL descriptor is the predefined one for MP4.
    return full_box(b"esds", 0, 0, _descriptor(3, bytes(3) + decoder + _descriptor(6, b"\2")))


def _descriptor(tag: int, body: bytes) -> bytes:
    size = len(body)
    return (
        bytes((tag, size >> 21 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size & 0x7F))
        + body
    )


def aac_configuration(*, object_type: int, sample_rate: int, channels: int) -> bytes:
    """An AudioSpecificConfig (14496-3 1.6.2.1) where the stream brought none.

    Raises:
        BoxError: A rate or channel count that it cannot say without a program config element.
    """
    configuration = {8: 7}.get(channels, channels)
    if sample_rate not in AAC_RATES or not 1 <= configuration <= 7 or channels == 7:
        raise BoxError(f"no AAC configuration for {channels} channels at {sample_rate} Hz")
    bits = object_type << 11 | AAC_RATES.index(sample_rate) << 7 | configuration << 3
    return bits.to_bytes(2, "big")


def aac_configuration_of_adts(packet: bytes) -> bytes:
    """The AudioSpecificConfig that an ADTS header (14496-3 1.A.3.2) implies.

    Raises:
        BoxError: No ADTS header, or one that needs a program config element.
    """
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        raise BoxError("no ADTS header")
    reader = BitReader(packet[2:4])
    object_type, rate, _ = reader.bits(2) + 1, reader.bits(4), reader.bits(1)
    channels = reader.bits(3)
    if rate >= len(AAC_RATES) or not channels:
        raise BoxError("an ADTS header without rate or channels")
    return (object_type << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def opus(head: bytes) -> bytes:
    """dOps (Opus in ISOBMFF 4.3.2) of an OpusHead (RFC 7845 5.1), whose numbers are little-endian."""
    if len(head) < 19 or not head.startswith(b"OpusHead"):
        raise BoxError("no Opus header")
    channels, pre_skip, rate, gain, family = struct.unpack_from("<BHIhB", head, 9)
    return box(b"dOps", struct.pack(">BBHIhB", 0, channels, pre_skip, rate, gain, family), head[19:])


def flac(extradata: bytes) -> bytes:
    """dfLa (FLAC in ISOBMFF 3.3.2) with the STREAMINFO block alone."""
    info = extradata[8:42] if extradata.startswith(b"fLaC") else extradata[:34]
    if len(info) != 34:
        raise BoxError("no FLAC stream information")
    return full_box(b"dfLa", 0, 0, struct.pack(">I", 0x80000000 | 34), info)


def alac(extradata: bytes) -> bytes:
    """The alac box: libavcodec's extradata is the box itself."""
    if len(extradata) < 36 or extradata[4:8] != b"alac":
        raise BoxError("no ALAC configuration")
    return extradata[:36]


def ac3(shape: SoundShape, packet: bytes | None) -> bytes:
    """dac3 (ETSI TS 102 366 F.4) of the first frame, or of what the stream says."""
    bsid, bsmod = 8, 0
    rate, acmod, lfe = _AC3_RATES.index(_ac3_rate(shape)), _acmod(shape), int(shape.lfe)
    code = _AC3_KBPS.index(min(_AC3_KBPS, key=lambda kbps: abs(kbps * 1000 - shape.bit_rate)))
    if packet is not None and packet.startswith(b"\x0b\x77"):
        reader = BitReader(packet[4:12])
        rate, code, bsid, bsmod, acmod = (reader.bits(count) for count in (2, 6, 5, 3, 3))
        code >>= 1
        reader.bits(2 * (bool(acmod & 1 and acmod != 1) + bool(acmod & 4) + (acmod == 2)))
        lfe = reader.bits(1)
    bits = rate << 22 | bsid << 17 | bsmod << 14 | acmod << 11 | lfe << 10 | code << 5
    return box(b"dac3", bits.to_bytes(3, "big"))


def _ac3_rate(shape: SoundShape) -> int:
    if shape.sample_rate not in _AC3_RATES:
        raise BoxError(f"no AC-3 configuration at {shape.sample_rate} Hz")
    return shape.sample_rate


def _acmod(shape: SoundShape) -> int:
    """Audio coding mode (TS 102 366 4.4.2.3) of a usual layout."""
    full = shape.channels - shape.lfe
    return {1: 1, 2: 2, 3: 3, 4: 6, 5: 7}.get(min(full, 5), 2)


def eac3(shape: SoundShape, packet: bytes | None) -> bytes:
    """dec3 (ETSI TS 102 366 F.6) of the first frame, or of what the stream says.

    The first independent substream only, with the dependent ones that extend it (7.1).
    """
    rate, acmod, lfe, bsid = _AC3_RATES.index(_ac3_rate(shape)), _acmod(shape), int(shape.lfe), 16
    dependents, places = 0, 0
    if packet is not None and packet.startswith(b"\x0b\x77"):
        reader = BitReader(packet[4:6])
        rate, _, acmod, lfe, bsid = (reader.bits(count) for count in (2, 2, 3, 1, 5))
        dependents, places = _dependents(packet)
    # data_rate in kbit/s, one independent substream; asvc, bsmod 0
    bits = (min(shape.bit_rate // 1000, 0x1FFF) << 3) << 16
    bits |= rate << 14 | bsid << 9 | acmod << 1 | lfe
    body = bits.to_bytes(4, "big")
    tail = (dependents << 9 | places) if dependents else 0
    return box(b"dec3", body, tail.to_bytes(2, "big") if dependents else b"\0")


def _dependents(packet: bytes) -> tuple[int, int]:
    """How many dependent substreams follow in this packet, and where their channels lie."""
    count, places, position = 0, 0, 0
    while packet[position : position + 2] == b"\x0b\x77" and position + 16 <= len(packet):
        reader = BitReader(packet[position + 2 : position + 16])
        kind, _, words = reader.bits(2), reader.bits(3), reader.bits(11) + 1
        if kind == 1:
            count += 1
            places |= _channel_places(reader)
        position += 2 * words
    return min(count, 15), places


def _channel_places(reader: BitReader) -> int:
    reader.bits(4)
    acmod = reader.bits(3)
    reader.bits(1 + 5)
    for _ in range(1 if acmod else 2):
        reader.bits(5)
        if reader.flag():
            reader.bits(8)
    chanmap = reader.bits(16) if reader.flag() else 0
    # E.2.3.1.8: bit 15 - n of chanmap for location n; F.6.2.13: chan_loc starts at Lc/Rc = 5.
    return sum(
        (chanmap >> 15 - location & 1) << bit for bit, location in enumerate((5, 6, 7, 8, 9, 10, 11, 12, 14))
    )


def vp9(shape: Vp9Shape) -> bytes:
    """vpcC (VP codec ISO media file format binding 1.0) of what the stream says."""
    chroma = {(1, 1): 1, (1, 0): 2, (0, 0): 3}[shape.subsampling]
    profile = (shape.subsampling != (1, 1)) + 2 * (shape.bit_depth > 8)
    return full_box(
        b"vpcC",
        1,
        0,
        bytes((profile, vp9_level(shape), shape.bit_depth << 4 | chroma << 1 | shape.full_range)),
        bytes(shape.colours),
        bytes(2),
    )


def vp9_level(shape: Vp9Shape) -> int:
    """Ten times the lowest level that holds the picture and its rate."""
    picture = shape.width * shape.height
    for level, per_second, per_picture in _VP9_LEVELS:
        if picture <= per_picture and picture * shape.frames_per_second <= per_second:
            return level
    return _VP9_LEVELS[-1][0]
