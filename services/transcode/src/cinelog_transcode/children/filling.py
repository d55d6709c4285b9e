"""Stand-ins for pictures that cannot be decoded, where a part of the result must begin with one."""

from collections.abc import Iterator, Sequence

from av.video.frame import VideoFrame


def filled(
    frames: Iterator[VideoFrame], starts: Sequence[int], end: int, *, size: tuple[int, int]
) -> Iterator[tuple[VideoFrame, bool]]:
    """Yield every frame, and whether it only stands in for one that is missing.

    Each of `starts` gets a frame: its own, else the one before it once more, else the next one early;
    black where there is none at all. Whoever takes a frame is done with its times when asking for the
    next one.

    Args:
        frames: In order of presentation, with pts; those outside [starts[0], end) are passed on.
        starts: Ascending; the first one is where the unit begins.
        end: Where it ends.
        size: Of a black picture.
    """
    waiting = list(starts)
    held: VideoFrame | None = None
    for frame in frames:
        assert frame.pts is not None
        while waiting and waiting[0] < min(frame.pts, end):
            begins = frame if frame.pts < end else black(size)
            yield from _at(waiting.pop(0), held or begins)
        if starts[0] <= frame.pts < end:
            held = frame
            waiting = waiting[1:] if waiting[:1] == [frame.pts] else waiting
        yield frame, False
    while waiting:
        yield from _at(waiting.pop(0), held or black(size))


def _at(pts: int, frame: VideoFrame) -> Iterator[tuple[VideoFrame, bool]]:
    own = frame.pts
    frame.pts = pts
    yield frame, True
    frame.pts = own


def black(size: tuple[int, int]) -> VideoFrame:
    """Return a black picture."""
    frame = VideoFrame(*size, "yuv420p")
    for plane, level in zip(frame.planes, (b"\x10", b"\x80", b"\x80"), strict=True):
        plane.update(level * plane.buffer_size)
    return frame
