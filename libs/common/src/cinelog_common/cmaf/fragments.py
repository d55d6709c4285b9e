"""One movie fragment: the form in which encoded segments are stored, played and joined.

`styp? moof(mfhd, traf(tfhd, tfdt v1, trun v1)) mdat`, one track, one run, addresses from the moof
itself (default-base-is-moof, 14496-12 8.8.7.1), as CMAF wants it (23000-19 7.3.2).
"""

import struct
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import msgspec

from cinelog_common.cmaf.boxes import (
    Box,
    BoxError,
    Cursor,
    box,
    box_at,
    boxes,
    child,
    full_box,
    media_data_header,
)

MAX_SAMPLES = 1 << 18
"""Samples in one fragment; an hour of sound is fewer."""
MAX_MOOF_BYTES = 64 + 16 * MAX_SAMPLES
MAX_LEADING_BOXES = 16

# 8.8.3.1: sample_depends_on = 2 (on no other) / 1 (on others) with sample_is_non_sync_sample.
SYNC_FLAGS = 0x02000000
NON_SYNC_FLAGS = 0x01010000
_NON_SYNC_BIT = 0x00010000

_TFHD_BASE_IS_MOOF = 0x020000
_TFHD_BASE_OFFSET, _TFHD_DESCRIPTION, _TFHD_DURATION, _TFHD_SIZE, _TFHD_FLAGS = 0x1, 0x2, 0x8, 0x10, 0x20
_TRUN_DATA_OFFSET, _TRUN_FIRST_FLAGS = 0x1, 0x4
_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_OFFSET = 0x100, 0x200, 0x400, 0x800


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One access unit in decode order: `size` bytes; times in ticks of the track."""

    size: int
    duration: int
    composition_offset: int
    sync: bool


class FragmentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a fragment says about its payload.

    Attributes:
        sequence: Counts from 1 within the track.
        base_time: Decode time of the first sample, in ticks (tfdt).
        samples: In decode order.
        styp: Whether to begin with a segment type box, as a file of its own should.
    """

    sequence: int
    track_id: int = 1
    base_time: int
    samples: Sequence[Sample]
    styp: bool = True


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """What a stored fragment holds; `mdat_offset` and `mdat_size` tell where the payload lies.

    Payload means the media bytes only: the samples one after another, no box header.
    """

    sequence: int
    track_id: int
    base_time: int
    samples: list[Sample]
    mdat_offset: int
    mdat_size: int

    @property
    def duration(self) -> int:
        """The sum of all sample durations, in ticks."""
        return sum(sample.duration for sample in self.samples)


def write_fragment(spec: FragmentSpec, payload: Sequence[bytes] | bytes) -> bytes:
    """One fragment around `payload`: the samples' bytes, in one piece or in any number of pieces.

    The payload is copied once, into the result.

    Raises:
        BoxError: No samples, a payload that is not as long as the samples say, or a number that
            its field cannot hold.
    """
    parts = (payload,) if isinstance(payload, bytes | bytearray | memoryview) else payload
    size = sum(map(len, parts))
    declared = sum(sample.size for sample in spec.samples)
    if not spec.samples or size != declared:
        raise BoxError(f"{size} bytes of payload for {len(spec.samples)} samples of {declared} bytes")
    try:
        return b"".join((_header(spec, size), *parts))
    except struct.error as error:
        raise BoxError(f"a number does not fit its field: {error}") from error


def _header(spec: FragmentSpec, size: int) -> bytes:
    # 8.16.2: msdh says "a media segment"; players that do not know styp skip it.
    styp = box(b"styp", b"msdh", bytes(4), b"msdhcmfs") if spec.styp else b""
    moof_size = len(_moof(spec, data_offset=0))
    mdat = media_data_header(size)
    return styp + _moof(spec, data_offset=moof_size + len(mdat)) + mdat


