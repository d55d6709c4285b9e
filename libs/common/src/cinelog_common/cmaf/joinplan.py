"""What a join will write, worked out from the fragments' headers before a byte is copied.

Memory stays bounded for hours of film: numbers lie in arrays, about 16 bytes a sample, and only
one fragment's objects live at a time.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from operator import add
from pathlib import Path

import msgspec

from cinelog_common.cmaf.boxes import BoxError
from cinelog_common.cmaf.fragments import Fragment, read_fragment_file
from cinelog_common.cmaf.headers import TrackHeader
from cinelog_common.cmaf.initinfo import KINDS, parameter_hash, read_track
from cinelog_common.errors import Category, PermanentError


class JoinError(PermanentError):
    """Segments that do not make one film. Names the segment where the joint is wrong."""

    def __init__(
        self,
        message: str,
        *,
        category: Category = Category.DAMAGED,
        action: str = "Encode this segment again.",
    ) -> None:
        super().__init__(message, category=category, action=action)


class SegmentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the job's plan and the segment's sidecar say about one segment.

    Attributes:
        start: Decode time of its first sample, in ticks.
        end: Where the next one begins, in ticks.
        samples: How many it must hold; None where nobody counted.
        parameter_hash: Of the init it was encoded for; None where nobody noted it.
    """

    start: int
    end: int
    samples: int | None = None
    parameter_hash: str | None = None


class JoinTrack(msgspec.Struct, frozen=True, kw_only=True):
    """One track of the film.

    Attributes:
        fragments: One file a segment, in order.
        kind: "video", "audio", "text" or "chapters"; must agree with the init.
        language: ISO 639-2; None keeps the init's.
        start_offset: Ticks by which the whole track begins later than its decode times say.
        presented: Ticks of sound to be heard after the priming; None: all that there are.
        expected: The plan of each segment, where there is one.
        shown: Of text: whether players show it unasked.
    """

    init: bytes
    fragments: Sequence[Path]
    kind: str
    language: str | None = None
    start_offset: int = 0
    presented: int | None = None
    expected: Sequence[SegmentPlan] | None = None
    shown: bool = False


class Chunk(msgspec.Struct, frozen=True):
    """The payload of one fragment: where it lies now and which samples it holds."""

    path: Path
    offset: int
    size: int
    first_sample: int
    samples: int
    base_time: int


class TrackPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole sample table of one track, in decode order.

    Attributes:
        start: Ticks from the start of the film to the start of this track.
        syncs: Numbers of the sync samples, from 1 (stss).
        duration: The sum of `durations`.
        presented: Ticks that are shown or heard, without priming.
    """

    header: TrackHeader
    stsd: bytes
    start: int
    sizes: array[int]
    durations: array[int]
    offsets: array[int]
    syncs: array[int]
    chunks: list[Chunk]
    duration: int
    presented: int


class JoinPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All tracks, and the order in which their chunks are laid down: (track, chunk) indexes."""

    tracks: list[TrackPlan]
    order: list[tuple[int, int]]


def plan_join(tracks: Sequence[JoinTrack]) -> JoinPlan:
    """Read every fragment's header and work out the film's sample tables.

    Raises:
        JoinError: No tracks; a segment that is unreadable, does not begin where the one before
            ends, does not begin with a sync sample, or is not what its plan says.
    """
    if not tracks:
        raise JoinError("There is nothing to join.", action="Keep at least one track.")
    plans = [_plan_track(track, first=track.kind not in before) for track, before in _with_kinds(tracks)]
    places = [
        (_heard_from(plan, chunk), track, index)
        for track, plan in enumerate(plans)
        for index, chunk in enumerate(plan.chunks)
    ]
    # Segment by segment across tracks, so that a player finds sound near its pictures.
    return JoinPlan(tracks=plans, order=[(track, index) for _, track, index in sorted(places)])


def _with_kinds(tracks: Sequence[JoinTrack]) -> list[tuple[JoinTrack, set[str]]]:
    """Each track with the kinds of those before it."""
    return [(track, {other.kind for other in tracks[:at]}) for at, track in enumerate(tracks)]


def _heard_from(track: TrackPlan, chunk: Chunk) -> Fraction:
    """Seconds into the film at which a chunk begins to be shown or heard."""
    ticks = chunk.base_time - track.chunks[0].base_time - track.header.media_time
    return Fraction(track.start + max(0, ticks), track.header.timescale)


