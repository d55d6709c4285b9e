"""Samples of 3GPP timed text (TS 26.245): one after another without a gap, empty where nothing is shown."""

import html
import re
import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cinelog_common.cmaf.boxes import box
from cinelog_common.contract.sidecars import Cue

_TAG = re.compile(r"<(/?)([biu])>")
_FACES = {"b": 1, "i": 2, "u": 4}
MOST_SHOWN = 12
"""At once, one below the other."""
_MOST_STYLES = 200
_FONT, _WHITE = 1, 0xFFFFFFFF
_MOST_BYTES = 0xFFFF


def timed_samples(cues: Sequence[Cue], end_ms: int, size: int) -> list[tuple[int, bytes]]:
    """Return (duration in ms, sample) from 0 to `end_ms`: what overlaps is shown one below the other.

    Args:
        cues: By their beginnings, none beyond `end_ms`.
        end_ms: Where the film ends.
        size: Of the font, in pixels.
    """
    samples: list[tuple[int, bytes]] = []
    for start, end, texts in _shown(cues, end_ms):
        if end > start:
            samples.append((end - start, sample("\n".join(texts), size) if texts else bytes(2)))
    return samples


def _shown(cues: Sequence[Cue], end_ms: int) -> Iterator[tuple[int, int, list[str]]]:
    """Yield what is shown from one change to the next."""
    times = sorted({0, end_ms, *(cue.start_ms for cue in cues), *(cue.end_ms for cue in cues)})
    showing: list[Cue] = []
    at = 0
    for start, end in pairwise(times):
        showing = [cue for cue in showing if cue.end_ms > start]
        while at < len(cues) and cues[at].start_ms <= start:
            if cues[at].end_ms > start:
                showing.append(cues[at])
            at += 1
        showing = showing[-MOST_SHOWN:]
        yield start, end, [cue.text for cue in showing]


def sample(markup: str, size: int) -> bytes:
    """Return one sample: its text, and where it is bold, italic or underlined."""
    text, face, at = "", 0, 0
    runs: list[tuple[int, int, int]] = []
    for match in _TAG.finditer(markup):
        text = _grown(text, markup[at : match.start()], runs, face)
        at = match.end()
        face = face & ~_FACES[match[2]] if match[1] else face | _FACES[match[2]]
    text = _grown(text, markup[at:], runs, face)
    data = text.encode("utf-8", "replace")
    if len(data) > _MOST_BYTES:
        data, runs = data[:_MOST_BYTES].decode("utf-8", "ignore").encode(), []
    styles = [
        struct.pack(">HHHBBI", start, end, _FONT, flags, size & 0xFF, _WHITE)
        for start, end, flags in runs[:_MOST_STYLES]
    ]
    style = box(b"styl", struct.pack(">H", len(styles)), *styles) if styles else b""
    return struct.pack(">H", len(data)) + data + style


def _grown(text: str, markup: str, runs: list[tuple[int, int, int]], face: int) -> str:
    longer = text + html.unescape(markup)
    # 5.17.1.1 counts characters, and styles must neither be empty nor overlap.
    if face and len(text) < len(longer) <= _MOST_BYTES:
        runs.append((len(text), len(longer), face))
    return longer
