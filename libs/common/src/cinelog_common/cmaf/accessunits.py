"""From the packets of an encoder or demuxer to the samples of MP4."""

from collections.abc import Callable

from cinelog_common.cmaf import nal, obu
from cinelog_common.cmaf.boxes import BoxError

SampleForm = Callable[[bytes], bytes]


def sample_form(codec: str, extradata: bytes | None) -> SampleForm:
    """How a packet's bytes become a sample's; `codec` is libavcodec's canonical name.

    H.264 and H.265 lose their start codes unless `extradata` says that they have none, AV1 its
    temporal delimiters, AAC without extradata its ADTS headers. All else stays as it is.
    The forms raise BoxError where a packet is not what it should be.
    """
    if codec in {"h264", "hevc"} and (not extradata or nal.is_annex_b(extradata)):
        return nal.length_prefixed
    if codec == "av1":
        return obu.without_delimiters
    if codec == "aac" and not extradata:
        return without_adts
    return _as_is


def _as_is(packet: bytes) -> bytes:
    return packet


def without_adts(packet: bytes) -> bytes:
    """A raw AAC frame out of its ADTS header (14496-3 1.A.3.2); a packet without one stays.

    Raises:
        BoxError: The header's length is not the packet's, or it holds several frames.
    """
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return packet
    length = (packet[3] & 3) << 11 | packet[4] << 3 | packet[5] >> 5
    header = 7 if packet[1] & 1 else 9
    if length != len(packet) or length < header or packet[6] & 3:
        raise BoxError(f"an ADTS frame of {length} bytes in a packet of {len(packet)}")
    return packet[header:]
