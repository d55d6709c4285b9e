"""How a stream says that decoding can begin at a keyframe, so that one seam speaks for those like it.

Two keyframes of one kind were made by one encoder in one way: an open group of pictures, a refresh
that takes half a second. What the kind is worth, only decoding tells (`children/seams.py`).

References: ITU-T H.264 7.3.3, D.2.8 (recovery point), H.265 7.4.2.2, ISO/IEC 13818-2 6.2.2.6
and 6.2.3, ISO/IEC 14496-2 6.2.5.
"""

from itertools import islice

from cinelog_download.domain.pictures import nal_units, parameters_in

_START = b"\0\0\1"
_RECOVERY_POINT = 6
_LONGEST_SEI = 4096
_SLICES = {0: "P", 1: "B", 2: "I", 3: "SP", 4: "SI"}
_UNITS = 64
"""NAL units looked at before the first slice."""


def entry_kind(codec: str, data: bytes, extradata: bytes) -> str:
    """Return a name for how the stream can be entered at this keyframe; never fails, whatever the bytes."""
    parameters = (parameters_in(codec, data, extradata) or b"").hex()
    match codec:
        case "h264":
            how = _h264(data, extradata)
        case "hevc":
            how = _hevc(data, extradata)
        case "mpeg2video":
            how = _mpeg2(data)
        case "mpeg4":
            how = _mpeg4(data)
        case _:
            how = ""
    return f"{codec}:{how}:{parameters}"


class _Bits:
    """Reads a NAL unit's payload bit by bit, emulation prevention taken out; beyond its end are zeros."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def bit(self) -> int:
        byte, shift = divmod(self._at, 8)
        self._at += 1
        return self._payload[byte] >> 7 - shift & 1 if byte < len(self._payload) else 0

    def golomb(self) -> int:
        """Read ue(v); of what cannot be one, something."""
        zeros = 0
        while zeros < 32 and not self.bit():
            zeros += 1
        value = 0
        for _ in range(zeros):
            value = value << 1 | self.bit()
        return (1 << zeros) - 1 + value


def _h264(data: bytes, extradata: bytes) -> str:
    recovery = ""
    for at in islice(nal_units("h264", data, extradata), _UNITS):
        kind = data[at] & 31
        if kind == 6:
            recovery = recovery or _recovery(data[at + 1 : at + 1 + _LONGEST_SEI])
        elif 1 <= kind <= 5:
            bits = _Bits(data[at + 1 : at + 17])
            bits.golomb()  # first_mb_in_slice
            return f"{kind}{_SLICES.get(bits.golomb() % 5)}{recovery}"
    return recovery


def _recovery(messages: bytes) -> str:
    """Return what a recovery point among `messages` says, or nothing."""
    at = 0
    while at + 2 < len(messages):
        kind, at = _number(messages, at)
        size, at = _number(messages, at)
        if kind == _RECOVERY_POINT:
            bits = _Bits(messages[at : at + size])
            return f"+{bits.golomb()}{'e' if bits.bit() else ''}{'b' if bits.bit() else ''}"
        at += size
    return ""


def _number(messages: bytes, at: int) -> tuple[int, int]:
    value = 0
    while at < len(messages) and messages[at] == 255:
        value, at = value + 255, at + 1
    return value + (messages[at] if at < len(messages) else 0), at + 1


def _hevc(data: bytes, extradata: bytes) -> str:
    units = islice(nal_units("hevc", data, extradata), _UNITS)
    kinds = (data[at] >> 1 & 63 for at in units)
    return str(next((kind for kind in kinds if kind < 32), ""))


def _mpeg2(data: bytes) -> str:
    group = data.find(_START + b"\xb8")
    closed = data[group + 7] >> 5 & 3 if 0 <= group < len(data) - 7 else ""
    picture = data.find(_START + b"\0")
    kind = data[picture + 5] >> 3 & 7 if 0 <= picture < len(data) - 5 else ""
    return f"{closed}/{kind}"


def _mpeg4(data: bytes) -> str:
    plane = data.find(_START + b"\xb6")
    return str(data[plane + 4] >> 6) if 0 <= plane < len(data) - 4 else ""
