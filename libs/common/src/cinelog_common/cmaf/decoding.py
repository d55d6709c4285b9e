"""Decodes a joined film to see whether its pictures are there. Needs PyAV; runs in a child process.

`decode_seams` looks where a join can be wrong: the first frames after each seam. `decode_all` looks
everywhere, for `verify: full` and for tests.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import msgspec

from cinelog_common.cmaf.checking import Seam
from cinelog_common.errors import Category, PermanentError

# Tried in turn where a seek lands behind its seam: seconds before it. Decode times run ahead of
# presentation by up to the longest hold, and libavformat seeks by decode time.
_STEPS_BACK_S = (0, 2, 10, 60)
# Without it a decoder conceals damage and says nothing.
_STRICT = {"err_detect": "explode"}
# Each thread opens the file anew, and holds its index and a decoder: not worth it for few seams, and
# not many at a time.
_MOST_THREADS, _LEAST_SHARE = 2, 4


class SeamProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong after one seam."""

    segment: str
    message: str


class DecodedFilm(msgspec.Struct, frozen=True, kw_only=True):
    """Every frame of the first video track in order of presentation.

    Attributes:
        pts: Ticks of `timescale`.
        checksums: CRC-32 of each frame's pixels.
        damaged: How many frames the decoder marked corrupt.
    """

    timescale: int
    pts: array[int]
    checksums: array[int]
    damaged: int


def decode_seams(path: Path, seams: Sequence[Seam], *, frames_each: int = 2) -> list[SeamProblem]:
    """Decode the first frames after every seam; an empty list means that all are there, on time.

    Raises:
        PermanentError: The file cannot be opened at all.
    """
    share = max(_LEAST_SHARE, -(-len(seams) // min(_MOST_THREADS, os.cpu_count() or 1)))
    shares = [seams[start : start + share] for start in range(0, len(seams), share)] or [seams]
    with ThreadPoolExecutor(len(shares)) as threads:
        found = threads.map(lambda own: _problems(path, own, frames_each), shares)
        return [problem for problems in found for problem in problems]


def _problems(path: Path, seams: Sequence[Seam], frames_each: int) -> list[SeamProblem]:
    with _opened(path) as film:
        stream = film.streams.video[0]
        # One thread: frame threads would decode many frames ahead to give out two.
        stream.codec_context.thread_count = 1
        stream.codec_context.options = dict(_STRICT)
        problems = (_problem(film, stream, seam, frames_each) for seam in seams)
        return [problem for problem in problems if problem is not None]


def decode_all(path: Path) -> DecodedFilm:
    """Decode every frame of the first video track.

    Raises:
        PermanentError: The file cannot be opened, or a frame cannot be decoded.
    """
    pts, checksums, damaged = array("q"), array("I"), 0
    with _opened(path) as film:
        stream = film.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.options = dict(_STRICT)
        try:
            for frame in film.decode(stream):
                pts.append(-1 if frame.pts is None else frame.pts)
                checksums.append(pixel_checksum(frame))
                damaged += frame.is_corrupt
        except av.FFmpegError as error:
            raise _damaged(path, f"after {len(pts)} frames: {error.strerror}") from error
        base = stream.time_base
        return DecodedFilm(
            timescale=base.denominator if base else 1, pts=pts, checksums=checksums, damaged=damaged
        )


def pixel_checksum(frame: av.VideoFrame) -> int:
    """CRC-32 of the visible pixels; what pads a line is left out."""
    value = 0
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        data = memoryview(plane)
        width = plane.width * max(1, (component.bits + 7) // 8)
        if width == plane.line_size:
            value = zlib.crc32(data[: width * plane.height], value)
            continue
        for line in range(plane.height):
            value = zlib.crc32(data[line * plane.line_size :][:width], value)
    return value


def _opened(path: Path) -> av.container.InputContainer:
    try:
        film = av.open(path)
    except av.FFmpegError as error:
        raise _damaged(path, error.strerror or "unknown") from error
    if not film.streams.video:
        film.close()
        raise _damaged(path, "no pictures")
    return film


def _damaged(path: Path, reason: str) -> PermanentError:
    return PermanentError(
        f"{path.name} cannot be decoded: {reason}.", category=Category.DAMAGED, action="Run the job again."
    )


def _problem(
    film: av.container.InputContainer, stream: av.VideoStream, seam: Seam, frames_each: int
) -> SeamProblem | None:
    wanted = [time / stream.time_base for time in seam.times[:frames_each] if stream.time_base]
    try:
        found = _frames_from(film, stream, int(wanted[0]), len(wanted))
    except av.FFmpegError as error:
        return SeamProblem(segment=seam.segment, message=f"cannot be decoded: {error.strerror}")
    if any(frame.is_corrupt for frame in found):
        return SeamProblem(segment=seam.segment, message="decodes with damage")
    times = [frame.pts for frame in found]
    if times != wanted:
        planned = [int(time) for time in wanted]
        return SeamProblem(segment=seam.segment, message=f"shows frames at {times}, planned are {planned}")
    return None


def _frames_from(
    film: av.container.InputContainer, stream: av.VideoStream, first: int, count: int
) -> list[av.VideoFrame]:
    """The first `count` frames shown at or after `first`.

    Raises:
        av.FFmpegError: One of them cannot be decoded, however early decoding begins.
    """
    found: list[av.VideoFrame] = []
    for step in _STEPS_BACK_S:
        back = int(step / stream.time_base) if stream.time_base else 0
        earliest = first - back <= 0
        film.seek(max(0, first - back), stream=stream)
        try:
            found = list(_shown_from(film, stream, first, count))
        except av.InvalidDataError:
            # The leading pictures of an open group refer to the group before it, where the seek landed after.
            if earliest or step == _STEPS_BACK_S[-1]:
                raise
            continue
        if earliest or (found and found[0].pts == first):
            break
    return found


def _shown_from(
    film: av.container.InputContainer, stream: av.VideoStream, first: int, count: int
) -> Iterator[av.VideoFrame]:
    left = count
    for packet in film.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            # What is shown before the seam is not looked at, and may lack what it refers to.
            if packet.pts is None or packet.pts >= first:
                raise
            continue
        for frame in frames:
            if frame.pts is not None and frame.pts >= first:
                yield frame
                left -= 1
            if left == 0:
                return
