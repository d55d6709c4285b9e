import asyncio
from collections.abc import Awaitable, Callable

import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import JobRequested, JobTicked
from cinelog_common.contract.values import Failure, Source
from cinelog_common.errors import TransientError
from cinelog_common.kafka.records import Partition
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_merge.domain.state import Ending, InFlight, LedgerState, RunState, Setback, encode_state
from cinelog_merge.ledger_testing import FakeJobTable, FakeOffsets
from cinelog_merge.reconciler import Pace, Reconciler, Surroundings
from cinelog_merge.roster import Roster
from msgspec.structs import replace

PACE = Pace()
NOW_MS = 1_700_000_000_000
FLIGHT = InFlight(
    command_id="c1",
    kind="fetch",
    work="",
    attempt=1,
    topic=topics.WORK_FETCH,
    partition=0,
    offset=4,
    at_ms=NOW_MS,
)
SETBACK = Setback(
    attempt=1, failure=Failure(category="internal", message="x"), permanent=False, at=(0, 0), at_ms=NOW_MS
)


def _state(run: RunState, job: str = "job-1") -> LedgerState:
    request = JobRequested(job=job, source=Source(url="http://example.org/a.mp4"))
    return LedgerState(job=job, request=request, current=run)


WAITING = _state(RunState(setbacks={"fetch:": SETBACK}))
"""Its next attempt is due one second after NOW_MS."""
FLYING = _state(RunState(in_flight={"fetch:": FLIGHT}))


class World:
    def __init__(self, *states: LedgerState) -> None:
        self.log = FakeLog({topics.EVENTS: 1})
        self.clock = ManualClock(NOW_MS / 1000)
        self.table = FakeJobTable({state.job: encode_state(state) for state in states})
        self.offsets = FakeOffsets()
        self.roster = Roster()
        self.reconciler = Reconciler(
            Surroundings(
                announcer=Announcer(FakeProducer(self.log), service="merge", clock=self.clock),
                table=self.table,
                offsets=self.offsets,
                clock=self.clock,
                roster=self.roster,
                group_of=lambda topic: f"group-of-{topic}",
            ),
            PACE,
        )

    def commit(self, offset: int) -> None:
        self.offsets.groups[f"group-of-{topics.WORK_FETCH}"] = {Partition(topics.WORK_FETCH, 0): offset}

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.reconciler.look()
            self.clock.advance(PACE.look_s)

    async def settle(self) -> None:
        """Let the heartbeat after a recovery pass."""
        await self.look(int(PACE.heartbeat_s))

    def ticks(self) -> list[JobTicked]:
        events = [open_event(record.headers, record.value) for record in self.log.records(topics.EVENTS)]
        return [event for event in events if isinstance(event, JobTicked)]


def _live(story: Callable[[World], Awaitable[None]], *states: LedgerState) -> World:
    async def live() -> World:
        world = World(*states)
        await story(world)
        return world

    return asyncio.run(live())


def test_a_job_whose_moment_has_come_gets_a_tick() -> None:
    async def story(world: World) -> None:
        await world.settle()
        await world.look()

    (tick,) = _live(story, WAITING).ticks()

    assert (tick.job, tick.run, tick.lost) == ("job-1", 1, ())


def test_for_one_heartbeat_after_a_recovery_it_only_waits() -> None:
    async def story(world: World) -> None:
        world.clock.advance(100)
        await world.look(3)

    assert _live(story, WAITING).ticks() == []


def test_each_new_generation_is_waited_for_anew() -> None:
    async def story(world: World) -> None:
        await world.settle()
        world.table.generation += 1
        await world.look(3)

    assert _live(story, WAITING).ticks() == []


def test_without_partitions_it_does_nothing() -> None:
    async def story(world: World) -> None:
        world.table.ready = False
        await world.look(20)

    assert _live(story, WAITING).ticks() == []


def test_a_moment_is_told_again_only_after_a_while() -> None:
    async def story(world: World) -> None:
        await world.settle()
        await world.look(int(PACE.again_s) + 1)

    assert len(_live(story, WAITING).ticks()) == 2


def test_a_job_that_is_over_gets_none() -> None:
    over = _state(
        RunState(setbacks={"fetch:": SETBACK}, ending=Ending(outcome="failed", at=(0, 1), at_ms=NOW_MS))
    )

    async def story(world: World) -> None:
        await world.settle()
        await world.look(20)

    assert _live(story, over).ticks() == []


def test_a_command_that_was_committed_past_without_an_outcome_is_lost_after_a_while() -> None:
    async def story(world: World) -> None:
        world.commit(5)
        await world.settle()
        await world.look(int(PACE.grace_s + PACE.offsets_s))

    world = _live(story, FLYING)

    assert world.ticks()[0].lost == ("c1",)


def test_a_command_that_has_left_the_log_is_lost() -> None:
    async def story(world: World) -> None:
        world.offsets.starts = {Partition(topics.WORK_FETCH, 0): 5}
        await world.settle()
        await world.look(int(PACE.grace_s + PACE.offsets_s))

    assert _live(story, FLYING).ticks()[0].lost == ("c1",)


def test_what_is_merely_queued_is_never_lost() -> None:
    async def story(world: World) -> None:
        world.commit(4)
        await world.settle()
        await world.look(600)

    assert _live(story, FLYING).ticks() == []


def test_an_outcome_within_the_grace_saves_the_command() -> None:
    async def story(world: World) -> None:
        world.commit(5)
        await world.settle()
        await world.look(int(PACE.grace_s))
        world.roster.note(_state(RunState()))
        await world.look(60)

    assert _live(story, FLYING).ticks() == []


def test_a_command_known_to_be_lost_is_not_told_again() -> None:
    known = _state(RunState(in_flight={"fetch:": FLIGHT}, lost=frozenset({"c1"})))

    async def story(world: World) -> None:
        world.commit(5)
        await world.settle()
        await world.look(60)

    assert all(not tick.lost for tick in _live(story, known).ticks())


def test_while_the_log_does_not_answer_nothing_is_called_lost() -> None:
    async def story(world: World) -> None:
        world.commit(5)
        await world.settle()
        world.offsets.down = True
        world.clock.advance(PACE.offsets_s)
        with pytest.raises(TransientError):
            await world.look()

    assert _live(story, FLYING).ticks() == []


def test_while_the_log_does_not_answer_moments_still_come() -> None:
    both = _state(RunState(in_flight={"encode:1": FLIGHT}, setbacks={"fetch:": SETBACK}))

    async def story(world: World) -> None:
        await world.settle()
        world.offsets.down = True
        world.clock.advance(PACE.offsets_s)
        with pytest.raises(TransientError):
            await world.look()

    assert [tick.lost for tick in _live(story, both).ticks()] == [()]


def test_a_defect_in_one_look_does_not_end_the_looking() -> None:
    world, looks, again = World(WAITING), [], asyncio.Event()

    class Table(FakeJobTable):
        @property
        def ready(self) -> bool:
            looks.append(1)
            if len(looks) == 1:
                raise ZeroDivisionError
            again.set()
            return False

        @ready.setter
        def ready(self, value: bool) -> None: ...

    async def story() -> None:
        around = replace(world.reconciler._around, table=Table())
        reconciler = Reconciler(around, Pace(look_s=0.001))
        reconciler.start()
        await asyncio.wait_for(again.wait(), 10)
        await reconciler.stop()

    asyncio.run(story())
