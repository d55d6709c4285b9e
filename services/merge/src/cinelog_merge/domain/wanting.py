"""Which commands a run still needs: those whose outcome is missing, whether or not they are under way."""

from collections.abc import Iterator
from typing import Protocol

from cinelog_common.contract.commands import (
    AssembleOutput,
    Command,
    EncodeSegment,
    ExtendPlaylist,
    Extent,
    FetchSource,
    ProbeQuality,
    PublishOutput,
)
from cinelog_common.contract.events import JobRequested, RecipeChosen
from cinelog_common.contract.options import Settled
from cinelog_common.contract.values import Failure, Recipe, Track
from msgspec.structs import replace

from cinelog_merge.domain import outcomes, revising, succession
from cinelog_merge.domain.naming import told_tags
from cinelog_merge.domain.outcomes import under_way
from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.recipes import choose_recipe
from cinelog_merge.domain.state import LedgerState, RunState, slot_of
from cinelog_merge.domain.succeeding import successor

_MORE_DAMAGE = "The source is damaged in more places than are named here."
PROBED_UNITS = 2
"""On so many of the first units a target quality is tried out."""


class _Warning(Protocol):
    @property
    def warnings(self) -> tuple[str, ...]: ...


def choice(state: LedgerState, settled: Settled, pools: Pools) -> RecipeChosen | Failure | None:
    """Return the choice that is due, or why there can be none; None if it is made or not due."""
    run = state.current
    if settled.video != "encode" or run.probed is None or run.probed.video is None:
        return None
    if run.recipe is not None:
        return successor(state, settled, run.probed.video, pools)
    chosen = choose_recipe(settled, run.probed.video, pools)
    if isinstance(chosen, Failure):
        return chosen
    warnings = chosen.warnings
    if _target(settled) is not None:
        failed = _probing_failed(run, chosen.recipe)
        if failed is None:
            return None  # the answer to `ProbeQuality` is the choice
        warnings += (f"The quality was not measured, crf {settled.crf} is used: {failed.message}",)
    return RecipeChosen(job=state.job, run=state.run, recipe=chosen.recipe, warnings=warnings)


def tombstone(state: LedgerState, outcome: str, failure: Failure | None = None) -> PublishOutput:
    """Return the order that ends the run without a result."""
    request = state.request
    return PublishOutput(
        job=state.job,
        run=state.run,
        outcome=outcome,
        failure=failure,
        # So that what a dead attempt left there, hidden, is swept away.
        destination=request.options.destination if request else None,
        title=_title(state),
        source_url=request.source.url if request else "",
    )


def wanted(state: LedgerState, request: JobRequested, settled: Settled, pools: Pools) -> Iterator[Command]:
    """Yield every command whose outcome is missing and that could be carried out now."""
    run = state.current
    recipe = succession.current(run)
    yield from _fetches(state, request, settled)
    if recipe is not None:
        yield from _encodes(state, settled, recipe, pools)
    yield from _probe(state, settled, pools)
    extent = _extent(run)
    finished = _finished(run)
    result = replace(extent, recipes={})
    gave_up = False
    if "hls" in settled.containers:
        version = run.extended.version + 1
        gave_up = _gave_up(run, version)
        if not gave_up and not run.extended.ended and _has_news(run, extent, finished=finished):
            yield ExtendPlaylist(
                job=state.job,
                run=state.run,
                version=version,
                extent=extent,
                tracks=_tracks(run),
                recipe=recipe,
                ended=finished,
                segment_s=settled.segment_s,
                max_segment_s=settled.max_segment_s,
            )
    if finished and outcomes.all_alike(run) and run.assembled is None:
        yield _assemble(state, settled, recipe, result)
    if run.assembled is not None and ("hls" not in settled.containers or run.extended.ended or gave_up):
        yield _publish(state, request, result)


