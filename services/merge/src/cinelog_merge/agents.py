"""The body of the ledger's agent: what happens to one event, step by step, each step awaited.

Load the job's state, let the event join it, decide what follows, send commands and
control, tell the world, keep the state, return. Only then is the event
acknowledged. A crash between any two steps repeats the event: the state it finds
is the old one, the decision looks only at states, and so whatever was not sent is
sent again. Commands may be sent twice; never not at all.

The body returns or stops the ledger, it never skips: while the log does not take
something, it tries again. Only what can never be handled goes to the dead letters.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from cinelog_common.announcer import Announcer
from cinelog_common.clock import Clock
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import NotAnEnvelopeError, UnknownTypeError, header_map, open_event
from cinelog_common.contract.events import Event, JobTicked, RecipeChosen
from cinelog_common.contract.status import Control
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.kafka.dead_letters import DeadLetters, Reason
from cinelog_common.kafka.records import Record
from cinelog_common.logging import job_context
from cinelog_common.tracing import continued
from loguru import logger

from cinelog_merge.domain.deciding import Order, Sent, decide, dispatched
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.overflowing import overflown
from cinelog_merge.domain.state import LedgerState, LogTime, decode_state, encode_state
from cinelog_merge.ledger_ports import Choices, JobTable, Log, PoolsNow, Rebuild
from cinelog_merge.roster import Roster
from cinelog_merge.status_feed import StatusFeed
from cinelog_merge.told import Told

SERVICE = "merge"
RETRY_S = (0.1, 5.0)
"""First and longest wait before a send is repeated."""

_T = TypeVar("_T")


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What the body can reach.

    Attributes:
        epoch: The log's epoch: offsets of a later one order above all of an earlier one.
        rebuild: Asked when a state in the table cannot be read.
        choices: Where recipes are kept before anything follows from them, if the log does not outlive us.
    """

    log: Log
    table: JobTable
    pools: PoolsNow
    clock: Clock
    feed: StatusFeed
    roster: Roster
    epoch: int = 0
    rebuild: Rebuild | None = None
    choices: Choices | None = None


