"""What the first bytes of an answer are, whatever its headers claim."""

from enum import StrEnum
from typing import Final

HEAD_BYTES: Final = 4096
"""As many as are looked at; fewer only where the source is shorter."""


class Kind(StrEnum):
    """What an answer holds."""

    EMPTY = "empty"
    """No bytes at all."""
    MEDIA = "media"
    """A container or stream that is known by its first bytes."""
    PERHAPS_MEDIA = "perhaps_media"
    """Unknown bytes that are announced as media or as nothing: the demuxer decides."""
    PAGE = "page"
    """Text that may lead to media: HTML, feeds, JSON."""
    HLS = "hls"
    """A playlist of HTTP Live Streaming."""
    DASH = "dash"
    """A manifest of DASH."""
    OTHER = "other"
    """Known to be no media: pictures, archives, documents."""


_BOXES: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot"})
_STARTS: Final = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\x01",
    b"fLaC",
    b"ID3",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # ASF: WMV, WMA
    b"\x00\x00\x01\xba",  # MPEG program stream
    b"\x00\x00\x01\xb3",  # MPEG-1/2 video
    b"\x00\x00\x00\x01",  # H.264, HEVC elementary streams
    b"\x06\x0e\x2b\x34",  # MXF
    b".RMF",
    b"wvpk",
    b"caff",
    b"#!AMR",
    b"\x0b\x77",  # AC-3
    b"\x7f\xfe\x80\x01",  # DTS
    b"DKIF",  # IVF
    b"YUV4MPEG2",
    b"nut/multimedia container",
)
_NO_MEDIA: Final = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"%PDF",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x7fELF",
    b"MZ",
    b"BM",
)
_RIFF_MEDIA: Final = frozenset({b"AVI ", b"WAVE", b"RMID", b"AMV "})
_HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<script", b"<!--")
_PAGE_TYPES: Final = ("text/", "application/json", "application/xhtml", "application/rss", "application/atom")
_HLS_TYPES: Final = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl")


def sniff(head: bytes, content_type: str = "") -> Kind:
    """Return what `head`, the first `HEAD_BYTES` of a source, begins; bytes weigh more than headers."""
    if not head:
        return Kind.EMPTY
    text = head[:3].removeprefix(b"\xef\xbb\xbf") + head[3:]
    text = text.lstrip()[:512].lower()
    kind = content_type.partition(";")[0].strip().lower()
    if text.startswith(b"#extm3u"):
        return Kind.HLS
    if text.startswith((b"<?xml", b"<mpd", b"<rss", b"<feed")):
        return Kind.DASH if b"<mpd" in text else Kind.PAGE
    if text.startswith(_HTML):
        return Kind.PAGE
    if is_media(head):
        return Kind.MEDIA
    if head.startswith(_NO_MEDIA) or kind.startswith(("image/", "font/")):
        return Kind.OTHER
    return _by_type(kind)


def is_media(head: bytes) -> bool:
    """Tell whether `head` begins a container or stream known by its first bytes."""
    if head[4:8] in _BOXES or head.startswith(_STARTS):
        return True
    if head[:4] in {b"RIFF", b"FORM", b"RF64"}:
        return head[:4] != b"RIFF" or head[8:12] in _RIFF_MEDIA
    return _is_transport_stream(head) or _is_audio_frame(head)


def _by_type(kind: str) -> Kind:
    if kind in _HLS_TYPES:
        return Kind.HLS
    if kind == "application/dash+xml":
        return Kind.DASH
    if kind.startswith(_PAGE_TYPES) or kind.endswith(("+xml", "/xml", "+json", "javascript")):
        return Kind.PAGE
    return Kind.PERHAPS_MEDIA


def _is_transport_stream(head: bytes) -> bool:
    # Sync bytes 188 apart, or 192 with four bytes of time before each packet (M2TS).
    for first, step in ((0, 188), (4, 192)):
        places = range(first, min(len(head), first + 4 * step), step)
        if len(places) >= 2 and all(head[place] == 0x47 for place in places):
            return True
    return False


def _is_audio_frame(head: bytes) -> bool:
    # ISO 11172-3: eleven sync bits, then neither the reserved version, bitrate 15 nor rate 3;
    # layer 0 is ADTS, which has twelve sync bits.
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    if head[1] & 0x06 == 0:
        return head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 0x0F < 13
    return head[1] & 0x18 != 0x08 and head[2] >> 4 != 0x0F and head[2] >> 2 & 0x03 != 0x03
