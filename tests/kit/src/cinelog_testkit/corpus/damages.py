"""Hostile and broken sources: by file name, how each is made."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinelog_testkit.corpus.films import OPEN, Film, Voice, write_film
from cinelog_testkit.corpus.sources import Maker, joined
from cinelog_testkit.corpus.surgery import TS_PACKET, boxes, cut_off, flipped, patched

_FASTSTART = {"movflags": "faststart"}
_MP2 = (Voice(codec="mp2"),)
_TS = Film(options={"x264-params": OPEN}, voices=_MP2)
_MP4 = Film(container=_FASTSTART)


def _film(**fields: Any) -> Maker:
    film = Film(**fields)
    return lambda path: write_film(path, film)


def _cut(film: Film, share: float) -> Maker:
    def make(path: Path) -> None:
        draft = write_film(path.with_name(f"whole-{path.name}"), film)
        cut_off(draft, path, share)
        draft.unlink()

    return make


def _flipped(film: Film, count: int) -> Maker:
    def make(path: Path) -> None:
        draft = write_film(path.with_name(f"whole-{path.name}"), film)
        flipped(draft, path, stretch=(0.5, 0.7), count=count)
        draft.unlink()

    return make


def _patched(film: Film, changes: dict[tuple[bytes, int], bytes]) -> Maker:
    def make(path: Path) -> None:
        draft = write_film(path.with_name(f"whole-{path.name}"), film)
        patched(draft, path, changes)
        draft.unlink()

    return make


def _lying_sizes(path: Path) -> None:
    """Say of every sample that it is a gigabyte long."""
    data = bytearray(write_film(path, _MP4).read_bytes())
    start, end = next((at, end) for kind, at, end in boxes(data) if kind == b"stsz")
    for at in range(start + 12, end, 4):
        struct.pack_into(">I", data, at, 1 << 30)
    path.write_bytes(bytes(data))


def _lying_count(path: Path) -> None:
    """Say that there are four billion samples."""
    data = bytearray(write_film(path, _MP4).read_bytes())
    for kind, at, _ in list(boxes(data)):
        if kind == b"stsz":
            struct.pack_into(">I", data, at + 8, 0xFFFFFFF0)
    path.write_bytes(bytes(data))


def _bursts() -> tuple[int, ...]:
    """Pictures at 24 a second, and four bursts of 2000 a second."""
    times, at = [], 0
    for n in range(96):
        times.append(at)
        at += 1 if n % 24 > 17 else 83
    return tuple(times)


def _lying_matroska(path: Path) -> None:
    """Say in the container's header that the picture has 255 columns and rows."""
    data = write_film(path, Film()).read_bytes()
    for name in (b"\xb0\x81\xa0", b"\xba\x81\x60"):
        assert name in data
    # PixelWidth and PixelHeight (RFC 9559 5.1.4.1.28): one byte each here, so no room for more than 255.
    path.write_bytes(
        data.replace(b"\xb0\x81\xa0", b"\xb0\x81\xff", 1).replace(b"\xba\x81\x60", b"\xba\x81\xff", 1)
    )


def _huge_stream(path: Path) -> None:
    """Let the pictures' own headers ask for 65500 × 65500 pixels."""
    film = Film(frames=24, codec="mjpeg", options={}, pixel_format="yuvj420p", voices=())
    data = bytearray(write_film(path, film).read_bytes())
    at = 0
    while (at := data.find(b"\xff\xc0", at)) >= 0:
        struct.pack_into(">HH", data, at + 5, 65_500, 65_500)
        at += 2
    path.write_bytes(bytes(data))


def _without_durations(path: Path) -> None:
    """Let every sample of the picture last no time at all."""
    data = bytearray(write_film(path, Film(container=_FASTSTART, voices=())).read_bytes())
    for kind, at, end in list(boxes(data)):
        if kind == b"stts":
            for entry in range(at + 8, end, 8):
                struct.pack_into(">I", data, entry + 4, 0)
        if kind == b"ctts":
            for entry in range(at + 8, end, 8):
                struct.pack_into(">I", data, entry + 4, 0)
    path.write_bytes(bytes(data))


def _backwards_stamps(path: Path) -> None:
    """Swap the times of every two following pictures of a transport stream."""
    data = bytearray(write_film(path, Film(voices=_MP2, options={"x264-params": "bframes=0"})).read_bytes())
    places = []
    for at in range(0, len(data) - TS_PACKET + 1, TS_PACKET):
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[at + 1] & 0x40 and bytes(data[payload : payload + 4]) == b"\0\0\1\xe0":
            places.append(payload + 9)
    for one, other in zip(places[10:60:2], places[11:60:2], strict=False):
        data[one : one + 5], data[other : other + 5] = data[other : other + 5], data[one : one + 5]
    path.write_bytes(bytes(data))


