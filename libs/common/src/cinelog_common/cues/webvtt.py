"""WebVTT (W3C, 4 April 2019) of cues whose text is marked up already."""

from collections.abc import Sequence

from cinelog_common.contract.sidecars import Cue

ORIGIN = "X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000"
"""RFC 8216, 3.5: where on the media's timeline the cues' zero lies; ours begins at 0, too."""


def write_webvtt(cues: Sequence[Cue], *, mapped: bool = False) -> str:
    """Return a file with `cues`; `mapped` for segments of a playlist."""
    head = f"WEBVTT\n{ORIGIN}\n" if mapped else "WEBVTT\n"
    return "\n".join(
        [head, *(f"{stamp(cue.start_ms)} --> {stamp(cue.end_ms)}\n{cue.text}\n" for cue in cues)]
    )


def stamp(time_ms: int) -> str:
    """Return a time as WebVTT spells it."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ms:03d}"


def within(cues: Sequence[Cue], end_ms: int) -> list[Cue]:
    """Return what of `cues` is seen before the film ends."""
    return [
        Cue(start_ms=cue.start_ms, end_ms=min(cue.end_ms, end_ms), text=cue.text)
        for cue in cues
        if cue.start_ms < end_ms
    ]


def segmented(cues: Sequence[Cue], every_ms: int, count: int) -> list[list[Cue]]:
    """Return the cues of each of `count` segments of `every_ms`.

    A cue that reaches over a seam is in every segment that it is seen in, with its whole time
    (RFC 8216, 3.5): players know it again by that.
    """
    segments: list[list[Cue]] = [[] for _ in range(count)]
    for cue in cues:
        last = min(count - 1, (cue.end_ms - 1) // every_ms)
        for at in range(cue.start_ms // every_ms, last + 1):
            segments[at].append(cue)
    return segments
