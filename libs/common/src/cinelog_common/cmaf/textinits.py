"""Text in MP4: the inits of subtitle tracks (3GPP timed text) and of chapter tracks (QuickTime text)."""

import struct

from cinelog_common.cmaf.boxes import box
from cinelog_common.cmaf.headers import TrackHeader, init_segment

TEXT_TIMESCALE = 1000
"""Ticks a second of every text track: WebVTT counts in milliseconds."""
SUBTITLES = b"sbtl"
CHAPTERS = b"text"

_FONT = b"Sans-Serif"
_BOTTOM, _CENTRE = -1, 1


def subtitle_init(size: tuple[int, int], *, language: str = "und") -> bytes:
    """The init of a tx3g track (3GPP TS 26.245 5.16) that is shown over a picture of `size`."""
    width, height = size
    style = struct.pack(">HHHBBI", 0, 0, 1, 0, font_size(height), 0xFFFFFFFF)
    fonts = box(b"ftab", struct.pack(">HHB", 1, 1, len(_FONT)), _FONT)
    place = struct.pack(">IbbI4h", 0, _CENTRE, _BOTTOM, 0, 0, 0, min(height, 32767), min(width, 32767))
    entry = box(b"tx3g", struct.pack(">6xH", 1), place, style, fonts)
    header = TrackHeader(
        handler=SUBTITLES,
        timescale=TEXT_TIMESCALE,
        size=(float(width), float(height)),
        language=language,
        enabled=False,
    )
    return init_segment(header, entry)


def font_size(height: int) -> int:
    """Return how large text is over a picture of `height`, all in pixels."""
    return min(255, max(12, height // 20))


def chapter_init() -> bytes:
    """The init of a QuickTime text track whose samples are the titles of chapters."""
    # QuickTime File Format, text sample description: display flags, justification, colours, font; 1 is
    # the text's foreground entry without which QuickTime sees no chapter.
    entry = box(b"text", struct.pack(">6xH", 1), bytes(7) + b"\1" + bytes(35))
    header = TrackHeader(handler=CHAPTERS, timescale=TEXT_TIMESCALE, enabled=False)
    return init_segment(header, entry)


def chapter_sample(title: str) -> bytes:
    """One title: its length, UTF-8, and a box that says that it is UTF-8."""
    text = title.encode("utf-8", "replace")[:255].decode("utf-8", "ignore").encode()
    return struct.pack(">H", len(text)) + text + box(b"encd", struct.pack(">I", 0x100))
