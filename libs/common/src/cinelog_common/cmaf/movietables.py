"""Reads the sample tables of a written MP4 back, on its own terms: nothing here knows the plan."""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import pairwise
from pathlib import Path

import msgspec

from cinelog_common.cmaf.boxes import Box, BoxError, Cursor, box_at, boxes, child, descend, maybe_child

MAX_MOOV_BYTES = 256 << 20
"""Twelve hours at 60 fps need about 40 MB."""


class MovieTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track, every sample spelled out in decode order.

    Attributes:
        edits: (duration in movie ticks, media time in track ticks or -1).
        chunks: (offset in the file, samples) of each chunk.
    """

    handler: bytes
    timescale: int
    sizes: array[int]
    durations: array[int]
    offsets: array[int]
    syncs: array[int]
    chunks: list[tuple[int, int]]
    edits: list[tuple[int, int]]


class Movie(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file; `media` is [first, last) byte of mdat's payload."""

    timescale: int
    duration: int
    media: tuple[int, int]
    tracks: list[MovieTrack]


def read_movie(path: Path) -> Movie:
    """The tables of a file with moov before mdat; the payload is not read.

    Raises:
        BoxError: No sound file of this shape.
    """
    moov, media = b"", (0, 0)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        position = 0
        while position < size:
            file.seek(position)
            head = file.read(16).ljust(16, b"\0")
            length, kind, wide = struct.unpack(">I4sQ", head)
            body = position + (16 if length == 1 else 8)
            length = wide if length == 1 else length
            if length < body - position or position + length > size:
                raise BoxError(
                    f"the {kind!r} box at byte {position} claims {length} of {size - position} bytes"
                )
            if kind == b"moov":
                if length > MAX_MOOV_BYTES:
                    raise BoxError(f"a moov box of {length} bytes")
                file.seek(position)
                moov = file.read(length)
            elif kind == b"mdat":
                media = (body, position + length)
            position += length
    if not moov or media == (0, 0):
        raise BoxError("no movie with its media data here")
    return _movie(moov, media)


def _movie(moov: bytes, media: tuple[int, int]) -> Movie:
    root = box_at(moov, 0, len(moov))
    mvhd = Cursor(moov, descend(moov, b"moov", b"mvhd"))
    wide = mvhd.version_and_flags()[0] == 1
    mvhd.take(16 if wide else 8)
    timescale, duration = mvhd.uint(4), mvhd.uint(8 if wide else 4)
    tracks = [_track(moov, found) for found in boxes(moov, root.body, root.end) if found.kind == b"trak"]
    return Movie(timescale=timescale, duration=duration, media=media, tracks=tracks)


def _track(moov: bytes, trak: Box) -> MovieTrack:
    mdia = child(moov, trak, b"mdia")
    mdhd = Cursor(moov, child(moov, mdia, b"mdhd"))
    mdhd.take(16 if mdhd.version_and_flags()[0] == 1 else 8)
    hdlr = Cursor(moov, child(moov, mdia, b"hdlr"))
    hdlr.take(8)
    stbl = child(moov, child(moov, mdia, b"minf"), b"stbl")
    sizes = _sizes(Cursor(moov, child(moov, stbl, b"stsz")))
    count = len(sizes)
    return MovieTrack(
        handler=bytes(hdlr.take(4)),
        timescale=mdhd.uint(4),
        sizes=sizes,
        durations=_runs(Cursor(moov, child(moov, stbl, b"stts")), "I", count),
        offsets=_offsets(moov, stbl, count),
        syncs=_syncs(moov, stbl, count),
        chunks=_chunks(moov, stbl, count),
        edits=_edits(moov, trak),
    )


def _sizes(stsz: Cursor) -> array[int]:
    stsz.version_and_flags()
    same, count = stsz.uint(4), stsz.uint(4)
    if same:
        if count > MAX_MOOV_BYTES:
            raise BoxError(f"{count} samples")
        return array("I", [same]) * count
    return _numbers(stsz, count)


def _numbers(cursor: Cursor, count: int) -> array[int]:
    values = array("I", bytes(cursor.take(4 * count)))
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _runs(cursor: Cursor, form: str, count: int) -> array[int]:
    """The values of stts or ctts, which must add up to `count`."""
    cursor.version_and_flags()
    rows = _numbers(cursor, 2 * cursor.uint(4))
    values = array(form)
    for run, value in zip(rows[::2], rows[1::2], strict=True):
        if len(values) + run > count:
            raise BoxError(f"a table tells of more than {count} samples")
        signed = value - (1 << 32) if form == "i" and value >> 31 else value
        values.extend(array(form, [signed]) * run)
    if len(values) != count:
        raise BoxError(f"a table tells of {len(values)} of {count} samples")
    return values


def _offsets(moov: bytes, stbl: Box, count: int) -> array[int]:
    ctts = maybe_child(moov, stbl, b"ctts")
    return array("i", bytes(4 * count)) if ctts is None else _runs(Cursor(moov, ctts), "i", count)


def _syncs(moov: bytes, stbl: Box, count: int) -> array[int]:
    stss = maybe_child(moov, stbl, b"stss")
    if stss is None:
        return array("I", range(1, count + 1))
    cursor = Cursor(moov, stss)
    cursor.version_and_flags()
    return _numbers(cursor, cursor.uint(4))


def _chunks(moov: bytes, stbl: Box, count: int) -> list[tuple[int, int]]:
    wide = maybe_child(moov, stbl, b"co64")
    table = Cursor(moov, wide or child(moov, stbl, b"stco"))
    table.version_and_flags()
    size = 8 if wide else 4
    offsets = [
        int.from_bytes(found, "big")
        for raw in [bytes(table.take(size * table.uint(4)))]
        for found in (raw[at : at + size] for at in range(0, len(raw), size))
    ]
    stsc = Cursor(moov, child(moov, stbl, b"stsc"))
    stsc.version_and_flags()
    rows = _numbers(stsc, 3 * stsc.uint(4))
    firsts = [*rows[::3], len(offsets) + 1]
    if not rows or firsts[0] != 1 or sorted(set(firsts)) != firsts or set(rows[2::3]) != {1}:
        raise BoxError("the chunks' sample counts are out of order")
    held = [
        samples
        for (first, after), samples in zip(pairwise(firsts), rows[1::3], strict=True)
        for _ in range(after - first)
    ]
    if sum(held) != count:
        raise BoxError(f"the chunks hold {sum(held)} of {count} samples")
    return list(zip(offsets, held, strict=True))


def _edits(moov: bytes, trak: Box) -> list[tuple[int, int]]:
    edts = maybe_child(moov, trak, b"edts")
    if edts is None:
        return []
    elst = Cursor(moov, child(moov, edts, b"elst"))
    size = 8 if elst.version_and_flags()[0] == 1 else 4
    edits = []
    for _ in range(elst.uint(4)):
        duration = elst.uint(size)
        edits.append((duration, int.from_bytes(elst.take(size), "big", signed=True)))
        elst.take(4)
    return edits
