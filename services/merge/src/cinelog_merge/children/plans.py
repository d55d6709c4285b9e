"""What each fragment must hold, from its sidecar: so that nothing is joined that only looks alike."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cinelog_common.cmaf.boxes import BoxError
from cinelog_common.cmaf.fragments import read_fragment_file
from cinelog_common.cmaf.initinfo import init_info
from cinelog_common.cmaf.joining import JoinError, SegmentPlan

from cinelog_merge.ports import JoinPart

_FILLING_FRAMES = 4
"""Encoders give out a few frames more than were put in when they are emptied."""


def picture_plans(part: JoinPart) -> list[SegmentPlan]:
    """Return the plan of each fragment of pictures: it is decoded when it is shown."""
    return [
        SegmentPlan(start=start, end=end, samples=samples, parameter_hash=own)
        for start, end, samples, own in zip(part.starts, part.ends, part.samples, _hashes(part), strict=True)
    ]


def sound_plans(part: JoinPart, init: bytes, fragments: Sequence[Path]) -> list[SegmentPlan]:
    """Return the plan of each fragment of sound.

    Sidecars say when sound is heard; it is decoded earlier by the encoder's priming, of which the
    first fragment holds all. The last frame may reach beyond the end: the encoder filled it up.

    Raises:
        JoinError: The init or the last fragment is damaged, or does not reach as far as it should.
    """
    try:
        priming = init_info(init).media_time
        last = read_fragment_file(fragments[-1])
    except BoxError as error:
        raise JoinError(f"{fragments[-1].name} or its init segment is damaged: {error}.") from error
    begins = [part.starts[0], *(start + priming for start in part.starts[1:])]
    end = last.base_time + last.duration
    filling = end - priming - part.ends[-1]
    if not 0 <= filling < _FILLING_FRAMES * max(sample.duration for sample in last.samples):
        raise JoinError(
            f"The segment {fragments[-1].name} is heard until {end - priming}, planned is {part.ends[-1]}."
        )
    return [
        SegmentPlan(start=start, end=after, samples=samples, parameter_hash=own)
        for (start, after), samples, own in zip(
            pairwise([*begins, end]), part.samples, _hashes(part), strict=True
        )
    ]


def _hashes(part: JoinPart) -> Sequence[str | None]:
    return part.init_hashes or [None] * len(part.fragments)
