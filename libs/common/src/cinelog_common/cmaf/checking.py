"""Reads a joined MP4 back before anybody hears of it: does its index say what was planned?

The tables come from the file alone (`movietables`); the plan comes from the segments' own
headers. Then the bytes at every seam are compared with the segments they came from.
"""

import os
import zlib
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import msgspec

from cinelog_common.cmaf.boxes import BoxError
from cinelog_common.cmaf.joinplan import Chunk, JoinError, JoinPlan, TrackPlan
from cinelog_common.cmaf.movietables import Movie, MovieTrack, read_movie
from cinelog_common.errors import Category

_SEAM_BYTES = 4096
_PIECE = 1 << 20


class CheckError(JoinError):
    """The written file is not what was planned: a defect or a bad disk, never the user's doing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, category=Category.INTERNAL, action="Run the job again.")


class Seam(msgspec.Struct, frozen=True, kw_only=True):
    """Where a segment begins in the joined film.

    Attributes:
        segment: The segment file's name.
        times: Seconds, exactly, at which its first frames are shown, in order of presentation.
    """

    segment: str
    times: tuple[Fraction, ...]


def check_join(path: Path, plan: JoinPlan, *, every_byte: bool = False) -> None:
    """Compare the file's counts, times, sync samples, edits and places with `plan`.

    Bytes are compared for the first and last 4 KiB of each segment, or all of them.

    Raises:
        CheckError: They differ; the message names the first difference.
    """
    try:
        movie = read_movie(path)
    except BoxError as error:
        raise CheckError(f"{path.name} is no sound MP4: {error}.") from error
    if len(movie.tracks) != len(plan.tracks):
        raise CheckError(f"{path.name} holds {len(movie.tracks)} of {len(plan.tracks)} tracks.")
    for number, (found, planned) in enumerate(zip(movie.tracks, plan.tracks, strict=True), 1):
        _compare(f"Track {number} of {path.name}", found, planned)
        _compare_edits(f"Track {number} of {path.name}", movie, found, planned)
    _compare_places(path, movie, plan)
    _compare_bytes(path, movie, plan, every_byte=every_byte)


def _compare(name: str, found: MovieTrack, planned: TrackPlan) -> None:
    facts = (
        ("a timescale", found.timescale, planned.header.timescale),
        ("a kind", found.handler, planned.header.handler),
        ("a sample count", len(found.sizes), len(planned.sizes)),
        ("a chunk count", len(found.chunks), len(planned.chunks)),
        ("a duration", sum(found.durations), planned.duration),
    )
    for what, has, wants in facts:
        if has != wants:
            raise CheckError(f"{name} has {what} of {has!r}, planned is {wants!r}.")
    columns = (
        ("size", found.sizes, planned.sizes),
        ("duration", found.durations, planned.durations),
        ("composition offset", found.offsets, planned.offsets),
        ("sync position", found.syncs, planned.syncs),
        ("chunk", [count for _, count in found.chunks], [chunk.samples for chunk in planned.chunks]),
    )
    for what, having, wanting in columns:
        if having != wanting:
            pairs = zip(having, wanting, strict=False)
            at = next(
                (at for at, (one, two) in enumerate(pairs) if one != two), min(len(having), len(wanting))
            )
            raise CheckError(f"{name} differs from the plan in the {what} at {at}.")


def _compare_edits(name: str, movie: Movie, found: MovieTrack, planned: TrackPlan) -> None:
    """What is shown must begin and last as planned; a part of a movie tick too much is allowed."""
    edits = list(found.edits)
    delay = edits.pop(0)[0] if edits and edits[0][1] == -1 else 0
    shown, media_time = edits[0] if edits else (None, 0)
    if len(edits) > 1 or media_time != planned.header.media_time:
        raise CheckError(f"{name} plays from {media_time} on, planned is {planned.header.media_time}.")
    for what, ticks, wants in (("begins after", delay, planned.start), ("lasts", shown, planned.presented)):
        exact = Fraction(wants, planned.header.timescale) * movie.timescale
        if ticks is not None and not exact <= ticks < exact + 1:
            raise CheckError(f"{name} {what} {ticks} ticks, planned are {exact}.")
    if shown is None and planned.presented != planned.duration:
        raise CheckError(f"{name} has lost its edit list.")


def _compare_places(path: Path, movie: Movie, plan: JoinPlan) -> None:
    """The chunks must fill the media data one after another, none twice, none outside."""
    at, end = movie.media
    for track, index in plan.order:
        chunk = plan.tracks[track].chunks[index]
        offset = movie.tracks[track].chunks[index][0]
        if offset != at:
            raise CheckError(f"{path.name} looks for {chunk.path.name} at byte {offset}, it lies at {at}.")
        at += chunk.size
    if at != end:
        raise CheckError(f"The media data of {path.name} end at byte {end}, the samples at {at}.")


def _compare_bytes(path: Path, movie: Movie, plan: JoinPlan, *, every_byte: bool) -> None:
    with path.open("rb", buffering=0) as film:
        for track, planned in enumerate(plan.tracks):
            for index, chunk in enumerate(planned.chunks):
                offset = movie.tracks[track].chunks[index][0]
                with chunk.path.open("rb", buffering=0) as segment:
                    source = _checksums(segment.fileno(), chunk.offset, chunk, every_byte=every_byte)
                if source != _checksums(film.fileno(), offset, chunk, every_byte=every_byte):
                    raise CheckError(f"The bytes of {chunk.path.name} did not arrive in {path.name}.")


def _checksums(descriptor: int, offset: int, chunk: Chunk, *, every_byte: bool) -> list[int]:
    if every_byte:
        pieces = [(at, min(_PIECE, chunk.size - at)) for at in range(0, chunk.size, _PIECE)]
    else:
        size = min(_SEAM_BYTES, chunk.size)
        pieces = [(0, size), (chunk.size - size, size)]
    return [zlib.crc32(os.pread(descriptor, size, offset + at)) for at, size in pieces]


def seams_of(plan: JoinPlan, *, frames_each: int = 2) -> list[Seam]:
    """Where the segments of the first video track begin, and when their first frames are shown."""
    track = next((track for track in plan.tracks if track.header.handler == b"vide"), None)
    if track is None:
        return []
    starts = list(accumulate(track.durations, initial=track.start))
    seams = []
    for chunk in track.chunks:
        samples = range(chunk.first_sample, chunk.first_sample + chunk.samples)
        # What is composed before the edit's beginning is hidden.
        composed = (starts[at] + track.offsets[at] - track.header.media_time for at in samples)
        shown = sorted(time for time in composed if time >= track.start)[:frames_each]
        times = tuple(Fraction(time, track.header.timescale) for time in shown)
        if times:
            seams.append(Seam(segment=chunk.path.name, times=times))
    return seams
