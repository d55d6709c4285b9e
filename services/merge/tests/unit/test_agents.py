import asyncio
from collections.abc import Callable

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.commands import EncodeSegment, PublishOutput
from cinelog_common.contract.envelope import UnknownTypeError, open_command, seal
from cinelog_common.contract.events import (
    Event,
    JobCancelRequested,
    JobRequested,
    JobTicked,
    RecipeChosen,
    SegmentReady,
    SourceProbed,
    TrackEnded,
)
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import Source, VideoInfo
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.kafka.records import Headers, Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_merge import agents
from cinelog_merge.agents import LedgerBody, Reach
from cinelog_merge.domain.deciding import LOST_FACT_MS, decide
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.overflowing import overflown
from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.state import InFlight, LedgerState, LogTime, RunState, decode_state
from cinelog_merge.joining_testing import RECIPE
from cinelog_merge.ledger_ports import Choices
from cinelog_merge.ledger_testing import FakeJobTable, FixedPools
from cinelog_merge.roster import Roster
from cinelog_merge.status_feed import StatusFeed
from msgspec.structs import replace

REQUEST = JobRequested(job="job-1", source=Source(url="http://example.org/a.mp4"))


class World:
    def __init__(
        self,
        *,
        kept: dict[str, bytes] | None = None,
        max_record_bytes: int = 1 << 20,
        choices: Choices | None = None,
    ) -> None:
        self.log = FakeLog(
            {topic.name: 1 for topic in topics.topics(partitions=1)}, max_record_bytes=max_record_bytes
        )
        self.table = FakeJobTable(kept)
        self.clock = ManualClock()
        self.roster = Roster()
        self.rebuilt: LedgerState | None = None
        producer = FakeProducer(self.log)
        self.body = LedgerBody(
            Reach(
                log=producer,
                table=self.table,
                pools=FixedPools(),
                clock=self.clock,
                feed=StatusFeed(producer, self.clock, lambda: self.table.generation),
                roster=self.roster,
                epoch=3,
                rebuild=self._rebuild,
                choices=choices,
            )
        )

    async def _rebuild(self, job: str) -> LedgerState | None:
        return self.rebuilt

    async def until(self, condition: Callable[[], bool]) -> None:
        changed = self.log.watch()
        while not condition():
            await changed.wait()
            changed.clear()
        self.log.unwatch(changed)

    def letters(self) -> list[dict[str, str]]:
        return [
            {name: value.decode() for name, value in record.headers}
            for record in self.log.records(topics.DEAD_LETTERS)
        ]

    def commands(self) -> list[Record]:
        return [
            record for topic in (topics.WORK_FETCH, topics.WORK_PUBLISH) for record in self.log.records(topic)
        ]


def _record(event: Event, *, offset: int = 7, key: bytes | None = None) -> Record:
    message = seal(event, source="/test", now=1.0)
    return _raw(message.value, message.headers, key=key or message.key, offset=offset)


def _raw(value: bytes | None, headers: Headers = (), *, key: bytes | None = b"k", offset: int = 7) -> Record:
    return Record(
        topic=topics.EVENTS,
        partition=0,
        offset=offset,
        timestamp_ms=5_000,
        key=key,
        value=value,
        headers=headers,
    )


async def _ended(task: asyncio.Task[None]) -> bool:
    """Whether `task` ends within a good many of its retries."""
    done, _ = await asyncio.wait({task}, timeout=0.02)
    return bool(done)


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "RETRY_S", (0.001, 0.002))


def test_a_request_becomes_a_command_a_control_a_snapshot_and_a_state() -> None:
    world = World()

    asyncio.run(world.body(_record(REQUEST)))

    (command,) = world.commands()
    assert open_command(command.headers, command.value).job == "job-1"
    (control,) = world.log.records(topics.CONTROL)
    assert msgspec.json.decode(control.value or b"", type=Control).state == "run"
    (status,) = world.log.records(topics.STATUS)
    assert status.key == b"job-1"
    assert decode_state(world.table.kept["job-1"]).request == REQUEST
    assert world.table.places["job-1"] == (3, 7)
    assert len(world.roster) == 1


def test_the_state_that_is_kept_knows_where_its_commands_lie() -> None:
    world = World()

    asyncio.run(world.body(_record(REQUEST)))

    (flight,) = decode_state(world.table.kept["job-1"]).current.in_flight.values()
    (command,) = world.log.records(topics.WORK_FETCH)
    assert (flight.topic, flight.partition, flight.offset) == (topics.WORK_FETCH, 0, command.offset)


ENCODES = topics.work_encode("cpu", "normal")
CHOICE = RecipeChosen(job="job-1", recipe=replace(RECIPE, version="as it was"))
FILM = (
    SourceProbed(
        job="job-1",
        fingerprint="f",
        container="mp4",
        video=VideoInfo(codec="h264", width=1280, height=720, time_base=(1, 25), frame_rate=(25, 1)),
    ),
    SegmentReady(job="job-1", n=0, key="k", start=0, end=100, size_bytes=1, frames=100),
)


