"""What the first bytes of a packet tell about its picture, without decoding it.

References: ITU-T H.264 7.4.1, H.265 7.4.2.2, RFC 6386 9.1 (VP8), VP9 bitstream specification 6.2.
"""

from collections.abc import Callable, Iterator

_ALWAYS_CLEAN = frozenset({"vp8", "vp9", "av1", "ffv1", "mjpeg", "prores", "dnxhd", "rawvideo", "huffyuv"})
"""Their keyframes reset everything that later pictures refer to, or all pictures are keyframes."""
_JPEG_MARKER = 0xFF
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, of whatever process; the three are tables and reserved."""
_START = b"\0\0\1"
_HEADERS_END = 4096
"""Parameter sets lie within the first bytes of a keyframe."""
_LONGEST_PREFIX = 64
"""NAL units looked at before the first slice: parameter sets, SEI."""


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Return how wide and high a JPEG says that it is (ITU-T T.81 B.2.2); zeros if it does not say."""
    at = 2
    while at + 9 <= len(data) and data[at] == _JPEG_MARKER:
        kind = data[at + 1]
        if kind in _JPEG_FRAMES:
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def starts_clean(codec: str, data: bytes, extradata: bytes) -> bool:
    """Tell whether a keyframe surely lets everything after it be decoded without what came before.

    False means that only decoding can tell: recovery points, open groups of pictures.
    """
    if codec in _ALWAYS_CLEAN:
        return True
    if codec == "h264":
        units = nal_units(codec, data, extradata)
        return _first_slice(data, units, lambda head: head & 31, range(1, 6)) == 5
    if codec == "hevc":
        kind = _hevc_slice(data, extradata)
        # IDR_W_RADL and IDR_N_LP; CRA (21) has leading pictures that refer across it.
        return kind in {19, 20}
    return False


def is_skipped_leading(codec: str, data: bytes, extradata: bytes) -> bool:
    """Tell whether a picture that is shown before the stream's first keyframe is lost to every decoder.

    Only H.265 has leading pictures that are not (RADL, 6 and 7).
    """
    return codec != "hevc" or _hevc_slice(data, extradata) not in {6, 7}


def parameters_in(codec: str, data: bytes, extradata: bytes) -> bytes | None:
    """Return what a keyframe itself says of size and shape: sequence headers; None if it says nothing."""
    if _length_size(codec, extradata) is not None:
        return None
    if codec == "mpeg2video":
        # ISO/IEC 13818-2 6.2.2.1: size, aspect and frame rate are the first four bytes.
        at = data.find(_START + b"\xb3")
        return None if at < 0 else data[at + 4 : at + 8]
    if codec == "h264":
        return _unit_of(data, lambda head: head & 31 == 7)
    if codec == "hevc":
        return _unit_of(data, lambda head: head >> 1 & 63 == 33)
    return None


def is_shown(codec: str, data: bytes) -> bool:
    """Tell whether a packet yields a picture at all: VP8 and VP9 have ones that are only referred to."""
    if not data:
        return True
    if codec == "vp8":
        return bool(data[0] & 0x10)
    if codec == "vp9":
        return _vp9_shown(data)
    return True


def _vp9_shown(data: bytes) -> bool:
    last = data[-1]
    if last & 0xE0 == 0xC0:
        # Annex B: a superframe's index says so in its last byte; such a packet shows its last frame.
        return True
    bits = int.from_bytes(data[:2].ljust(2, b"\0"), "big")
    profile = (bits >> 13 & 1) | (bits >> 12 & 1) << 1
    at = 11 - (profile == 3)
    show_existing = bits >> at & 1
    return bool(show_existing or bits >> (at - 2) & 1)


def nal_units(codec: str, data: bytes, extradata: bytes) -> Iterator[int]:
    """Yield where in a packet of H.264 or H.265 each NAL unit's header lies."""
    size = _length_size(codec, extradata)
    return _annex_b(data) if size is None else _prefixed(data, size)


def _hevc_slice(data: bytes, extradata: bytes) -> int | None:
    return _first_slice(data, nal_units("hevc", data, extradata), lambda head: head >> 1 & 63, range(32))


def _length_size(codec: str, extradata: bytes) -> int | None:
    if codec == "h264" and len(extradata) >= 7 and extradata[0] == 1:
        return (extradata[4] & 3) + 1
    if codec == "hevc" and len(extradata) >= 23 and extradata[:3] not in {_START, b"\0\0\0"}:
        return (extradata[21] & 3) + 1
    return None


def _first_slice(
    data: bytes, units: Iterator[int], kind_of: Callable[[int], int], slices: range
) -> int | None:
    for _, at in zip(range(_LONGEST_PREFIX), units, strict=False):
        kind = kind_of(data[at])
        if kind in slices:
            return kind
    return None


def _unit_of(data: bytes, wanted: Callable[[int], bool]) -> bytes | None:
    at = data.find(_START)
    while 0 <= at < min(len(data) - 3, _HEADERS_END):
        end = data.find(_START, at + 3)
        if wanted(data[at + 3]):
            return data[at + 3 : end if end >= 0 else len(data)].rstrip(b"\0")
        at = end
    return None


def _annex_b(data: bytes) -> Iterator[int]:
    at = data.find(_START)
    while at >= 0 and at + 3 < len(data):
        yield at + 3
        at = data.find(_START, at + 3)


def _prefixed(data: bytes, size: int) -> Iterator[int]:
    at = 0
    while at + size < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        yield at + size
        at += size + length