def _moof(spec: FragmentSpec, *, data_offset: int) -> bytes:
    samples = spec.samples
    first = samples[0]
    same_duration = all(sample.duration == first.duration for sample in samples)
    same_size = all(sample.size == first.size for sample in samples)
    same_sync = all(sample.sync == samples[-1].sync for sample in samples[1:])
    same_offset = not any(sample.composition_offset for sample in samples)

    tfhd_flags = _TFHD_BASE_IS_MOOF | _TFHD_FLAGS
    tfhd = [struct.pack(">I", spec.track_id)]
    trun_flags = _TRUN_DATA_OFFSET
    trun = [struct.pack(">Ii", len(samples), data_offset)]
    columns: list[Sequence[int]] = []
    if same_duration:
        tfhd_flags |= _TFHD_DURATION
        tfhd.append(struct.pack(">I", first.duration))
    else:
        trun_flags |= _TRUN_DURATION
        columns.append([sample.duration for sample in samples])
    if same_size:
        tfhd_flags |= _TFHD_SIZE
        tfhd.append(struct.pack(">I", first.size))
    else:
        trun_flags |= _TRUN_SIZE
        columns.append([sample.size for sample in samples])
    tfhd.append(struct.pack(">I", _flags(samples[-1].sync)))
    if not same_sync:
        trun_flags |= _TRUN_FLAGS
        columns.append([_flags(sample.sync) for sample in samples])
    elif first.sync != samples[-1].sync:
        trun_flags |= _TRUN_FIRST_FLAGS
        trun.append(struct.pack(">I", _flags(first.sync)))
    if not same_offset:
        trun_flags |= _TRUN_OFFSET
        columns.append([_signed(sample.composition_offset) for sample in samples])
    rows = list(chain.from_iterable(zip(*columns, strict=True)))
    trun.append(struct.pack(f">{len(rows)}I", *rows))

    # 8.8.8: version 1 makes composition offsets signed. 8.8.12: tfdt version 1 is 64 bits wide.
    return box(
        b"moof",
        full_box(b"mfhd", 0, 0, struct.pack(">I", spec.sequence)),
        box(
            b"traf",
            full_box(b"tfhd", 0, tfhd_flags, *tfhd),
            full_box(b"tfdt", 1, 0, struct.pack(">Q", spec.base_time)),
            full_box(b"trun", 1, trun_flags, *trun),
        ),
    )


def _flags(sync: bool) -> int:
    return SYNC_FLAGS if sync else NON_SYNC_FLAGS


def _signed(offset: int) -> int:
    if not -(1 << 31) <= offset < 1 << 31:
        raise BoxError(f"a composition offset of {offset} ticks does not fit 32 bits")
    return offset & 0xFFFFFFFF


def read_fragment(data: bytes | memoryview) -> Fragment:
    """The one fragment in `data`; its payload is not copied.

    Raises:
        BoxError: No single, sound, self-contained fragment.
    """
    moof: Box | None = None
    for found in boxes(data):
        if found.kind == b"moof" and moof is None:
            moof = found
        elif found.kind == b"mdat" and moof is not None:
            return _fragment(data, moof, found.body, found.end)
    raise BoxError("no movie fragment with its media data here")