def _fetches(state: LedgerState, request: JobRequested, settled: Settled) -> Iterator[FetchSource]:
    """Yield the source, or what of it is to be stored again: one at a time, as all share a folder."""
    run = state.current
    if not outcomes.is_fetched(run):
        yield _fetch(state, request, settled, {})
        return
    broken = revising.to_store_again(run)
    if broken and not any(slot.startswith("fetch:") and under_way(run, slot) for slot in run.in_flight):
        yield _fetch(state, request, settled, broken)


def _fetch(
    state: LedgerState, request: JobRequested, settled: Settled, regenerate: dict[str, int]
) -> FetchSource:
    run = state.current
    return FetchSource(
        job=state.job,
        run=state.run,
        priority=settled.priority,
        source=request.source,
        audio=settled.audio,
        video={"encode": "bundles", "copy": "copy"}.get(settled.video, "none"),
        segment_s=settled.segment_s,
        max_segment_s=settled.max_segment_s,
        title=request.options.title,
        regenerate=regenerate,
        holds=revising.holds(run, regenerate),
        salvage=settled.salvage,
        subtitles=settled.subtitles,
    )


def _probe(state: LedgerState, settled: Settled, pools: Pools) -> Iterator[ProbeQuality]:
    """Yield the order to find the quality, as soon as there are units to find it on."""
    run = state.current
    target = _target(settled)
    if target is None or run.recipe is not None or run.probed is None or run.probed.video is None:
        return
    chosen = choose_recipe(settled, run.probed.video, pools)
    units = tuple(n for n in range(PROBED_UNITS) if outcomes.is_ready(run, n))
    if isinstance(chosen, Failure) or not units or (len(units) < PROBED_UNITS and run.source is None):
        return
    if _probing_failed(run, chosen.recipe) is None:
        yield ProbeQuality(
            job=state.job,
            run=state.run,
            priority=settled.priority,
            recipe=chosen.recipe,
            units=units,
            target_ssim=target,
            goal=settled.quality,
            pictures=_twentieth(run),
        )


def _twentieth(run: RunState) -> int | None:
    """Return 5 % of the film's pictures: no more are compared to find a quality."""
    video = run.probed.video if run.probed is not None else None
    seconds = run.probed.duration_s if run.probed is not None else None
    if video is None or not seconds or min(video.frame_rate) <= 0:
        return None
    return int(seconds * video.frame_rate[0] / video.frame_rate[1] / 20)


def _target(settled: Settled) -> float | None:
    return settled.quality.target if settled.quality is not None else None


def _probing_failed(run: RunState, recipe: Recipe) -> Failure | None:
    """Return why the quality will not be measured, if no further attempt at it will be made."""
    return outcomes.given_up(run, slot_of("probe", recipe.hash))


def _encodes(state: LedgerState, settled: Settled, last: Recipe, pools: Pools) -> Iterator[EncodeSegment]:
    """Yield the next units, in order, as far as the release window has room."""
    run = state.current
    busy = [
        slot
        for slot in run.in_flight
        if slot.startswith("encode:") and under_way(run, slot) and outcomes.is_wanted(run, slot)
    ]
    room = pools.window(last.family) - len(busy)
    absent = outcomes.absent_units(run)
    for n, recipe in _unmade(run, last):
        if room <= 0:
            return
        if n in absent or outcomes.is_made(run, n, recipe.hash) or not outcomes.is_ready(run, n):
            continue
        command = EncodeSegment(
            job=state.job,
            run=state.run,
            priority=settled.priority,
            n=n,
            recipe=recipe,
            generation=outcomes.generation_wanted(run, n),
            salvage=settled.salvage,
            quality=settled.quality,
            rest=run.source.units - n - 1 if run.source is not None else None,
        )
        if not under_way(run, slot_of(command.kind, command.work)):
            room -= 1
            yield command


def _unmade(run: RunState, last: Recipe) -> Iterator[tuple[int, Recipe]]:
    """Yield the units to be made and their recipe: first what can be watched, then what the result lacks."""
    for n in run.ready.beyond(outcomes.encoded_prefix(run)):
        recipe = succession.recipe_of(run, n)
        if recipe is not None:
            yield n, recipe
    yield from ((n, last) for n in outcomes.unlike(run))


