"""Text tracks of a joined file: subtitles, and chapters as a track of their own for QuickTime."""

from collections.abc import Sequence
from pathlib import Path

from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.joining import JoinTrack, Mark
from cinelog_common.cmaf.textinits import (
    TEXT_TIMESCALE,
    chapter_init,
    chapter_sample,
    font_size,
    subtitle_init,
)
from cinelog_common.contract.sidecars import CueSheet, decode_document
from cinelog_common.contract.values import Value
from cinelog_common.cues.timedtext import timed_samples

from cinelog_merge.ports import JoinText


class Screen(Value, frozen=True, kw_only=True):
    """What subtitles are shown over: a picture, in pixels, and when it ends."""

    width: int
    height: int
    end_ms: int


def text_track(text: JoinText, screen: Screen, folder: Path) -> JoinTrack:
    """Write subtitles as one fragment from the film's beginning to its end.

    Raises:
        OSError: The disk is full, or fails.
    """
    cues = decode_document(CueSheet, Path(text.cues).read_bytes()).cues
    samples = timed_samples(cues, screen.end_ms, font_size(screen.height))
    path = folder / f"{Path(text.cues).name}.m4s"
    path.write_bytes(_fragment(0, [length for length, _ in samples], [data for _, data in samples]))
    return JoinTrack(
        init=subtitle_init((screen.width, screen.height), language=text.language),
        fragments=[path],
        kind="text",
        language=text.language,
        shown=text.shown,
    )


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
