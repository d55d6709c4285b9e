"""`apply`: what one event adds to what is known. A join: order, repetition and lateness do not matter."""

from collections.abc import Callable
from typing import Any

from cinelog_common.contract.events import (
    Event,
    JobCancelled,
    JobCancelRequested,
    JobCompleted,
    JobDeleted,
    JobFailed,
    JobRequested,
    JobTicked,
    OutputAssembled,
    PlanRevised,
    PlaylistExtended,
    RecipeChosen,
    SegmentEncoded,
    SegmentReady,
    SourceEnded,
    SourceProbed,
    TrackEnded,
    TrackOpened,
    TrackSegmentReady,
    WorkFailed,
)
from cinelog_common.errors import Category
from msgspec.structs import astuple, replace

from cinelog_merge.domain.outcomes import forget_settled, unit_of
from cinelog_merge.domain.state import (
    MAX_DAMAGE,
    MAX_STEPS,
    MAX_TRACKS,
    MAX_UNITS,
    Choice,
    Encoded,
    Ending,
    Extended,
    LedgerState,
    LogTime,
    Revision,
    RunState,
    Setback,
    TrackState,
    slot_of,
)

Fold = Callable[[RunState, Any, LogTime], RunState]


def apply(state: LedgerState | None, event: Event, at: LogTime) -> LedgerState:
    """Return what is known of the job once `event`, which lies at `at`, is known."""
    state = state or LedgerState(job=event.job)
    state = replace(
        state,
        version=max(state.version, at.place),
        updated_ms=max(state.updated_ms, at.append_ms),
        created_ms=min(state.created_ms or at.append_ms, at.append_ms),
    )
    if isinstance(event, JobRequested):
        # The first body in the log holds, whichever is seen first.
        if state.requested_at is None or at.place < state.requested_at:
            state = replace(state, request=event, requested_at=at.place)
        return state
    if isinstance(event, JobDeleted):
        return replace(state, deleted=True)
    if event.run < state.run:
        return state
    if event.run > state.run:
        state = replace(state, run=event.run, current=RunState())
    fold = _FOLDS.get(type(event))
    if fold is None:
        return state
    return replace(state, current=forget_settled(fold(state.current, event, at)))


def _first(run: RunState, event: Event, at: LogTime, *, field: str, milestone: str) -> RunState:
    """Keep whichever of several tellings of one fact lies first in the log."""
    known = getattr(run, f"{field}_at")
    if known is not None and known <= at.place:
        return run
    run = replace(run, **{field: event, f"{field}_at": at.place})
    return _milestone(run, milestone, at)


def _milestone(run: RunState, name: str, at: LogTime) -> RunState:
    earliest = min(run.milestones_ms.get(name, at.append_ms), at.append_ms)
    return replace(run, milestones_ms={**run.milestones_ms, name: earliest})


def _probed(run: RunState, event: SourceProbed, at: LogTime) -> RunState:
    return _first(run, event, at, field="probed", milestone="probed")


def _recipe(run: RunState, event: RecipeChosen, at: LogTime) -> RunState:
    if not event.step:
        return _first(run, event, at, field="recipe", milestone="recipe")
    known = run.successors.get(str(event.step))
    if not 0 < event.step <= MAX_STEPS or (known is not None and known.at <= at.place):
        return run
    return replace(run, successors={**run.successors, str(event.step): Choice(event=event, at=at.place)})


def _segment_ready(run: RunState, event: SegmentReady, at: LogTime) -> RunState:
    if not 0 <= event.n < MAX_UNITS:
        return run
    return _milestone(
        replace(
            run,
            ready=run.ready.add(event.n),
            ready_generations=_raised(run.ready_generations, event.n, event.generation),
            ready_end=max(run.ready_end, event.end),
        ),
        "first_ready",
        at,
    )


def _plan_revised(run: RunState, event: PlanRevised, at: LogTime) -> RunState:
    if not 0 <= event.first <= event.last < MAX_UNITS:
        return run
    raised = _raised(run.wanted_generations, event.first, event.generation)
    run = replace(run, wanted_generations=raised)
    known = run.revisions.get(str(event.first))
    if known is not None and known.at <= at.place:
        return run
    since = event.first if event.since is None else event.since
    made = Revision(last=event.last, since=since, at=at.place)
    return replace(run, revisions={**run.revisions, str(event.first): made})


def _track(run: RunState, name: str, change: Callable[[TrackState], TrackState]) -> RunState:
    if name not in run.tracks and len(run.tracks) >= MAX_TRACKS:
        return run
    return replace(run, tracks={**run.tracks, name: change(run.tracks.get(name, TrackState()))})


def _track_opened(run: RunState, event: TrackOpened, at: LogTime) -> RunState:
    def opened(known: TrackState) -> TrackState:
        if known.opened_at is not None and known.opened_at <= at.place:
            return known
        return replace(known, track=event.track, opened_at=at.place)

    return _track(run, event.track.name, opened)


def _track_segment(run: RunState, event: TrackSegmentReady, at: LogTime) -> RunState:
    if not 0 <= event.n < MAX_UNITS:
        return run
    return _track(run, event.track, lambda known: replace(known, ready=known.ready.add(event.n)))


def _track_ended(run: RunState, event: TrackEnded, at: LogTime) -> RunState:
    def ended(known: TrackState) -> TrackState:
        # Two attempts may have measured a hair apart: whichever is told first, the same one stays.
        told = [each for each in (known.loudness, event.loudness) if each is not None]
        loudness = max(told, key=astuple, default=None)
        return replace(known, segments=max(known.segments or 0, event.segments), loudness=loudness)

    return _track(run, event.track, ended)