def test_a_choice_that_a_log_before_this_one_made_holds() -> None:
    world = World()

    async def story() -> None:
        for offset, event in enumerate((REQUEST, CHOICE, *FILM)):
            await world.body(_record(event, offset=offset))

    asyncio.run(story())

    assert world.log.records(topics.EVENTS) == []
    (order,) = world.log.records(ENCODES)
    command = open_command(order.headers, order.value)
    assert isinstance(command, EncodeSegment)
    assert command.recipe == CHOICE.recipe


def test_where_the_log_dies_with_us_a_choice_is_kept_before_anything_follows_from_it() -> None:
    class Kept:
        def __init__(self) -> None:
            self.choices: list[tuple[RecipeChosen, int]] = []
            self.refusals = 2

        async def chosen(self, choice: RecipeChosen) -> None:
            if self.refusals:
                self.refusals -= 1
                raise TransientError("The disk is busy.")
            self.choices.append((choice, len(world.log.records(ENCODES))))

    kept = Kept()
    world = World(choices=kept)

    async def story() -> None:
        for offset, event in enumerate((REQUEST, *FILM, CHOICE)):
            await world.body(_record(event, offset=offset))

    asyncio.run(story())

    assert kept.choices == [(CHOICE, 0)]
    assert len(world.log.records(ENCODES)) == 1


def test_a_choice_that_cannot_be_kept_stops_nobody() -> None:
    class Full:
        async def chosen(self, choice: RecipeChosen) -> None:
            raise PermanentError("The disk is full.", category=Category.NO_SPACE, action="Free some.")

    world = World(choices=Full())

    async def story() -> None:
        for offset, event in enumerate((REQUEST, *FILM, CHOICE)):
            await world.body(_record(event, offset=offset))

    asyncio.run(story())

    assert len(world.log.records(ENCODES)) == 1


def test_a_redelivered_event_sends_nothing_twice() -> None:
    world = World()

    async def twice() -> None:
        await world.body(_record(REQUEST))
        await world.body(_record(REQUEST))

    asyncio.run(twice())

    assert len(world.commands()) == 1


def test_control_is_told_when_it_changes_and_again_to_a_new_generation() -> None:
    world = World()

    async def live() -> None:
        await world.body(_record(REQUEST))
        await world.body(_record(JobTicked(job="job-1", tick=1), offset=8))
        world.table.generation += 1
        await world.body(_record(JobTicked(job="job-1", tick=2), offset=9))
        await world.body(_record(JobCancelRequested(job="job-1"), offset=10))

    asyncio.run(live())

    told = [
        msgspec.json.decode(r.value or b"", type=Control).state for r in world.log.records(topics.CONTROL)
    ]
    assert told == ["run", "run", "cancelled"]


def test_a_fact_of_its_own_is_told_once_although_it_takes_its_time_to_come_back() -> None:
    world = World()
    probed = SourceProbed(
        job="job-1",
        fingerprint="f",
        container="mp4",
        video=VideoInfo(codec="h264", width=640, height=360, time_base=(1, 25), frame_rate=(25, 1)),
    )

    async def live() -> None:
        await world.body(_record(REQUEST))
        await world.body(_record(probed, offset=8))
        for n in range(5):
            ended = TrackEnded(job="job-1", track="a0", recipe="r", segments=n, end=n)
            await world.body(_record(ended, offset=9 + n))

    asyncio.run(live())

    assert len(world.log.records(topics.EVENTS)) == 1


def test_a_fact_of_its_own_that_does_not_come_back_is_told_again_in_due_time() -> None:
    world = World()
    picture = VideoInfo(codec="h264", width=640, height=360, time_base=(1, 25), frame_rate=(25, 1))
    probed = SourceProbed(job="job-1", fingerprint="f", container="mp4", video=picture)

    async def live() -> None:
        await world.body(_record(REQUEST))
        await world.body(_record(probed, offset=8))
        (job,) = world.roster
        assert job.due_ms == 5_000 + LOST_FACT_MS
        await world.body(_record(JobTicked(job="job-1", tick=1), offset=9))

    asyncio.run(live())

    first, second = world.log.records(topics.EVENTS)
    assert first.value == second.value


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param(_raw(b"garbage"), "no CloudEvents", id="garbage"),
        pytest.param(_raw(None), "no CloudEvents", id="tombstone"),
        pytest.param(_raw(b"\xff" * 100, key=None), "no CloudEvents", id="no key"),
        pytest.param(
            _raw(
                b"{}",
                (("ce_specversion", b"1.0"), ("ce_type", b"com.example.x"), ("ce_id", b"1")),
            ),
            "not one of Cinelog's",
            id="another's event",
        ),
        pytest.param(
            _raw(
                b'{"job": 5}',
                (("ce_specversion", b"1.0"), ("ce_type", JobTicked.type.encode()), ("ce_id", b"1")),
            ),
            "broken",
            id="broken data",
        ),
        pytest.param(_record(REQUEST, key=b"job-2"), "not the job", id="another job's key"),
    ],
)
def test_what_is_no_event_goes_to_the_dead_letters_and_others_go_on(record: Record, reason: str) -> None:
    world = World()

    async def live() -> None:
        await world.body(record)
        await world.body(_record(REQUEST))

    asyncio.run(live())

    (letter,) = world.letters()
    assert reason in letter["dlq_reason"]
    assert (letter["dlq_topic"], letter["dlq_offset"]) == (topics.EVENTS, "7")
    assert len(world.commands()) == 1