def _leaping_stamp(path: Path) -> None:
    """Flip one bit of one block's time in a Matroska: 16 s more."""
    film = Film(options={"x264-params": "bframes=0"}, voices=())
    data = bytearray(write_film(path, film).read_bytes())
    # RFC 9559 5.1.3.5: a SimpleBlock is its size (two bytes here), the track, the time and flags.
    blocks = [
        at
        for at in range(len(data) - 4)
        if data[at] == 0xA3 and data[at + 1] & 0xF0 == 0x40 and data[at + 3] == 0x81
    ]
    data[blocks[39] + 4] ^= 0x40
    path.write_bytes(bytes(data))


def _without_stamps(path: Path) -> None:
    """Take the times off two pictures in three of a transport stream."""
    data = bytearray(write_film(path, Film(voices=_MP2, options={"x264-params": "bframes=0"})).read_bytes())
    number = 0
    for at in range(0, len(data) - TS_PACKET + 1, TS_PACKET):
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[at + 1] & 0x40 and bytes(data[payload : payload + 4]) == b"\0\0\1\xe0":
            number += 1
            if number % 3:
                # PTS_DTS_flags say that there are none; the bytes become stuffing.
                length = data[payload + 8]
                data[payload + 7] &= 0x3F
                data[payload + 9 : payload + 9 + length] = b"\xff" * length
    path.write_bytes(bytes(data))


def _no_times(path: Path) -> None:
    """A stream of bare pictures, without any container."""
    write_film(path, Film(voices=(), format="h264"))


def _as(film: Film, container: str) -> Maker:
    """Write a film of one container under another one's name."""

    def make(path: Path) -> None:
        draft = write_film(path.with_name(f"draft-of-{path.stem}.{container}"), film)
        draft.rename(path)

    return make


def _bytes(data: bytes) -> Maker:
    return lambda path: path.write_bytes(data)


_PAGE = b"<!doctype html><html><head><title>No film</title></head><body>Sign in first.</body></html>\n"

HOSTILE: dict[str, Maker] = {
    "truncated.mp4": _cut(_MP4, 0.6),
    "truncated-index.mp4": _cut(Film(), 0.6),
    "truncated-fragments.mp4": _cut(Film(container={"movflags": "frag_keyframe+empty_moov+delay_moov"}), 0.6),
    "truncated.mkv": _cut(Film(), 0.6),
    "truncated.ts": _cut(_TS, 0.6),
    "truncated.avi": _cut(Film(codec="mpeg4", options={}, voices=(Voice(codec="libmp3lame"),)), 0.6),
    "flipped.mp4": _flipped(_MP4, 60),
    "flipped.mkv": _flipped(Film(), 60),
    "flipped.ts": _flipped(_TS, 60),
    "flipped.avi": _flipped(
        Film(codec="mpeg4", options={"bf": "2"}, voices=(Voice(codec="libmp3lame"),)), 400
    ),
    "flipped-much.mp4": _flipped(_MP4, 4000),
    "lying-sizes.mp4": _lying_sizes,
    "lying-count.mp4": _lying_count,
    "lying-duration.mp4": _patched(_MP4, {(b"mvhd", 16): b"\x7f\xff\xff\xff"}),
    "lying-size-of-picture.mp4": _patched(
        _MP4, {(b"tkhd", 76): struct.pack(">II", 65535 << 16, 65535 << 16)}
    ),
    "huge-picture.avi": _huge_stream,
    "no-durations.mp4": _without_durations,
    # Matroska counts milliseconds, so that half of these pictures last no time at all.
    "zero-durations.mkv": _film(
        frames=96, rate=Fraction(2000), times=_bursts(), time_base=Fraction(1, 2000), gop=24
    ),
    "lying-matroska.mkv": _lying_matroska,
    "lying-entry.mp4": _patched(_MP4, {(b"stsd", 8 + 32): b"\xff\xff\xff\xff"}),
    "backwards.ts": _backwards_stamps,
    "overlapping.ts": joined(Film(voices=_MP2), Film(first_number=96, offset_s=Fraction(4), voices=_MP2)),
    "leaping.mkv": _leaping_stamp,
    "missing-stamps.ts": _without_stamps,
    "no-times.h264": _no_times,
    "matroska-called.mp4": _as(Film(), "mkv"),
    "mp4-called.webm": _as(_MP4, "mp4"),
    "page-called.mp4": _bytes(_PAGE * 40),
    "empty.mp4": _bytes(b""),
    "zeros.mkv": _bytes(bytes(100_000)),
    "text.txt": _bytes(b"This is no film.\n" * 1000),
}
