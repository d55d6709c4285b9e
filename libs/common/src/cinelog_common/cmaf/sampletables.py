"""The sample table of a joined track (14496-12 8.5 to 8.7), run-length coded from arrays."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from operator import add

from cinelog_common.cmaf.boxes import box, full_box
from cinelog_common.cmaf.joinplan import TrackPlan

MAX_OFFSET_32 = 0xFFFFFFFF


def sample_table(track: TrackPlan, chunk_offsets: Sequence[int], *, wide: bool) -> bytes:
    """stbl of `track` whose chunks begin at `chunk_offsets` of the file; `wide`: 64-bit offsets."""
    parts = [track.stsd, _runs(b"stts", 0, track.durations)]
    if any(track.offsets):
        # 8.6.1.3: version 1 offsets are signed; version 0 where none is negative, for old players.
        signed = min(track.offsets) < 0
        parts.append(_runs(b"ctts", int(signed), track.offsets))
        parts += [_composition_bounds(track)] if signed else []
    if len(track.syncs) < len(track.sizes):  # 8.6.2: no stss means that every sample is one
        parts.append(full_box(b"stss", 0, 0, struct.pack(">I", len(track.syncs)), _big_endian(track.syncs)))
    return box(
        b"stbl", *parts, _chunk_runs(track), _sizes(track.sizes), _chunk_offsets(chunk_offsets, wide=wide)
    )


def _runs(kind: bytes, version: int, values: array[int]) -> bytes:
    """stts (8.6.1.2) or ctts (8.6.1.3): counts and values of equal neighbours."""
    table = array("q")
    for value, group in groupby(values):
        table.extend((sum(1 for _ in group), value & 0xFFFFFFFF))
    return full_box(kind, version, 0, struct.pack(f">I{len(table)}I", len(table) // 2, *table))


def _composition_bounds(track: TrackPlan) -> bytes:
    """cslg (8.6.1.4): tells players of signed offsets how far decoding and showing lie apart."""
    least, greatest = min(track.offsets), max(track.offsets)
    # The first frame shown lies in the first segment, whatever order the others have.
    first = track.chunks[0].samples
    decode_times = accumulate(track.durations[:first], initial=0)
    start = min(map(add, decode_times, track.offsets[:first]))
    values = (max(0, -least), least, greatest, start, track.duration)
    wide = max(values) > 0x7FFFFFFF
    return full_box(b"cslg", int(wide), 0, struct.pack(">5q" if wide else ">5i", *values))


def _chunk_runs(track: TrackPlan) -> bytes:
    """stsc (8.7.4): from which chunk on how many samples a chunk holds."""
    rows: list[int] = []
    before = 0
    for number, chunk in enumerate(track.chunks, 1):
        if chunk.samples != before:
            rows += (number, chunk.samples, 1)
            before = chunk.samples
    return full_box(b"stsc", 0, 0, struct.pack(f">I{len(rows)}I", len(rows) // 3, *rows))


def _sizes(sizes: array[int]) -> bytes:
    """stsz (8.7.3.2)."""
    if min(sizes) == max(sizes):
        return full_box(b"stsz", 0, 0, struct.pack(">II", sizes[0], len(sizes)))
    return full_box(b"stsz", 0, 0, struct.pack(">II", 0, len(sizes)), _big_endian(sizes))


def _chunk_offsets(offsets: Sequence[int], *, wide: bool) -> bytes:
    """stco, or co64 (8.7.5) where the file is too long for it."""
    head = struct.pack(">I", len(offsets))
    if wide:
        return full_box(b"co64", 0, 0, head, struct.pack(f">{len(offsets)}Q", *offsets))
    return full_box(b"stco", 0, 0, head, struct.pack(f">{len(offsets)}I", *offsets))


def _big_endian(values: Iterable[int]) -> bytes:
    table = array("I", values)
    if sys.byteorder == "little":
        table.byteswap()
    return table.tobytes()
