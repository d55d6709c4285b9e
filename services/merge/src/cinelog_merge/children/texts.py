"""Text tracks of a joined file: chapters, as a track of their own for QuickTime."""

from collections.abc import Sequence
from pathlib import Path

from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.joining import JoinTrack, Mark
from cinelog_common.cmaf.textinits import TEXT_TIMESCALE, chapter_init, chapter_sample


def chapter_track(marks: Sequence[Mark], duration_s: float, folder: Path) -> JoinTrack:
    """Write the titles of a film's chapters as a track; the last lasts to the film's end.

    Raises:
        OSError: The disk is full, or fails.
    """
    end = max(round(duration_s * TEXT_TIMESCALE), marks[-1].start_ms + 1)
    starts = [mark.start_ms for mark in marks]
    lengths = [after - start for start, after in zip(starts, [*starts[1:], end], strict=True)]
    payload = [chapter_sample(mark.title) for mark in marks]
    path = folder / "chapters.m4s"
    path.write_bytes(_fragment(starts[0], lengths, payload))
    return JoinTrack(init=chapter_init(), fragments=[path], kind="chapters")


def _fragment(start: int, lengths: Sequence[int], payload: Sequence[bytes]) -> bytes:
    samples = [
        Sample(size=len(data), duration=length, composition_offset=0, sync=True)
        for data, length in zip(payload, lengths, strict=True)
    ]
    return write_fragment(FragmentSpec(sequence=1, base_time=start, samples=samples), payload)
