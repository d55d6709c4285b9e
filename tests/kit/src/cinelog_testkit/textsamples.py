"""WebVTT in MP4 (ISO/IEC 14496-30), which libavformat does not write: inits and segments of text."""

import struct
from collections.abc import Sequence

from cinelog_common.cmaf.boxes import box
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.headers import TrackHeader, init_segment

TIMESCALE = 1000


def text_init() -> bytes:
    """Return the init segment of a track, which counts in milliseconds."""
    entry = box(b"wvtt", struct.pack(">6xH", 1), box(b"vttC", b"WEBVTT"))
    return init_segment(TrackHeader(handler=b"text", timescale=TIMESCALE), entry)


def text_sample(*cues: str) -> bytes:
    """Return a sample that shows `cues`, or nothing."""
    shown = [box(b"vttc", box(b"sttg", b"line:1"), box(b"payl", each.encode())) for each in cues]
    return b"".join(shown) or box(b"vtte")


def text_segment(number: int, start_ms: int, samples: Sequence[tuple[int, bytes]]) -> bytes:
    """Return a segment: samples, each with how long it lasts in milliseconds."""
    table = [
        Sample(size=len(data), duration=lasts_ms, composition_offset=0, sync=True)
        for lasts_ms, data in samples
    ]
    spec = FragmentSpec(sequence=number, base_time=start_ms, samples=table)
    return write_fragment(spec, [data for _, data in samples])
