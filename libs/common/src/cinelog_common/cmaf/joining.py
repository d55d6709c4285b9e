"""Joins independently encoded segments into one MP4 without touching a sample.

ftyp and moov first, then the segments' payloads in one pass, so that the file is "faststart" by
construction: no second pass moves gigabytes to make room for the index. The same pass holds each
segment against its checksum. Written beside its place and renamed, so that nothing half-written
is ever visible under its name.
"""

import contextlib
import errno
import math
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from cinelog_fastio import FileRange, join_checked, preallocate

from cinelog_common.cmaf.boxes import box, media_data_header
from cinelog_common.cmaf.headers import edit_list, media, movie_header, track_header
from cinelog_common.cmaf.initinfo import KINDS
from cinelog_common.cmaf.joinplan import (
    JoinError,
    JoinPlan,
    JoinTrack,
    SegmentPlan,
    TrackPlan,
    plan_join,
)
from cinelog_common.cmaf.sampletables import MAX_OFFSET_32, sample_table
from cinelog_common.cmaf.userdata import JoinTags, Mark, user_data
from cinelog_common.errors import Category

__all__ = [
    "JoinError",
    "JoinPlan",
    "JoinReport",
    "JoinTags",
    "JoinTrack",
    "Mark",
    "SegmentPlan",
    "TrackReport",
    "duration_of",
    "join_mp4",
    "plan_join",
    "unlike_its_sidecar",
    "write_join",
]

_MAX_TIMESCALE = 0x7FFFFFFF
# One file takes one write at a time: a second thread reads and hashes meanwhile, a third would wait.
_THREADS = 2
# iso4 promises signed offsets in ctts (version 1), mp42 edit lists and the descriptors inside.
_FTYP = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2iso4mp41mp42")


class TrackReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one track: `duration` in ticks of its `timescale`, priming included."""

    kind: str
    samples: int
    duration: int
    timescale: int
    syncs: int


class JoinReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds; `size` in bytes."""

    size: int
    duration_s: float
    tracks: list[TrackReport]


def join_mp4(tracks: Sequence[JoinTrack], out: Path, tags: JoinTags | None = None) -> JoinReport:
    """Join `tracks` into the MP4 `out`, which appears whole or not at all.

    Raises:
        JoinError: Segments that do not fit together (named), no space, or no right to write.
    """
    return write_join(plan_join(tracks), out, tags)


def write_join(
    plan: JoinPlan, out: Path, tags: JoinTags | None = None, *, checksums: Mapping[Path, int] | None = None
) -> JoinReport:
    """Write what `plan_join` worked out; the caller keeps the plan to check the file against.

    `checksums` are of whole segment files, as far as they are known.

    Raises:
        JoinError: A segment changed since it was planned or has another checksum, no space,
            or no right to write.
    """
    head = _head(plan, tags or JoinTags())
    size = len(head) + sum(chunk.size for track in plan.tracks for chunk in track.chunks)
    try:
        with _beside(out) as target:
            preallocate(target, size)
            os.pwrite(target, head, 0)
            _copy_payloads(plan, target, len(head), checksums or {})
    except OSError as error:
        raise _translated(error, out) from error
    return _report(plan, size)


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[int]:
    """A descriptor of a new file that becomes `out` if the block succeeds, and else vanishes."""
    descriptor, name = tempfile.mkstemp(prefix=".joining-", dir=out.parent)
    try:
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        Path(name).chmod(0o644)
        Path(name).replace(out)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _translated(error: OSError, out: Path) -> JoinError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return JoinError(
            f"There is no space left to write {out.name}.",
            category=Category.NO_SPACE,
            action="Free some space.",
        )
    return JoinError(
        f"{out.name} cannot be written: {error.strerror or error}.",
        category=Category.NOT_WRITABLE,
        action="Check the folder and its permissions.",
    )


def _copy_payloads(plan: JoinPlan, target: int, at: int, checksums: Mapping[Path, int]) -> None:
    # copy_file_range would share no blocks: a payload lies behind a head of any size.
    chunks = [plan.tracks[track].chunks[index] for track, index in plan.order]
    ranges = [FileRange(path=chunk.path, start=chunk.offset, length=chunk.size) for chunk in chunks]
    try:
        found = join_checked(target, at, ranges, threads=_THREADS)
    except EOFError as error:
        raise JoinError(f"A segment became shorter while it was joined: {error}.") from error
    for chunk, checksum in zip(chunks, found, strict=True):
        if checksums.get(chunk.path, checksum) != checksum:
            raise unlike_its_sidecar(chunk.path)