def read_fragment_file(path: Path) -> Fragment:
    """As `read_fragment`, of a file, without reading its payload.

    Raises:
        BoxError: As above, or the file is shorter than its boxes say.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        position = 0
        moof: bytes | None = None
        moof_start = 0
        for _ in range(MAX_LEADING_BOXES):
            found = _box_in_file(file, position, size)
            if found.kind == b"moof" and moof is None:
                if found.end - found.start > MAX_MOOF_BYTES:
                    raise BoxError(f"a moof box of {found.end - found.start} bytes")
                file.seek(found.start)
                moof, moof_start = file.read(found.end - found.start), found.start
            elif found.kind == b"mdat" and moof is not None:
                return _moved(moof, moof_start, found)
            position = found.end
    raise BoxError("no movie fragment with its media data here")


def _box_in_file(file: BinaryIO, position: int, size: int) -> Box:
    file.seek(position)
    head = file.read(16)
    if len(head) < 8:
        raise BoxError(f"the file ends at byte {position} before its media data")
    small, kind = struct.unpack_from(">I4s", head)
    body, length = position + 8, small
    if small == 1 and len(head) == 16:
        body, length = position + 16, int.from_bytes(head[8:], "big")
    elif small == 0:
        length = size - position
    if length < body - position or position + length > size:
        raise BoxError(f"the {kind!r} box at byte {position} claims {length} of {size - position} bytes")
    return Box(kind=kind, start=position, body=body, end=position + length)


def _moved(moof: bytes, moof_start: int, mdat: Box) -> Fragment:
    where = box_at(moof, 0, len(moof))
    fragment = _fragment(moof, where, mdat.body - moof_start, mdat.end - moof_start)
    return msgspec.structs.replace(fragment, mdat_offset=fragment.mdat_offset + moof_start)


class _Defaults(msgspec.Struct, frozen=True):
    track_id: int
    duration: int | None
    size: int | None
    flags: int | None


def _fragment(data: bytes | memoryview, moof: Box, body: int, end: int) -> Fragment:
    mfhd = Cursor(data, child(data, moof, b"mfhd"))
    mfhd.version_and_flags()
    trafs = [found for found in boxes(data, moof.body, moof.end) if found.kind == b"traf"]
    if len(trafs) != 1:
        raise BoxError(f"{len(trafs)} tracks in one fragment")
    defaults = _read_tfhd(Cursor(data, child(data, trafs[0], b"tfhd")))
    runs = [found for found in boxes(data, trafs[0].body, trafs[0].end) if found.kind == b"trun"]
    if len(runs) != 1:
        raise BoxError(f"{len(runs)} runs of samples in one fragment")
    tfdt = Cursor(data, child(data, trafs[0], b"tfdt"))
    wide = tfdt.version_and_flags()[0] == 1
    samples, data_offset = _read_trun(Cursor(data, runs[0]), defaults)
    payload = moof.start + data_offset
    size = sum(sample.size for sample in samples)
    if payload < body or payload + size > end:
        raise BoxError(f"samples of {size} bytes at byte {payload} lie outside their media data")
    return Fragment(
        sequence=mfhd.uint(4),
        track_id=defaults.track_id,
        base_time=tfdt.uint(8 if wide else 4),
        samples=samples,
        mdat_offset=payload,
        mdat_size=size,
    )


def _read_tfhd(tfhd: Cursor) -> _Defaults:
    _, flags = tfhd.version_and_flags()
    track_id = tfhd.uint(4)
    if flags & _TFHD_BASE_OFFSET or not flags & _TFHD_BASE_IS_MOOF:
        raise BoxError("the fragment's addresses do not start at its own moof")
    if flags & _TFHD_DESCRIPTION and tfhd.uint(4) != 1:
        raise BoxError("the fragment uses another sample description")
    duration = tfhd.uint(4) if flags & _TFHD_DURATION else None
    size = tfhd.uint(4) if flags & _TFHD_SIZE else None
    return _Defaults(track_id, duration, size, tfhd.uint(4) if flags & _TFHD_FLAGS else None)


def _read_trun(trun: Cursor, defaults: _Defaults) -> tuple[list[Sample], int]:
    version, flags = trun.version_and_flags()
    count = trun.uint(4)
    if not flags & _TRUN_DATA_OFFSET:
        raise BoxError("the run does not say where its data begin")
    data_offset = _as_signed(trun.uint(4))
    first_flags = trun.uint(4) if flags & _TRUN_FIRST_FLAGS else None
    fields = [bit for bit in (_TRUN_DURATION, _TRUN_SIZE, _TRUN_FLAGS, _TRUN_OFFSET) if flags & bit]
    if not 0 < count <= MAX_SAMPLES or trun.left != count * 4 * len(fields):
        raise BoxError(f"{count} samples do not fit a run of {trun.left} bytes")
    table = struct.unpack(f">{count * len(fields)}I", trun.take(trun.left))
    column = {bit: table[at :: len(fields)] for at, bit in enumerate(fields)}
    durations = _column(column.get(_TRUN_DURATION), defaults.duration, count)
    sizes = _column(column.get(_TRUN_SIZE), defaults.size, count)
    marks = list(_column(column.get(_TRUN_FLAGS), defaults.flags, count))
    marks[0] = marks[0] if first_flags is None else first_flags
    offsets = _column(column.get(_TRUN_OFFSET), 0, count)
    if version == 1:
        offsets = [_as_signed(offset) for offset in offsets]
    samples = [
        Sample(size=size, duration=duration, composition_offset=offset, sync=not mark & _NON_SYNC_BIT)
        for size, duration, offset, mark in zip(sizes, durations, offsets, marks, strict=True)
    ]
    return samples, data_offset


def _column(values: Sequence[int] | None, default: int | None, count: int) -> Sequence[int]:
    if values is not None:
        return values
    if default is None:
        # trex defaults of another writer would be needed; ours are always in the fragment.
        raise BoxError("the fragment relies on defaults outside itself")
    return [default] * count


def _as_signed(value: int) -> int:
    return value - (1 << 32) if value >= 1 << 31 else value
