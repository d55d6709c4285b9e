"""`decide`: what is to be done, read off the state as it is. Level-triggered.

Nothing here asks what just happened. A command is sent because its outcome is
missing and no attempt at it is under way, so a redelivered event after a crash
finds again whatever was not sent.
"""

from collections.abc import Sequence

from cinelog_common.contract import topics
from cinelog_common.contract.commands import (
    Command,
    EncodeSegment,
    FetchSource,
    ProbeQuality,
    PublishOutput,
)
from cinelog_common.contract.events import Event
from cinelog_common.contract.options import Settled, settle
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import Failure, Value
from cinelog_common.errors import Category, PermanentError
from msgspec.structs import replace

from cinelog_merge.domain import revising
from cinelog_merge.domain.outcomes import given_up, under_way
from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.retrying import exhausted, retry_at_ms
from cinelog_merge.domain.state import (
    MAX_TRACKS,
    MAX_UNITS,
    InFlight,
    LedgerState,
    RunState,
    kind_and_work,
    slot_of,
)
from cinelog_merge.domain.succeeding import has_stopped, stopped
from cinelog_merge.domain.wanting import choice, tombstone, wanted

LOST_FACT_MS = 30_000
"""After so long without any news, what the ledger itself has told is told again."""


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
    chosen = choice(state, settled, pools)
    failure = verdict(state, settled) or (chosen if isinstance(chosen, Failure) else None)
    if failure is not None:
        return _ended(state, "failed", now_ms, failure)
    needed = tuple(wanted(state, state.request, settled, pools))
    events = (*((chosen,) if isinstance(chosen, Event) else ()), *revising.due(state))
    return Decision(orders=_orders(state, needed, now_ms), events=events, control=control)


def failure_of(error: PermanentError) -> Failure:
    """Return `error` as the value that travels."""
    return Failure(category=error.category, message=error.message, action=error.action)


def _ended(state: LedgerState, outcome: str, now_ms: int, failure: Failure | None = None) -> Decision:
    end = tombstone(state, outcome, failure)
    return Decision(orders=_orders(state, (end,), now_ms), control=control_of(state))


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
    for slot in sorted(run.setbacks.keys() | run.in_flight.keys()):
        if slot.startswith(("extend:", "probe:")):
            continue  # the live playlist and a measured quality are done without
        failure = given_up(run, slot)
        if failure is not None and not has_stopped(run, slot, failure):
            # Of an encoder that stopped, `choice` says whether another takes its place.
            return failure
    if revising.is_exhausted(run):
        return revising.FAILURE
    if run.source is not None and (run.source.units > MAX_UNITS or len(run.source.tracks) > MAX_TRACKS):
        return Failure(
            category=Category.LIMIT_EXCEEDED,
            message=f"The source falls into {run.source.units} units and {len(run.source.tracks)} tracks.",
            action=f"At most {MAX_UNITS} units and {MAX_TRACKS} tracks can be kept: choose longer segments.",
        )
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
        if not under_way(run, slot) and not exhausted(*kind_and_work(slot), setback)
    ]
    if revising.due(state) or (
        state.request.options.profile not in {"original", "audio"} and _awaits_recipe(run)
    ):
        waiting.append(state.updated_ms + LOST_FACT_MS)
    return min(waiting, default=None)


def _awaits_recipe(run: RunState) -> bool:
    """Whether a choice is to come, or to come back: until then nothing else may be under way."""
    if run.probed is None or run.probed.video is None:
        return False
    return run.recipe is None or bool(stopped(run))


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


def _orders(state: LedgerState, needed: Sequence[Command], now_ms: int) -> tuple[Order, ...]:
    """Return the orders for those of `needed` that are not under way and whose time has come."""
    run = state.current
    orders = []
    for command in needed:
        slot = slot_of(command.kind, command.work)
        if under_way(run, slot):
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
        case EncodeSegment() | ProbeQuality():
            return Order(
                topic=topics.work_encode(command.recipe.family, command.priority), key=None, command=command
            )
        case PublishOutput():
            return Order(topic=topics.WORK_PUBLISH, key=key, command=command)
        case _:
            return Order(topic=topics.WORK_MERGE, key=key, command=command)
