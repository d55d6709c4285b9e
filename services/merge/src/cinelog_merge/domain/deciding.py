"""`decide`: what is to be done, read off the state as it is. Level-triggered.

Nothing here asks what just happened. A command is sent because its outcome is
missing and no attempt at it is under way, so a redelivered event after a crash
finds again whatever was not sent.
"""

from collections.abc import Iterator, Sequence

from cinelog_common.contract import topics
from cinelog_common.contract.commands import (
    AssembleOutput,
    Command,
    EncodeSegment,
    ExtendPlaylist,
    Extent,
    FetchSource,
    PublishOutput,
)
from cinelog_common.contract.events import Event, JobRequested, RecipeChosen
from cinelog_common.contract.options import Settled, settle
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import Failure, Recipe, Track, Value
from cinelog_common.errors import Category, PermanentError
from msgspec.structs import replace

from cinelog_merge.domain import outcomes
from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.recipes import choose_recipe
from cinelog_merge.domain.retrying import exhausted, retry_at_ms
from cinelog_merge.domain.state import InFlight, LedgerState, RunState, slot_of


class Order(Value, frozen=True, kw_only=True):
    """A command and where it goes. Without a key the producer spreads it evenly."""

    topic: str
    key: bytes | None
    command: Command


class Decision(Value, frozen=True, kw_only=True):
    """What follows from a state."""

    orders: tuple[Order, ...] = ()
    events: tuple[Event, ...] = ()
    """Facts the ledger itself states; they come back to it through the log."""
    control: Control | None = None


class Sent(Value, frozen=True, kw_only=True):
    """A command that the log has taken."""

    command_id: str
    kind: str
    work: str
    attempt: int
    topic: str
    partition: int
    offset: int
    at_ms: int


def decide(state: LedgerState, pools: Pools, now_ms: int) -> Decision:
    """Return what is to be done now.

    Args:
        state: What is known of the job.
        pools: Who can work.
        now_ms: The log's time, in milliseconds since the Unix epoch.
    """
    control = control_of(state)
    run = state.current
    if state.deleted or state.request is None or run.ending is not None:
        return Decision(control=control)
    try:
        settled = settle(state.request.options)
    except PermanentError as error:
        return _ended(state, "failed", now_ms, failure_of(error))
    if run.cancelled:
        return _ended(state, "cancelled", now_ms)
    choice = _recipe_event(state, settled, pools)
    failure = verdict(state, settled) or (choice if isinstance(choice, Failure) else None)
    if failure is not None:
        return _ended(state, "failed", now_ms, failure)
    wanted = tuple(_wanted(state, state.request, settled, pools))
    events = (choice,) if isinstance(choice, Event) else ()
    return Decision(orders=_orders(state, wanted, now_ms), events=events, control=control)


def failure_of(error: PermanentError) -> Failure:
    """Return `error` as the value that travels."""
    return Failure(category=error.category, message=error.message, action=error.action)


def _ended(state: LedgerState, outcome: str, now_ms: int, failure: Failure | None = None) -> Decision:
    tombstone = _tombstone(state, outcome, failure)
    return Decision(orders=_orders(state, (tombstone,), now_ms), control=control_of(state))


def control_of(state: LedgerState) -> Control | None:
    """Return what workers must obey; None while nothing is known of the request."""
    if state.deleted:
        return Control(job=state.job, run=state.run, state="deleted")
    if state.request is None:
        return None
    if state.current.ending is not None:
        return Control(job=state.job, run=state.run, state="terminal")
    if state.current.cancelled:
        return Control(job=state.job, run=state.run, state="cancelled")
    return Control(job=state.job, run=state.run, state="run")