class LedgerBody:
    """Takes one event in; called for one at a time."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._letters = DeadLetters(reach.log, clock=reach.clock)
        self._announcer = Announcer(reach.log, service=SERVICE, clock=reach.clock)
        self._controls: Told[Control] = Told()
        self._events: Told[str] = Told()

    async def __call__(self, record: Record) -> None:
        """Handle a record of `cinelog.events`; when this returns, everything that follows from it is durable.

        Raises:
            UnknownTypeError: A fact that this version does not know. It must not be skipped: stop.
        """
        try:
            event = _open(record)
        except NotAnEnvelopeError as error:
            await self._put_aside(record, error)
            return
        except UnknownTypeError as error:
            logger.bind(action="ledger.unknown_type").error(
                "{}[{}]@{}: {} {}",
                record.topic,
                record.partition,
                record.offset,
                error.message,
                error.action,
            )
            raise
        with job_context(event.job, event.run), continued(header_map(record.headers).get("traceparent")):
            try:
                await self._take(event, record)
            except PermanentError as error:
                await self._put_aside(record, error)
            except Exception as error:  # noqa: BLE001 - the edge: one job's defect must not stop all jobs
                logger.bind(action="ledger.defect").exception("{} could not be taken in", event.type)
                await self._put_aside(record, _defect(error))

    async def _take(self, event: Event, record: Record) -> None:
        if isinstance(event, RecipeChosen):
            await self._surely(lambda: self._keep(event))
        at = LogTime(epoch=self._reach.epoch, offset=record.offset, append_ms=record.timestamp_ms)
        state = apply(await self._load(event.job), event, at)
        if isinstance(event, JobTicked):
            # It was long in coming back: it may be lost.
            self._events.forget(event.job)
        try:
            await self._follow(state, record.partition)
        except PermanentError as error:
            if error.category != Category.LIMIT_EXCEEDED or state.request is None:
                raise
            logger.bind(action="ledger.overflow").error("The run is given up: {}", error.message)
            await self._follow(overflown(state, at, error.message), record.partition)

    async def _follow(self, state: LedgerState, partition: int) -> None:
        """Do what follows from a state, and keep it.

        Raises:
            PermanentError: Something of it is larger than the log takes.
        """
        reach = self._reach
        # The log's time, not ours: it stands still while the log does.
        decision = decide(state, reach.pools.now(), state.updated_ms)
        sent, *_ = await _all(
            self._order(decision.orders),
            self._control(decision.control),
            self._tell(decision.events),
        )
        state = dispatched(state, sent)
        await _all(
            self._surely(lambda: reach.feed.offer(state)),
            self._surely(
                lambda: reach.table.put(
                    state.job, encode_state(state), partition=partition, place=state.version
                )
            ),
        )
        reach.roster.note(state)

    async def _keep(self, choice: RecipeChosen) -> None:
        choices = self._reach.choices
        try:
            if choices is not None:
                await choices.chosen(choice)
        except PermanentError as error:
            # A full disk, say. After a restart it is chosen anew, and what was encoded may be of no use.
            logger.bind(action="ledger.choice_not_kept").warning("{}", error.message)

    async def _load(self, job: str) -> LedgerState | None:
        kept = self._reach.table.get(job)
        if kept is None:
            return None
        try:
            return decode_state(kept)
        except msgspec.DecodeError as error:
            logger.bind(action="ledger.unreadable").error("The job's state cannot be read: {}", error)
            rebuild = self._reach.rebuild
            state = await self._surely(lambda: rebuild(job)) if rebuild is not None else None
            if state is None:
                raise PermanentError(
                    f"The state kept for job {job} cannot be read: {error}.",
                    action="Submit the job again; report the record in the dead letters.",
                ) from error
            return state

    async def _order(self, orders: tuple[Order, ...]) -> list[Sent]:
        return await _all(*(self._order_one(order) for order in orders))

    async def _order_one(self, order: Order) -> Sent:
        command, now = order.command, self._reach.clock.now()
        position = await self._surely(lambda: self._announcer.order(order.topic, order.key, command))
        return Sent(
            command_id=command.id,
            kind=command.kind,
            work=command.work,
            attempt=command.attempt,
            topic=order.topic,
            partition=position.partition,
            offset=position.offset,
            at_ms=int(now * 1000),
        )

    async def _control(self, control: Control | None) -> None:
        generation = self._reach.table.generation
        if control is None or self._controls.knows(control.job, control, generation=generation):
            return
        key = control.job.encode()
        await self._surely(
            lambda: self._reach.log.send(topics.CONTROL, msgspec.json.encode(control), key=key)
        )
        self._controls.note(control.job, control)

    async def _tell(self, events: tuple[Event, ...]) -> None:
        await _all(*(self._tell_one(event) for event in events))

    async def _tell_one(self, event: Event) -> None:
        # It is decided anew with every event until it has come back, and there may be thousands before it.
        if self._events.knows(event.job, event.id, generation=self._reach.table.generation):
            return
        await self._surely(lambda: self._announcer.announce(event))
        self._events.note(event.job, event.id)

    async def _put_aside(self, record: Record, error: PermanentError) -> None:
        logger.bind(action="ledger.dead_letter").warning(
            "{}[{}]@{} goes to the dead letters: {}",
            record.topic,
            record.partition,
            record.offset,
            error.message,
        )
        reason = Reason(category=error.category, sentence=error.message)
        await self._surely(lambda: self._letters.put(record, reason))

    async def _surely(self, send: Callable[[], Awaitable[_T]]) -> _T:
        """Do `send` until it succeeds; only what can never succeed comes out."""
        delay_s, longest_s = RETRY_S
        while True:
            try:
                return await send()
            except CinelogError as error:
                if not isinstance(error, TransientError) and error.category == Category.LIMIT_EXCEEDED:
                    raise
                logger.bind(action="ledger.retried").warning("Again in {} s: {}", delay_s, error.message)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, longest_s)


async def _all(*steps: Awaitable[Any]) -> list[Any]:
    """Take steps side by side; return when all have ended, raise what the first that failed raised."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def _open(record: Record) -> Event:
    event = open_event(record.headers, record.value)
    if record.key != event.job.encode():
        # The key chose the partition, and the partition holds the job's state.
        raise NotAnEnvelopeError(
            f"The record's key is not the job of its {event.type}.", category=Category.INVALID_REQUEST
        )
    return event


def _defect(error: Exception) -> PermanentError:
    return PermanentError(
        f"The ledger has a defect: {error!r}.", action="Report it with the record in the dead letters."
    )