def _extent(run: RunState) -> Extent:
    return Extent(
        units=outcomes.encoded_prefix(run),
        generations=run.wanted_generations,
        absent=tuple(sorted(outcomes.absent_units(run))),
        tracks={name: track.ready.prefix() for name, track in sorted(run.tracks.items()) if track.track},
        recipes=succession.recipes_by_unit(run),
    )


def _tracks(run: RunState) -> tuple[Track, ...]:
    return tuple(
        replace(track.track, loudness=track.loudness)
        for _, track in sorted(run.tracks.items())
        if track.track is not None
    )


def _finished(run: RunState) -> bool:
    return outcomes.all_encoded(run) and outcomes.tracks_complete(run)


def _has_news(run: RunState, extent: Extent, *, finished: bool) -> bool:
    """Whether a longer playlist can be shown: its picture and its sound both began."""
    if finished:
        return True
    has_picture = run.probed is not None and run.probed.video is not None
    if has_picture and not extent.units and not extent.tracks.get("v0"):
        return False
    if (
        run.probed is not None
        and run.probed.audio
        and not any(count for name, count in extent.tracks.items() if name.startswith("a"))
    ):
        return False
    return extent.units > run.extended.units or any(
        count > run.extended.tracks.get(name, 0) for name, count in extent.tracks.items()
    )


def _gave_up(run: RunState, version: int) -> bool:
    return outcomes.given_up(run, slot_of("extend", str(version))) is not None


def _assemble(state: LedgerState, settled: Settled, recipe: Recipe | None, extent: Extent) -> AssembleOutput:
    probed, source = state.current.probed, state.current.source
    return AssembleOutput(
        job=state.job,
        run=state.run,
        extent=extent,
        containers=settled.containers,
        tracks=_tracks(state.current),
        recipe=recipe,
        title=_title(state),
        tags=probed.tags if probed else {},
        chapters=probed.chapters if probed else (),
        cover_key=probed.cover_key if probed else "",
        verify=settled.verify,
        max_segment_s=settled.max_segment_s,
        subtitles=source.subtitles if source else (),
        quality=settled.quality,
        source_bytes=source.size_bytes if source else None,
    )


def _publish(state: LedgerState, request: JobRequested, extent: Extent) -> PublishOutput:
    run = state.current
    assembled = run.assembled
    return PublishOutput(
        job=state.job,
        run=state.run,
        outcome="completed",
        outputs=assembled.outputs if assembled else (),
        quality=assembled.quality if assembled else (),
        extent=extent,
        recipe=succession.current(run),
        tracks=_tracks(run),
        destination=request.options.destination,
        title=_title(state),
        source_url=request.source.url,
        duration_s=run.source.duration_s if run.source else None,
        tags=told_tags(run.probed.tags) if run.probed else {},
        chapters=run.probed.chapters if run.probed else (),
        warnings=warnings_of(run),
        subtitles=run.source.subtitles if run.source else (),
    )


def warnings_of(run: RunState) -> tuple[str, ...]:
    """Return what the user should know of the run, each once, in the order it became known."""
    said = [*_said(run.probed), *_said(run.recipe)]
    for step in sorted(run.successors, key=int):
        said += _said(run.successors[step].event)
    said += _said(run.source)
    said += revising.warnings_of(run)
    said += [sentence for _, sentence in run.damage]
    said += [_MORE_DAMAGE] if run.more_damage else []
    found = dict.fromkeys([*said, *_said(run.assembled), *_said(run.ending)])
    for slot in sorted(run.setbacks.keys() | run.in_flight.keys()):
        failure = outcomes.given_up(run, slot) if slot.startswith("extend:") else None
        if failure is not None:
            found[f"The live playlist stopped growing: {failure.message}"] = None
    return tuple(found)


def _said(fact: _Warning | None) -> tuple[str, ...]:
    return fact.warnings if fact is not None else ()


def _title(state: LedgerState) -> str:
    if state.request is not None and state.request.options.title:
        return state.request.options.title
    return state.current.probed.title if state.current.probed else ""