def _plan_track(track: JoinTrack, *, first: bool) -> TrackPlan:
    header, stsd = _header(track, first=first)
    sizes, durations, offsets, syncs = array("I"), array("I"), array("i"), array("I")
    chunks: list[Chunk] = []
    running: int | None = None
    for index, path in enumerate(track.fragments):
        fragment = _read(path)
        end = fragment.base_time + fragment.duration
        _check(path, fragment, running)
        if track.expected is not None:
            _check_expected(path, (fragment, end), track, index)
        count = len(sizes)
        chunks.append(
            Chunk(
                path,
                fragment.mdat_offset,
                fragment.mdat_size,
                count,
                len(fragment.samples),
                fragment.base_time,
            )
        )
        sizes.extend(sample.size for sample in fragment.samples)
        durations.extend(sample.duration for sample in fragment.samples)
        offsets.extend(sample.composition_offset for sample in fragment.samples)
        syncs.extend(count + at for at, sample in enumerate(fragment.samples, 1) if sample.sync)
        running = end
    if running is None:
        raise JoinError("A track without segments cannot be joined.", action="Leave the track out.")
    duration = running - chunks[0].base_time
    hidden = _hidden(chunks[0], durations, offsets)
    heard = duration - header.media_time - hidden
    presented = heard if track.presented is None else track.presented
    start = chunks[0].base_time + track.start_offset
    if start < 0 or not 0 < presented <= duration - header.media_time:
        raise JoinError(f"{track.fragments[0].name} leaves {presented} of {duration} ticks from {start} on.")
    if hidden:
        offsets, shift = _raised(offsets)
        header = msgspec.structs.replace(header, media_time=header.media_time + shift)
    return TrackPlan(
        header=header,
        stsd=stsd,
        start=start,
        sizes=sizes,
        durations=durations,
        offsets=offsets,
        syncs=syncs,
        chunks=chunks,
        duration=duration,
        presented=presented,
    )


def _hidden(first: Chunk, durations: array[int], offsets: array[int]) -> int:
    """Ticks of pictures before the film's beginning, which only later ones refer to."""
    decoded = accumulate(durations[: first.samples], initial=first.base_time)
    return max(0, -min(map(add, decoded, offsets[: first.samples]), default=0))


def _raised(offsets: array[int]) -> tuple[array[int], int]:
    """Composition offsets without negative ones, and by how much they were raised.

    Hidden pictures need an edit list, and libavformat reads one wrongly beside signed offsets.
    """
    shift = -min(offsets)
    return array("i", (offset + shift for offset in offsets)), shift


def _header(track: JoinTrack, *, first: bool) -> tuple[TrackHeader, bytes]:
    try:
        found = read_track(track.init)
    except BoxError as error:
        raise JoinError(f"The init segment is damaged: {error}.") from error
    kind = KINDS[found.header.handler]
    if kind != track.kind:
        raise JoinError(f"The init segment is of {kind}, the track of {track.kind}.")
    if track.expected is not None and len(track.expected) != len(track.fragments):
        raise JoinError(f"{len(track.fragments)} segments are there of {len(track.expected)} planned.")
    language = track.language or found.header.language
    # 8.3.2.3: of several alternatives players show the enabled one; text only if it is meant to be shown.
    enabled = track.shown if kind in {"text", "chapters"} else first
    return msgspec.structs.replace(found.header, language=language, enabled=enabled), found.stsd


def _read(path: Path) -> Fragment:
    try:
        return read_fragment_file(path)
    except BoxError as error:
        raise JoinError(f"The segment {path.name} is damaged: {error}.") from error
    except FileNotFoundError as error:
        raise JoinError(f"The segment {path.name} is missing.") from error


def _check(path: Path, fragment: Fragment, running: int | None) -> None:
    if running is not None and fragment.base_time != running:
        raise JoinError(
            f"The segment {path.name} begins at {fragment.base_time}, the one before it ends at {running}."
        )
    if not fragment.samples[0].sync:
        raise JoinError(f"The segment {path.name} does not begin with a picture that stands alone.")
    if any(sample.duration == 0 for sample in fragment.samples):
        raise JoinError(f"The segment {path.name} holds a sample without duration.")


def _check_expected(path: Path, found: tuple[Fragment, int], track: JoinTrack, index: int) -> None:
    assert track.expected is not None
    plan = track.expected[index]
    fragment, end = found
    if (fragment.base_time, end) != (plan.start, plan.end):
        raise JoinError(
            f"The segment {path.name} covers [{fragment.base_time}, {end}), "
            f"planned is [{plan.start}, {plan.end})."
        )
    if plan.samples is not None and plan.samples != len(fragment.samples):
        raise JoinError(
            f"The segment {path.name} holds {len(fragment.samples)} samples, planned are {plan.samples}."
        )
    if plan.parameter_hash is not None and plan.parameter_hash != parameter_hash(track.init):
        # A CRF-30 segment under a CRF-23 init decoded without any error to garbage: only this sees it.
        raise JoinError(f"The segment {path.name} was encoded with other parameters than its track.")