def verdict(state: LedgerState, settled: Settled) -> Failure | None:
    """Return why the run must fail, or None while it can still succeed."""
    run = state.current
    for slot in sorted(run.setbacks):
        kind, _, work = slot.partition(":")
        setback = run.setbacks[slot]
        if kind in {"extend", "probe"} or (kind == "publish" and work != "completed"):
            continue  # the live playlist is a convenience, and a tombstone is tried for ever
        if exhausted(kind, work, setback) and not _under_way(run, slot):
            return setback.failure
    if settled.profile == "audio" and run.probed is not None and not run.probed.audio:
        return Failure(
            category=Category.UNSUPPORTED_MEDIA,
            message="The source has no sound.",
            action="Choose another profile, such as web.",
        )
    return None


def due_ms(state: LedgerState) -> int | None:
    """Return when the job wants a tick: the next attempt that is due. None if no time is awaited."""
    run = state.current
    if state.deleted or state.request is None or run.ending is not None:
        return None
    waiting = [
        retry_at_ms(setback)
        for slot, setback in run.setbacks.items()
        if not _under_way(run, slot) and not exhausted(*_kind_and_work(slot), setback)
    ]
    return min(waiting, default=None)


def dispatched(state: LedgerState, sent: Sequence[Sent]) -> LedgerState:
    """Return `state` with the commands in `sent` in flight."""
    if not sent:
        return state
    in_flight = dict(state.current.in_flight)
    for one in sent:
        in_flight[slot_of(one.kind, one.work)] = InFlight(
            command_id=one.command_id,
            kind=one.kind,
            work=one.work,
            attempt=one.attempt,
            topic=one.topic,
            partition=one.partition,
            offset=one.offset,
            at_ms=one.at_ms,
        )
    known = {one.command_id for one in in_flight.values()}
    current = replace(state.current, in_flight=in_flight, lost=state.current.lost & known)
    return replace(state, current=current)


def _kind_and_work(slot: str) -> tuple[str, str]:
    kind, _, work = slot.partition(":")
    return kind, work


def _under_way(run: RunState, slot: str) -> bool:
    """Whether an attempt later than the last failed one was sent and is not lost."""
    flight = run.in_flight.get(slot)
    if flight is None or flight.command_id in run.lost:
        return False
    setback = run.setbacks.get(slot)
    return setback is None or setback.attempt < flight.attempt


def _orders(state: LedgerState, wanted: Sequence[Command], now_ms: int) -> tuple[Order, ...]:
    """Return the orders for those of `wanted` that are not under way and whose time has come."""
    run = state.current
    orders = []
    for command in wanted:
        slot = slot_of(command.kind, command.work)
        if _under_way(run, slot):
            continue
        setback, flight = run.setbacks.get(slot), run.in_flight.get(slot)
        if setback is not None and now_ms < retry_at_ms(setback):
            continue
        attempt = max(setback.attempt if setback else 0, flight.attempt if flight else 0) + 1
        orders.append(_addressed(replace(command, attempt=attempt)))
    return tuple(orders)


def _addressed(command: Command) -> Order:
    key = command.job.encode()
    match command:
        case FetchSource():
            return Order(topic=topics.WORK_FETCH, key=key, command=command)
        case EncodeSegment():
            return Order(
                topic=topics.work_encode(command.recipe.family, command.priority), key=None, command=command
            )
        case PublishOutput():
            return Order(topic=topics.WORK_PUBLISH, key=key, command=command)
        case _:
            return Order(topic=topics.WORK_MERGE, key=key, command=command)


def _tombstone(state: LedgerState, outcome: str, failure: Failure | None = None) -> PublishOutput:
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


def _recipe_event(state: LedgerState, settled: Settled, pools: Pools) -> RecipeChosen | Failure | None:
    """Return the choice that is due, or why there can be none; None if it is made or not due."""
    run = state.current
    if settled.video != "encode" or run.probed is None or run.probed.video is None or run.recipe is not None:
        return None
    chosen = choose_recipe(settled, run.probed.video, pools)
    if isinstance(chosen, Failure):
        return chosen
    return RecipeChosen(job=state.job, run=state.run, recipe=chosen.recipe, warnings=chosen.warnings)


