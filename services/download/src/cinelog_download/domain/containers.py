"""What a file's first bytes say about how it must be read, before libavformat sees it.

A growing file is read as a stream where its container allows it, and with jumps where it must be:
a seekable reader of fragmented MP4 reads to the end before it begins (10.8 s instead of 1.0 s).
"""

from collections.abc import Callable

from cinelog_common.contract.values import Value

Read = Callable[[int, int], bytes]
"""Return up to so many bytes (second) from an offset (first); waits for them; short at the end only."""

_MAX_BOXES = 10_000
_MAX_MOOV_BYTES = 256 << 20
_SEGMENT = b"\x18\x53\x80\x67"
_EBML = b"\x1a\x45\xdf\xa3"
TS_PACKET = 188
_TS_SYNC = 0x47


class Layout(Value, frozen=True, kw_only=True):
    """How to read a file.

    `family` is ours: `mp4`, `matroska`, `mpegts`, `avi` or `other`. `claimed_bytes` is how long the
    container says that the file is, if it does; `protected` that it says its media are encrypted.
    """

    family: str
    seekable: bool
    claimed_bytes: int | None = None
    protected: bool = False


def layout_of(read: Read) -> Layout:
    """Look at the first bytes (for MP4 at every top-level box header up to moov)."""
    head = read(0, 16)
    if head[4:8] in {
        b"ftyp",
        b"moov",
        b"mdat",
        b"free",
        b"skip",
        b"wide",
        b"pnot",
        b"styp",
        b"moof",
        b"sidx",
    }:
        return _mp4(read)
    if head[:4] == _EBML:
        return Layout(family="matroska", seekable=False, claimed_bytes=_matroska_bytes(read(0, 4096)))
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        # An OpenDML file continues in further RIFF lists: the first one's size is a least.
        return Layout(family="avi", seekable=True, claimed_bytes=8 + int.from_bytes(head[4:8], "little"))
    if head[:1] == bytes((_TS_SYNC,)):
        more = read(0, 3 * TS_PACKET)
        if more[TS_PACKET : TS_PACKET + 1] == more[2 * TS_PACKET : 2 * TS_PACKET + 1] == b"G":
            return Layout(family="mpegts", seekable=False)
    return Layout(family="other", seekable=True)


def _mp4(read: Read) -> Layout:
    """Walk the top-level boxes (ISO/IEC 14496-12 4.2) until it is known how to read the file."""
    at = 0
    media = False
    for _ in range(_MAX_BOXES):
        head = read(at, 16)
        if len(head) < 8:
            break
        size, kind, header = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1 and len(head) == 16:
            size, header = int.from_bytes(head[8:16], "big"), 16
        if size != 0 and size < header:
            break
        if kind == b"moov":
            return _with_moov(read(at, min(size, _MAX_MOOV_BYTES)), at=at, size=size, read=read)
        if kind == b"moof":
            return Layout(family="mp4", seekable=False)
        media = media or kind == b"mdat"
        if size == 0:
            break
        at += size
    # Media without an index so far: only its end may help.
    return Layout(family="mp4", seekable=True, claimed_bytes=at if media else None)


def _with_moov(moov: bytes, *, at: int, size: int, read: Read) -> Layout:
    protected = any(mark in moov for mark in (b"encv", b"enca")) and b"schm" in moov
    if b"mvex" in moov:
        return Layout(family="mp4", seekable=False, protected=protected)
    claimed = at + size
    head = read(claimed, 16)
    # moov first: the media follow, maybe after padding; their header tells where they end.
    for _ in range(8):
        if len(head) < 8:
            break
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8:
            break
        claimed += length
        if head[4:8] == b"mdat":
            break
        head = read(claimed, 16)
    return Layout(family="mp4", seekable=True, claimed_bytes=claimed, protected=protected)


def _matroska_bytes(head: bytes) -> int | None:
    """RFC 8794: the Segment's declared size; unknown (all ones) for streams."""
    at = head.find(_SEGMENT)
    if at < 0 or at + 5 > len(head):
        return None
    width = 9 - head[at + 4].bit_length()
    body = at + 4 + width
    if not 1 <= width <= 8 or body > len(head):
        return None
    value = int.from_bytes(head[at + 4 : body], "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else body + value


def missing_bytes(read: Read, size: int) -> int:
    """Return how many bytes the last top-level box of an MP4 file claims beyond the file's end."""
    at = 0
    for _ in range(_MAX_BOXES * 100):
        head = read(at, 16) if at + 8 <= size else b""
        if len(head) < 8:
            return 0
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8:
            return 0
        at += length
        if at > size:
            return at - size
    return 0