def _source_ended(run: RunState, event: SourceEnded, at: LogTime) -> RunState:
    return _first(run, event, at, field="source", milestone="source_ended")


def _segment_encoded(run: RunState, event: SegmentEncoded, at: LogTime) -> RunState:
    if not 0 <= event.n < MAX_UNITS:
        return run
    return _milestone(
        replace(
            run,
            encoded=run.encoded.add(event.n),
            encoded_as={**run.encoded_as, event.recipe: _made(run, event)},
            **_with_damage(run, event),
        ),
        "first_encoded",
        at,
    )


def _with_damage(run: RunState, event: SegmentEncoded) -> dict[str, Any]:
    """The least of all that was said, so that the order in which it is said does not matter."""
    if not event.warnings:
        return {}
    said = sorted({*run.damage, *((event.n, warning) for warning in event.warnings)})
    return {"damage": tuple(said[:MAX_DAMAGE]), "more_damage": run.more_damage or len(said) > MAX_DAMAGE}


def _made(run: RunState, event: SegmentEncoded) -> Encoded:
    known = run.encoded_as.get(event.recipe, Encoded())
    return Encoded(
        units=known.units.add(event.n),
        generations=_raised(known.generations, event.n, event.generation),
    )


def _playlist(run: RunState, event: PlaylistExtended, at: LogTime) -> RunState:
    run = _milestone(run, "first_playable", at)
    known = run.extended
    if event.version < known.version:
        return run
    extended = Extended(
        version=event.version, units=event.units, tracks=event.tracks, key=event.key, ended=event.ended
    )
    return replace(run, extended=extended if event.version > known.version else _further(known, extended))


def _further(one: Extended, other: Extended) -> Extended:
    """Two attempts at one version may reach differently far, and the playlist itself only grows."""
    names = one.tracks.keys() | other.tracks.keys()
    return Extended(
        version=one.version,
        units=max(one.units, other.units),
        tracks={name: max(one.tracks.get(name, 0), other.tracks.get(name, 0)) for name in sorted(names)},
        key=max(one.key or "", other.key or "") or None,
        ended=one.ended or other.ended,
    )


def _assembled(run: RunState, event: OutputAssembled, at: LogTime) -> RunState:
    return _first(run, event, at, field="assembled", milestone="assembled")


def _ended(run: RunState, event: JobCompleted | JobFailed | JobCancelled, at: LogTime) -> RunState:
    if run.ending is not None and run.ending.at <= at.place:
        return run
    match event:
        case JobCompleted():
            ending = Ending(
                outcome="completed",
                at=at.place,
                at_ms=at.append_ms,
                outputs=event.outputs,
                warnings=event.warnings,
            )
        case JobFailed():
            ending = Ending(outcome="failed", at=at.place, at_ms=at.append_ms, failure=event.failure)
        case JobCancelled():
            ending = Ending(outcome="cancelled", at=at.place, at_ms=at.append_ms)
    return _milestone(replace(run, ending=ending), "ended", at)


def _cancel(run: RunState, event: JobCancelRequested, at: LogTime) -> RunState:
    return replace(run, cancelled=True)


def _ticked(run: RunState, event: JobTicked, at: LogTime) -> RunState:
    return replace(run, lost=run.lost | frozenset(event.lost))


def _work_failed(run: RunState, event: WorkFailed, at: LogTime) -> RunState:
    unit = _broken_unit(event)
    if unit is not None:
        # Proven damage raises the key's generation; the broken object is never overwritten. What
        # takes its place, and what that holds, a revision says.
        run = replace(run, wanted_generations=_raised(run.wanted_generations, *unit))
    slot = slot_of(event.command, event.work)
    setback = Setback(
        attempt=event.attempt,
        failure=event.failure,
        permanent=event.permanent,
        at=at.place,
        at_ms=at.append_ms,
        retry_after_s=event.retry_after_s or 0.0,
    )
    known = run.setbacks.get(slot)
    if known is not None and (known.attempt, at.place) > (setback.attempt, known.at):
        return run
    return replace(run, setbacks={**run.setbacks, slot: setback})


def _broken_unit(event: WorkFailed) -> tuple[int, int] | None:
    """Return the unit and the generation that would replace it, if `event` proves stored packets broken."""
    if event.command != "encode" or not event.permanent or event.failure.category != Category.DAMAGED:
        return None
    unit = unit_of(event.work)
    # Broken twice is not the store's fault: the source itself is damaged.
    return (unit[0], 1) if unit is not None and unit[1] == 0 else None


def _raised(generations: dict[str, int], n: int, generation: int) -> dict[str, int]:
    if generation <= generations.get(str(n), 0):
        return generations
    return {**generations, str(n): generation}


_FOLDS: dict[type[Event], Fold] = {
    SourceProbed: _probed,
    RecipeChosen: _recipe,
    SegmentReady: _segment_ready,
    PlanRevised: _plan_revised,
    TrackOpened: _track_opened,
    TrackSegmentReady: _track_segment,
    TrackEnded: _track_ended,
    SourceEnded: _source_ended,
    SegmentEncoded: _segment_encoded,
    PlaylistExtended: _playlist,
    OutputAssembled: _assembled,
    JobCompleted: _ended,
    JobFailed: _ended,
    JobCancelled: _ended,
    JobCancelRequested: _cancel,
    JobTicked: _ticked,
    WorkFailed: _work_failed,
}
