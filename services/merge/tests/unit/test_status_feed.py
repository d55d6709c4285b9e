import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import Source
from cinelog_common.errors import TransientError
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_merge import status_feed
from cinelog_merge.domain.state import Ending, Extended, LedgerState, RunState
from cinelog_merge.status_feed import INTERVAL_S, StatusFeed

REQUEST = JobRequested(job="job-1", source=Source(url="http://example.org/a.mp4"))


class World:
    def __init__(self) -> None:
        self.log = FakeLog({topics.STATUS: 1})
        self.clock = ManualClock()
        self.generation = 1
        self.feed = StatusFeed(FakeProducer(self.log), self.clock, lambda: self.generation)

    def told(self) -> list[tuple[str, int]]:
        statuses = [
            msgspec.json.decode(record.value or b"", type=JobStatus)
            for record in self.log.records(topics.STATUS)
        ]
        return [(status.state, status.version[1]) for status in statuses]


def _state(place: int, run: RunState | None = None, *, job: str = "job-1") -> LedgerState:
    return LedgerState(job=job, version=(0, place), request=REQUEST, current=run or RunState())


def _live(story: Callable[[World], Awaitable[None]]) -> World:
    async def live() -> World:
        world = World()
        await story(world)
        return world

    return asyncio.run(live())


def test_snapshots_of_one_job_that_come_fast_are_held_back_and_the_last_one_follows() -> None:
    async def story(world: World) -> None:
        for place in range(10):
            await world.feed.offer(_state(place))
        await world.feed.flush()
        assert world.told() == [("queued", 0)]
        world.clock.advance(INTERVAL_S)
        await world.feed.flush()

    world = _live(story)

    assert world.told() == [("queued", 0), ("queued", 9)]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(_state(1, RunState(cancelled=True)), id="state"),
        pytest.param(_state(1, RunState(extended=Extended(version=1))), id="playable"),
        pytest.param(msgspec.structs.replace(_state(1), run=2), id="run"),
        pytest.param(_state(1, RunState(ending=Ending(outcome="failed", at=(0, 1), at_ms=0))), id="terminal"),
    ],
)
def test_what_users_wait_for_is_told_at_once(changed: LedgerState) -> None:
    async def story(world: World) -> None:
        await world.feed.offer(_state(0))
        await world.feed.offer(changed)

    world = _live(story)

    assert [place for _, place in world.told()] == [0, 1]


def test_a_held_snapshot_never_follows_a_newer_one() -> None:
    async def story(world: World) -> None:
        await world.feed.offer(_state(0))
        await world.feed.offer(_state(1))
        await world.feed.offer(_state(2, RunState(cancelled=True)))
        world.clock.advance(INTERVAL_S)
        await world.feed.flush()

    world = _live(story)

    assert [place for _, place in world.told()] == [0, 2]


def test_one_jobs_snapshots_do_not_hold_back_anothers() -> None:
    async def story(world: World) -> None:
        await world.feed.offer(_state(0))
        await world.feed.offer(_state(1, job="job-2"))

    assert len(_live(story).told()) == 2


def test_what_was_held_back_is_dropped_when_partitions_change_hands() -> None:
    async def story(world: World) -> None:
        await world.feed.offer(_state(0))
        await world.feed.offer(_state(1))
        world.generation = 2
        world.clock.advance(INTERVAL_S)
        await world.feed.flush()

    assert _live(story).told() == [("queued", 0)]


def test_what_the_log_did_not_take_stays_held_back() -> None:
    async def story(world: World) -> None:
        await world.feed.offer(_state(0))
        await world.feed.offer(_state(1))
        world.clock.advance(INTERVAL_S)
        world.log.down = True
        with pytest.raises(TransientError):
            await world.feed.flush()
        world.log.down = False
        await world.feed.flush()

    assert [place for _, place in _live(story).told()] == [0, 1]


def test_the_feed_itself_sends_what_was_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_feed, "INTERVAL_S", 0.01)

    async def story(world: World) -> None:
        world.feed.start()
        await world.feed.offer(_state(0))
        await world.feed.offer(_state(1))
        world.clock.advance(1.0)
        changed = world.log.watch()
        async with asyncio.timeout(5):
            await changed.wait()
        world.log.unwatch(changed)
        await world.feed.stop()

    assert [place for _, place in _live(story).told()] == [0, 1]