def _wanted(state: LedgerState, request: JobRequested, settled: Settled, pools: Pools) -> Iterator[Command]:
    run = state.current
    recipe = run.recipe.recipe if run.recipe else None
    if run.source is None:
        yield _fetch(state, request, settled, {})
    broken = outcomes.broken_units(run)
    if broken:
        yield _fetch(state, request, settled, broken)
    if recipe is not None:
        yield from _encodes(state, settled, recipe, pools)
    extent = _extent(run)
    finished = _finished(run)
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
    if finished and run.assembled is None:
        yield _assemble(state, settled, recipe, extent)
    if run.assembled is not None and ("hls" not in settled.containers or run.extended.ended or gave_up):
        yield _publish(state, request, extent)


def _fetch(
    state: LedgerState, request: JobRequested, settled: Settled, regenerate: dict[str, int]
) -> FetchSource:
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
    )


def _encodes(state: LedgerState, settled: Settled, recipe: Recipe, pools: Pools) -> Iterator[EncodeSegment]:
    """Yield the next units, in order, as far as the release window has room."""
    run = state.current
    under_way = [slot for slot in run.in_flight if slot.startswith("encode:") and _under_way(run, slot)]
    room = pools.window(recipe.family) - len(under_way)
    absent = outcomes.absent_units(run)
    for n in run.ready:
        if room <= 0:
            return
        if n in absent or outcomes.is_encoded(run, n) or not outcomes.is_ready(run, n):
            continue
        command = EncodeSegment(
            job=state.job,
            run=state.run,
            priority=settled.priority,
            n=n,
            recipe=recipe,
            generation=outcomes.generation_wanted(run, n),
        )
        if not _under_way(run, slot_of(command.kind, command.work)):
            room -= 1
            yield command


def _extent(run: RunState) -> Extent:
    return Extent(
        units=outcomes.encoded_prefix(run),
        generations=run.wanted_generations,
        absent=tuple(sorted(outcomes.absent_units(run))),
        tracks={name: track.ready.prefix() for name, track in sorted(run.tracks.items()) if track.track},
    )


def _tracks(run: RunState) -> tuple[Track, ...]:
    return tuple(track.track for _, track in sorted(run.tracks.items()) if track.track is not None)


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
    setback = run.setbacks.get(slot_of("extend", str(version)))
    return setback is not None and exhausted("extend", str(version), setback)


def _assemble(state: LedgerState, settled: Settled, recipe: Recipe | None, extent: Extent) -> AssembleOutput:
    probed = state.current.probed
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
        verify=settled.verify,
        max_segment_s=settled.max_segment_s,
    )


def _publish(state: LedgerState, request: JobRequested, extent: Extent) -> PublishOutput:
    run = state.current
    assembled = run.assembled
    return PublishOutput(
        job=state.job,
        run=state.run,
        outcome="completed",
        outputs=assembled.outputs if assembled else (),
        extent=extent,
        recipe=run.recipe.recipe if run.recipe else None,
        tracks=_tracks(run),
        destination=request.options.destination,
        title=_title(state),
        source_url=request.source.url,
        duration_s=run.source.duration_s if run.source else None,
        warnings=warnings_of(run),
    )


def warnings_of(run: RunState) -> tuple[str, ...]:
    """Return what the user should know of the run, each once, in the order it became known."""
    found: dict[str, None] = {}
    for fact in (run.probed, run.recipe, run.source, run.assembled, run.ending):
        found.update(dict.fromkeys(fact.warnings if fact is not None else ()))
    for slot, setback in sorted(run.setbacks.items()):
        if slot.startswith("extend:") and exhausted(*_kind_and_work(slot), setback):
            found[f"The live playlist stopped growing: {setback.failure.message}"] = None
    return tuple(found)


def _title(state: LedgerState) -> str:
    if state.request is not None and state.request.options.title:
        return state.request.options.title
    return state.current.probed.title if state.current.probed else ""