def test_an_unknown_type_stops_the_ledger_and_is_not_put_aside() -> None:
    world = World()
    newer = _raw(b"{}", (("ce_specversion", b"1.0"), ("ce_type", b"cinelog.job.frobbed.v1"), ("ce_id", b"1")))

    with pytest.raises(UnknownTypeError, match=r"cinelog\.job\.frobbed"):
        asyncio.run(world.body(newer))

    assert world.letters() == []


def test_while_the_log_is_down_the_body_tries_again_and_skips_nothing() -> None:
    world = World()

    async def live() -> None:
        world.log.down = world.table.down = True
        body = asyncio.create_task(world.body(_record(REQUEST)))
        async with asyncio.timeout(5):
            assert not await _ended(body)
            world.log.down = False
            await world.until(lambda: bool(world.commands()))
            assert not await _ended(body)
            world.table.down = False
            await body

    asyncio.run(live())

    assert "job-1" in world.table.kept
    assert len(world.commands()) == 1


def test_an_event_whose_consequences_do_not_fit_in_the_log_is_put_aside() -> None:
    world = World(max_record_bytes=500)

    asyncio.run(world.body(_record(REQUEST)))

    (letter,) = world.letters()
    assert letter["dlq_category"] == "limit_exceeded"


def test_a_job_whose_state_does_not_fit_in_the_log_fails_instead_of_standing_still() -> None:
    world = World(max_record_bytes=4_000)
    probed = SourceProbed(job="job-1", fingerprint="f", container="mkv", tags={"comment": "x" * 3_700})

    async def story() -> None:
        await world.body(_record(REQUEST, offset=1))
        await world.body(_record(probed, offset=2))
        await world.body(_record(JobTicked(job="job-1", tick=1), offset=3))

    asyncio.run(story())

    (end,) = [open_command(r.headers, r.value) for r in world.log.records(topics.WORK_PUBLISH)]
    assert isinstance(end, PublishOutput)
    assert end.failure is not None
    assert end.failure.category == "limit_exceeded"
    assert decode_state(world.table.kept["job-1"]).current.probed is None
    assert world.letters() == []


def test_a_run_that_overflows_while_it_is_being_ended_ends_once() -> None:
    state = apply(None, REQUEST, LogTime(epoch=1, offset=1, append_ms=1_000))
    flight = InFlight(
        command_id="c",
        kind="publish",
        work="cancelled",
        attempt=1,
        topic=topics.WORK_PUBLISH,
        partition=0,
        offset=1,
        at_ms=1_000,
    )
    run = RunState(cancelled=True, in_flight={"publish:cancelled": flight}, lost=frozenset({"c", "d"}))

    small = overflown(replace(state, current=run), LogTime(epoch=1, offset=9, append_ms=2_000), "x")

    assert small.version == (1, 9)
    assert small.updated_ms == 2_000
    assert small.current.lost == {"c"}
    assert (
        decide(replace(small, current=replace(small.current, lost=frozenset())), Pools(), 3_000).orders == ()
    )


def test_a_defect_puts_its_event_aside_and_other_jobs_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    apply = agents.apply

    def broken(state: LedgerState | None, event: Event, at: object) -> LedgerState:
        if event.job == "job-2":
            raise ZeroDivisionError
        return apply(state, event, at)  # type: ignore[arg-type]

    monkeypatch.setattr(agents, "apply", broken)

    async def live() -> None:
        await world.body(_record(msgspec.structs.replace(REQUEST, job="job-2")))
        await world.body(_record(REQUEST))

    asyncio.run(live())

    (letter,) = world.letters()
    assert "ZeroDivisionError" in letter["dlq_reason"]
    assert list(world.table.kept) == ["job-1"]


def test_a_state_that_cannot_be_read_is_made_anew_from_elsewhere() -> None:
    world = World(kept={"job-1": b"\x00"})
    world.rebuilt = LedgerState(job="job-1", request=REQUEST)

    asyncio.run(world.body(_record(JobTicked(job="job-1", tick=1))))

    assert decode_state(world.table.kept["job-1"]).request == REQUEST
    assert len(world.commands()) == 1


def test_without_anything_elsewhere_its_events_are_put_aside() -> None:
    world = World(kept={"job-1": b"\x00"})

    asyncio.run(world.body(_record(JobTicked(job="job-1", tick=1))))

    (letter,) = world.letters()
    assert "cannot be read" in letter["dlq_reason"]
    assert world.table.kept["job-1"] == b"\x00"