def unlike_its_sidecar(path: Path) -> JoinError:
    """Return the error of a segment that has another checksum than was stored with it."""
    return JoinError(
        f"The fragment {path.name} is not what its sidecar describes.",
        action="Check the object store, then retry the job.",
    )


def _report(plan: JoinPlan, size: int) -> JoinReport:
    tracks = [
        TrackReport(
            kind=KINDS[track.header.handler],
            samples=len(track.sizes),
            duration=track.duration,
            timescale=track.header.timescale,
            syncs=len(track.syncs),
        )
        for track in plan.tracks
    ]
    return JoinReport(size=size, duration_s=duration_of(plan), tracks=tracks)


def duration_of(plan: JoinPlan) -> float:
    """Seconds from the film's start to the end of the track that ends last."""
    return max((track.start + track.presented) / track.header.timescale for track in plan.tracks)


def _head(plan: JoinPlan, tags: JoinTags) -> bytes:
    """Everything before the payload. Offsets have a fixed width, so the size is known at once."""
    payload = sum(chunk.size for track in plan.tracks for chunk in track.chunks)
    mdat = media_data_header(payload)
    wide = payload > MAX_OFFSET_32 // 2  # leaves room for any moov
    size = len(_FTYP) + len(_movie(plan, tags, 0, wide=wide)) + len(mdat)
    return _FTYP + _movie(plan, tags, size, wide=wide) + mdat


def _movie(plan: JoinPlan, tags: JoinTags, first_byte: int, *, wide: bool) -> bytes:
    offsets: list[list[int]] = [[0] * len(track.chunks) for track in plan.tracks]
    at = first_byte
    for track, index in plan.order:
        offsets[track][index] = at
        at += plan.tracks[track].chunks[index].size
    timescale = movie_timescale(plan)
    chapters = next(
        (number for number, track in enumerate(plan.tracks, 1) if track.header.handler == b"text"), 0
    )
    traks = [
        _track(
            number,
            track,
            _references(number, chapters),
            timescale=timescale,
            stbl=sample_table(track, places, wide=wide),
        )
        for number, (track, places) in enumerate(zip(plan.tracks, offsets, strict=True), 1)
    ]
    duration = max(_total(track, timescale) for track in plan.tracks)
    header = movie_header(timescale, duration, next_track=len(traks) + 1)
    return box(b"moov", header, *traks, user_data(tags))


def movie_timescale(plan: JoinPlan) -> int:
    """The common multiple of the tracks' timescales, so that every edit is exact.

    Where that does not fit, the finest of them; durations are then rounded up, which shows at
    most a part of a tick too much and never loses a frame.
    """
    scales = [track.header.timescale for track in plan.tracks]
    common = math.lcm(*scales)
    return common if common <= _MAX_TIMESCALE else max(scales)


def _scaled(ticks: int, track: TrackPlan, timescale: int) -> int:
    return -(-ticks * timescale // track.header.timescale)


def _total(track: TrackPlan, timescale: int) -> int:
    return _scaled(track.start, track, timescale) + _scaled(track.presented, track, timescale)


def _references(number: int, chapters: int) -> bytes:
    """tref (8.3.3): the first track tells where its chapters are; QuickTime looks nowhere else."""
    if number != 1 or not chapters:
        return b""
    return box(b"tref", box(b"chap", struct.pack(">I", chapters)))


def _track(number: int, track: TrackPlan, references: bytes, *, timescale: int, stbl: bytes) -> bytes:
    header = track_header(track.header, track_id=number, duration=_total(track, timescale))
    # 8.6.6: an empty edit holds back a late track; then what is heard, from behind the priming on.
    edits = [(_scaled(track.start, track, timescale), -1)] if track.start else []
    trimmed = track.header.media_time or track.presented != track.duration
    if edits or trimmed:
        edits.append((_scaled(track.presented, track, timescale), track.header.media_time))
    edts = box(b"edts", edit_list(edits)) if edits else b""
    return box(b"trak", header, edts, references, media(track.header, track.duration, stbl))
