"""The one edge: whatever a record holds and a handler raises, somebody learns of it in the right words."""

import asyncio
import errno
import os
from typing import Any

import msgspec
import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command, FetchSource, PublishOutput
from cinelog_common.contract.envelope import header_map, open_event, seal
from cinelog_common.contract.events import JobRetried, WorkFailed
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.controls import Controls
from cinelog_common.edge import CommandEdge, failure_of
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.kafka.dead_letters import DeadLetters
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_common.kafka.work import Lease
from hypothesis import given
from hypothesis import strategies as st

FETCH = FetchSource(job="j", source=Source(url="https://a.example"), audio=AudioRecipe())
PUBLISH = PublishOutput(job="j", outcome="cancelled")


def a_record(item: Command | JobRetried = FETCH, **fields: Any) -> Record:
    message = seal(item, source="/cinelog/test", now=0, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    record = Record(
        topic=topics.WORK_FETCH,
        partition=0,
        offset=5,
        timestamp_ms=7,
        key=message.key,
        value=message.value,
        headers=message.headers,
    )
    return msgspec.structs.replace(record, **fields)


class World:
    """An edge over a log in memory; the handler does what it is told."""

    def __init__(self, *, raising: BaseException | None = None, handled: type[Command] = FetchSource) -> None:
        self.log = FakeLog({topics.EVENTS: 1, topics.DEAD_LETTERS: 1})
        self.controls = Controls()
        self.done: list[Command] = []
        self._raising = raising
        producer = FakeProducer(self.log)
        self.edge = CommandEdge(
            {handled: self._handle},
            announcer=Announcer(producer, service="test", clock=ManualClock()),
            controls=self.controls,
            dead_letters=DeadLetters(producer, clock=ManualClock()),
            worker="w1",
        )

    async def _handle(self, command: Command) -> None:
        if self._raising is not None:
            raise self._raising
        self.done.append(command)

    def handle(self, record: Record) -> None:
        """Do what the queue does with a record."""

        async def work() -> None:
            try:
                await self.edge.handle(record, Lease(0))
            except Exception as error:  # noqa: BLE001 - as the queue does
                await self.edge.on_error(record, error)

        asyncio.run(work())

    def control(self, state: str, run: int = 1) -> None:
        value = msgspec.json.encode(Control(job="j", run=run, state=state))
        record = Record(
            topic=topics.CONTROL, partition=0, offset=0, timestamp_ms=0, key=b"j", value=value, headers=()
        )
        asyncio.run(self.controls.take(record))

    def told(self) -> list[WorkFailed]:
        events = [open_event(record.headers, record.value) for record in self.log.records(topics.EVENTS)]
        return [event for event in events if isinstance(event, WorkFailed)]

    def letters(self) -> list[dict[str, str]]:
        return [header_map(record.headers) for record in self.log.records(topics.DEAD_LETTERS)]


def test_a_command_reaches_its_handler_and_its_handler_alone_tells() -> None:
    world = World()

    world.handle(a_record())

    assert world.done == [FETCH]
    assert world.told() == []
    assert world.letters() == []


@pytest.mark.parametrize(
    ("error", "category", "permanent", "retry_after_s"),
    [
        (
            TransientError("Later.", category=Category.SOURCE_UNAVAILABLE, retry_after_s=30),
            "source_unavailable",
            False,
            30,
        ),
        (PermanentError("Never.", category=Category.DAMAGED, action="Get another."), "damaged", True, None),
        (ValueError("secret detail"), "internal", False, None),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no_space", False, None),
        (RecursionError("deep"), "internal", False, None),
        (ExceptionGroup("several", [ValueError("secret detail")]), "internal", False, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_handler_raises_becomes_one_outcome_for_the_ledger(
    error: Exception, category: str, retry_after_s: float | None, *, permanent: bool
) -> None:
    world = World(raising=error)

    world.handle(a_record())

    (told,) = world.told()
    assert (told.command, told.work, told.attempt, told.worker) == ("fetch", FETCH.work, 1, "w1")
    assert (told.failure.category, told.permanent, told.retry_after_s) == (category, permanent, retry_after_s)
    assert "secret detail" not in told.failure.message
    assert told.failure.message.endswith(".")


def test_a_cancelled_handler_tells_nothing_and_is_not_swallowed() -> None:
    world = World(raising=asyncio.CancelledError())

    with pytest.raises(asyncio.CancelledError):
        world.handle(a_record())

    assert world.told() == []


@pytest.mark.parametrize(
    "record",
    [
        a_record(headers=()),
        a_record(value=b"garbage"),
        a_record(value=None),
        a_record(value=b'{"x":' + b"[" * 100_000),
        a_record(JobRetried(job="j")),
        a_record(PUBLISH),
    ],
    ids=["no headers", "broken", "no value", "deep", "an event", "another service's"],
)
def test_what_nobody_here_can_do_becomes_a_dead_letter(record: Record) -> None:
    world = World()

    world.handle(record)

    (letter,) = world.letters()
    assert (letter["dlq_topic"], letter["dlq_offset"]) == (record.topic, "5")
    assert letter["dlq_reason"]
    assert world.told() == []
    assert world.done == []


@given(
    value=st.none() | st.binary(max_size=50),
    headers=st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9))),
)
def test_any_bytes_are_put_aside_and_never_end_the_worker(
    value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    world = World()

    world.handle(a_record(value=value, headers=tuple(headers)))

    assert len(world.letters()) == 1


@pytest.mark.parametrize("state", ["cancelled", "terminal", "deleted"])
def test_work_of_a_run_that_is_over_is_not_begun(state: str) -> None:
    world = World()
    world.control(state)

    world.handle(a_record())

    assert world.done == []
    assert world.told() == []
    assert world.edge.forbidden(a_record())


def test_a_tombstone_is_written_because_the_run_was_cancelled() -> None:
    world = World(handled=PublishOutput)
    world.control("cancelled")

    world.handle(a_record(PUBLISH))

    assert world.done == [PUBLISH]
    assert not world.edge.forbidden(a_record(PUBLISH))


def test_garbage_is_never_forbidden_so_that_it_is_put_aside() -> None:
    assert not World().edge.forbidden(a_record(value=b"garbage"))


def test_poison_is_put_aside_and_told_as_final() -> None:
    world = World()

    asyncio.run(world.edge.on_poison(a_record(), 3))

    (letter,) = world.letters()
    assert (letter["dlq_category"], letter["dlq_times"]) == ("poison", "3")
    (told,) = world.told()
    assert (told.permanent, told.failure.category) == (True, "poison")


def test_poison_that_cannot_even_be_read_is_put_aside_once() -> None:
    world = World()

    asyncio.run(world.edge.on_poison(a_record(value=b"garbage"), 3))

    assert len(world.letters()) == 1
    assert world.told() == []


def test_while_the_log_is_out_the_hook_fails_and_the_record_is_kept() -> None:
    world = World(raising=PermanentError("Never."))

    async def work() -> None:
        world.log.down = True
        with pytest.raises(TransientError):
            await world.edge.on_error(a_record(), PermanentError("Never."))

    asyncio.run(work())


def test_a_failure_keeps_category_sentence_and_action() -> None:
    error = PermanentError("It is broken.", category=Category.DAMAGED, action="Get another.")

    failure = failure_of(error)

    assert (failure.category, failure.message, failure.action) == ("damaged", "It is broken.", "Get another.")


def test_a_failure_of_any_length_and_in_any_letters_can_be_told() -> None:
    """One that cannot be told keeps its slot and its offset for ever."""
    world = World(raising=PermanentError("There is no file \udcff" + "x" * 3_000_000, action="y" * 3_000_000))

    world.handle(a_record())

    (told,) = world.told()
    assert isinstance(told, WorkFailed)
    assert told.failure.message.startswith("There is no file ?xxx")
    assert len(told.failure.message) == len(told.failure.action) == 2_000


def test_the_same_failed_attempt_is_the_same_fact() -> None:
    world = World(raising=TransientError("Later."))

    for _ in range(2):
        world.handle(a_record())

    first, second = world.told()
    assert first.id == second.id
