"""When each sample is decoded and shown: one rule for fragments and for the joined MP4.

For a closed segment that covers the presentation interval [start, end), samples in decode order:

- `duration` of a sample is its own time on screen: the next pts in presentation order minus its
  own; the last one stays until `end`. (trun `sample_duration`, 14496-12 8.8.8; stts, 8.6.1.2)
- its decode time is the running sum of the durations before it, from `start`. (tfdt, 8.8.12)
- its composition offset is pts - dts, **signed**. (trun and ctts version 1, 8.6.1.3)

The durations of a segment therefore add up to exactly `end - start`: segments meet without knowing
their neighbours, without a reorder delay and without a video edit list. Rules that shift dts by a
fixed delay showed the wrong frame after a seek on a variable frame rate; this one never did.
"""

from collections.abc import Iterator, Sequence

import msgspec

from cinelog_common.errors import Category, PermanentError


class SeamError(PermanentError):
    """The frames of a segment cannot cover its interval: joined, they would tear the film."""

    def __init__(self, message: str) -> None:
        super().__init__(message, category=Category.DAMAGED, action="Encode the segment again.")


class SampleTime(msgspec.Struct, frozen=True, kw_only=True):
    """How long a sample lasts and how far its presentation lies from its decoding, in ticks.

    Attributes:
        duration: Positive.
        composition_offset: pts - dts; negative where a frame is shown before its decode time.
    """

    duration: int
    composition_offset: int


def time_samples(pts: Sequence[int], start: int, end: int) -> list[SampleTime]:
    """Apply the timing rule to the frames of [start, end), given in decode order.

    The result's durations add up to `end - start`; with tfdt = `start` decode times increase
    strictly and every pts is recovered exactly, but for this one:

    A first frame that comes later than `start` (sound that begins before the picture) is shown
    from `start` on. The interval has to be covered: measured in Chromium, a track that begins late
    moved the whole film in hls.js and broke native HLS, and a gap kept as a longer duration of the
    first sample made both show wrong frames after seeks. Shown early, it was right 100 of 100
    times in each. Who wants the gap itself lets the segment begin at its first frame.

    Raises:
        SeamError: No frames, equal or out-of-interval pts, or a first frame in decode order that
            is not the first on screen (an open GOP, which cannot be decoded on its own).
    """
    shown = sorted(pts)
    _check_interval(pts, shown, start, end)
    covering = [start, *shown[1:]]
    on_screen = dict(zip(shown, (after - this for this, after in _with_next(covering, end)), strict=True))
    times: list[SampleTime] = []
    dts = start
    for own in pts:
        duration = on_screen[own]
        times.append(SampleTime(duration=duration, composition_offset=(own if times else start) - dts))
        dts += duration
    return times


def _with_next(shown: Sequence[int], end: int) -> Iterator[tuple[int, int]]:
    return zip(shown, [*shown[1:], end], strict=True)


def _check_interval(pts: Sequence[int], shown: Sequence[int], start: int, end: int) -> None:
    if not shown:
        raise SeamError(f"no frames for the interval [{start}, {end})")
    if shown[0] < start or shown[-1] >= end:
        raise SeamError(f"frames at {shown[0]} to {shown[-1]} lie outside their interval [{start}, {end})")
    if pts[0] != shown[0]:
        raise SeamError(f"the first frame in decode order is shown at {pts[0]}, after the one at {shown[0]}")
    if len(set(shown)) != len(shown):
        twin = next(this for this, after in _with_next(shown, end) if this == after)
        raise SeamError(f"two frames are shown at {twin}")
