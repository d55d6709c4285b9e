"""Cues as they come, put into order: none before zero, none without an end, never too many. Pure."""

import heapq
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from cinelog_common.contract.sidecars import Cue, CueSheet

MOST_CUES: Final = 20_000
MOST_CHARS: Final = 2 << 20
"""Of one track; what is behind is left out, and a warning says so."""
MOST_AT_ONCE: Final = 12
LONGEST_MS: Final = 48 * 3600 * 1000
_UNTOLD_MS: Final = 5000
"""How long a cue is shown that does not say so, unless another one begins before."""

_ROUNDING_S: Final = Fraction(1, 500)


class Spoken(NamedTuple):
    """A cue as the source has it; its end is not known where it does not say how long it lasts."""

    start_s: Fraction
    duration_s: Fraction | None
    text: str


def placed(
    spoken: Spoken, *, origin_s: Fraction, begins_s: Fraction, lasts_s: Fraction | None
) -> Spoken | None:
    """Return a cue of a file that covers a part of the film, on the film's timeline; None if it lies outside.

    `origin_s` is what its clock shows where the part begins; a cue may begin before, and end behind.
    """
    start = spoken.start_s - origin_s
    # One that does not say how long it lasts is shown at its beginning, if ever.
    end = start if spoken.duration_s is None else start + spoken.duration_s
    if end < 0 or (lasts_s is not None and start >= lasts_s):
        return None
    first = max(start, Fraction(0))
    last = end if lasts_s is None else min(end, lasts_s)
    lasts = None if spoken.duration_s is None else last - first
    return Spoken(begins_s + first, lasts, spoken.text)


def merged(spoken: Iterable[Spoken]) -> list[Spoken]:
    """Return cues in order, those with one text as one where the next begins as the one before ends.

    In MP4 every sample repeats what is still shown (ISO/IEC 14496-30).
    """
    found: list[Spoken] = []
    last: dict[str, int] = {}
    for each in sorted(spoken, key=lambda one: one.start_s):
        at = last.get(each.text)
        before = None if at is None else found[at]
        if at is None or before is None or before.duration_s is None or each.duration_s is None:
            last[each.text] = len(found)
            found.append(each)
            continue
        end = before.start_s + before.duration_s
        if each.start_s > end + _ROUNDING_S:
            last[each.text] = len(found)
            found.append(each)
        else:
            until = max(end, each.start_s + each.duration_s)
            found[at] = before._replace(duration_s=until - before.start_s)
    return found


def sheet_of(spoken: Sequence[Spoken], zero_s: Fraction = Fraction(0)) -> CueSheet:
    """Return the cues, `zero_s` being where on their timeline the job's begins."""
    timed = sorted({_timed(each, zero_s) for each in spoken}, key=lambda cue: (cue[0], cue[1] or 0, cue[2]))
    found: list[Cue] = []
    showing: list[int] = []
    for at, (start, end, text) in enumerate(timed):
        until = end if end is not None else _end_of(timed, at)
        first, last = max(0, start), min(until, LONGEST_MS)
        if last <= first:
            continue
        while showing and showing[0] <= first:
            heapq.heappop(showing)
        if len(showing) < MOST_AT_ONCE:
            heapq.heappush(showing, last)
            found.append(Cue(start_ms=first, end_ms=last, text=text))
    return CueSheet(cues=tuple(sorted(found, key=lambda cue: (cue.start_ms, cue.end_ms))))


def _timed(spoken: Spoken, zero_s: Fraction) -> tuple[int, int | None, str]:
    start = spoken.start_s - zero_s
    if spoken.duration_s is None:
        return round(start * 1000), None, spoken.text
    return round(start * 1000), round((start + spoken.duration_s) * 1000), spoken.text


def _end_of(timed: Sequence[tuple[int, int | None, str]], at: int) -> int:
    start = timed[at][0]
    later = next((each[0] for each in timed[at + 1 : at + 1 + MOST_AT_ONCE] if each[0] > start), None)
    return start + _UNTOLD_MS if later is None else min(later, start + _UNTOLD_MS)
