"""A crash between any two steps of the agent's body loses no command and changes no state."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import open_command, seal
from cinelog_common.contract.events import (
    Event,
    JobCancelRequested,
    JobRequested,
    JobTicked,
    SegmentEncoded,
    SegmentReady,
    SourceEnded,
    SourceProbed,
    TrackEnded,
    TrackOpened,
    TrackSegmentReady,
    WorkFailed,
)
from cinelog_common.contract.status import JobStatus
from cinelog_common.contract.values import AudioInfo, Failure, Source, Track, VideoInfo
from cinelog_common.kafka.records import Headers, Position, Record
from cinelog_merge.agents import LedgerBody, Reach
from cinelog_merge.domain.state import Place, decode_state
from cinelog_merge.ledger_testing import FakeJobTable, FixedPools
from cinelog_merge.roster import Roster
from cinelog_merge.status_feed import StatusFeed
from hypothesis import given, settings
from hypothesis import strategies as st

UNITS = 4


class Crash(BaseException):
    """The process is gone."""


class Fuse:
    """Counts steps, and blows at the given ones, before or after their effect."""

    def __init__(self, points: frozenset[int]) -> None:
        self._points = points
        self._next = 0

    def step(self) -> None:
        self._next += 1
        if self._next in self._points:
            raise Crash


class World:
    """What survives a crash: the log and the table's changelog."""

    def __init__(self, events: list[Event], points: frozenset[int]) -> None:
        self.fuse = Fuse(points)
        self.events: list[Record] = []
        self.commands: list[Record] = []
        self.statuses: list[JobStatus] = []
        self.kept: dict[str, bytes] = {}
        for event in events:
            self._append(*_sealed(event))

    def _append(self, key: bytes | None, value: bytes | None, headers: Headers) -> Position:
        position = Position(partition=0, offset=len(self.events))
        self.events.append(_record(topics.EVENTS, position, key=key, value=value, headers=headers))
        return position

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        self.fuse.step()
        await asyncio.sleep(0)
        position = Position(partition=0, offset=len(self.commands))
        if topic == topics.EVENTS:
            position = self._append(key, value, headers)
        elif topic == topics.STATUS:
            self.statuses.append(msgspec.json.decode(value or b"", type=JobStatus))
        elif topic.startswith("cinelog.work."):
            self.commands.append(
                Record(
                    topic=topic, partition=0, offset=0, timestamp_ms=0, key=key, value=value, headers=headers
                )
            )
        await asyncio.sleep(0)
        self.fuse.step()
        return position


def _record(
    topic: str, position: Position, *, key: bytes | None, value: bytes | None, headers: Headers
) -> Record:
    return Record(
        topic=topic,
        partition=position.partition,
        offset=position.offset,
        timestamp_ms=1_000,
        key=key,
        value=value,
        headers=headers,
    )


class CrashingTable(FakeJobTable):
    def __init__(self, world: World) -> None:
        super().__init__(world.kept)
        self._world = world

    async def put(self, job: str, state: bytes, *, partition: int, place: Place) -> None:
        self._world.fuse.step()
        await super().put(job, state, partition=partition, place=place)
        self._world.kept[job] = state
        await asyncio.sleep(0)
        self._world.fuse.step()


def _body(world: World) -> LedgerBody:
    table, clock = CrashingTable(world), ManualClock()
    return LedgerBody(
        Reach(
            log=world,
            table=table,
            pools=FixedPools(),
            clock=clock,
            feed=StatusFeed(world, clock, lambda: 1),
            roster=Roster(),
        )
    )


def _run(events: list[Event], points: frozenset[int], lags: Iterator[int]) -> World:
    """Run the ledger over `events`, crashing at `points`; each restart repeats up to `lags` events."""

    async def live() -> World:
        world = World(events, points)
        offset = 0
        while offset < len(world.events):
            body = _body(world)
            try:
                while offset < len(world.events):
                    await body(world.events[offset])
                    offset += 1
            except Crash:
                # The process's other tasks die with it.
                offset = max(0, offset - next(lags, 0))
        return world

    return asyncio.run(live())


def _ids(world: World) -> set[str]:
    return {open_command(record.headers, record.value).id for record in world.commands}


_PLACES = {"version", "at", "at_ms", "offset", "partition", "updated_ms", "created_ms", "milestones_ms"}


def _without_places(value: Any) -> Any:
    """Drop what says where in the log something lies: a repeated send lies elsewhere."""
    if isinstance(value, dict):
        return {
            key: _without_places(item)
            for key, item in value.items()
            if key not in _PLACES and not key.endswith("_at")
        }
    return value


def _states(world: World) -> dict[str, Any]:
    return {job: _without_places(msgspec.to_builtins(decode_state(kept))) for job, kept in world.kept.items()}


def _sealed(event: Event) -> tuple[bytes, bytes, Headers]:
    message = seal(event, source="/test", now=1.0)
    return message.key, message.value, message.headers


def _ready(job: str, n: int) -> Event:
    return SegmentReady(
        job=job, n=n, key=f"{n}", start=n * 100, end=n * 100 + 100, frames=100, size_bytes=1000
    )


def _failed(job: str, n: int) -> Event:
    failure = Failure(category="internal", message="It broke.")
    return WorkFailed(job=job, attempt=1, command="fetch", work="", failure=failure, permanent=n == 0)


def _life(job: str) -> list[Event]:
    """One job's events, from the request to the end of the source."""
    track = Track(name="a0", kind="audio", codec="mp4a.40.2", recipe="r", init_key="i", timescale=48_000)
    return [
        JobRequested(job=job, source=Source(url="http://example.org/a.mp4")),
        SourceProbed(
            job=job,
            fingerprint="f",
            container="mp4",
            duration_s=16.0,
            video=VideoInfo(codec="h264", width=640, height=360, time_base=(1, 25), frame_rate=(25, 1)),
            audio=(AudioInfo(codec="aac", sample_rate=48_000, channels=2),),
        ),
        TrackOpened(job=job, track=track),
        *(_ready(job, n) for n in range(UNITS)),
        *(
            TrackSegmentReady(
                job=job, track="a0", recipe="r", n=n, key="k", start=n, end=n + 1, size_bytes=10
            )
            for n in range(UNITS)
        ),
        TrackEnded(job=job, track="a0", recipe="r", segments=UNITS, end=UNITS),
        SourceEnded(job=job, units=UNITS, tracks=("a0",), size_bytes=10, duration_s=16.0),
        _encoded(job, 0),
    ]


def _encoded(job: str, n: int) -> Event:
    return SegmentEncoded(job=job, n=n, recipe="?", parts=1, frames=100, renditions=())


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of two jobs, in any order, some twice, some missing, with a cancellation or failures between."""
    events = _life("job-a") + _life("job-b")[: draw(st.integers(0, 6))]
    events += draw(
        st.lists(
            st.sampled_from(
                [
                    *events,
                    _failed("job-a", 0),
                    _failed("job-a", 1),
                    JobCancelRequested(job="job-a"),
                    JobTicked(job="job-a", tick=1),
                ]
            ),
            max_size=6,
        )
    )
    return draw(st.permutations(events))


@settings(max_examples=60, deadline=None)
@given(
    events=histories(),
    points=st.frozensets(st.integers(1, 120), max_size=6),
    lags=st.lists(st.integers(0, 8), max_size=8),
)
def test_a_crash_at_any_steps_loses_no_command_and_ends_in_the_same_state(
    events: list[Event], points: frozenset[int], lags: list[int]
) -> None:
    undisturbed = _run(events, frozenset(), iter(()))

    crashed = _run(events, points, iter(lags))

    assert _ids(crashed) == _ids(undisturbed)
    assert _states(crashed) == _states(undisturbed)


def test_a_crash_at_every_single_step_of_one_life_loses_nothing() -> None:
    events = _life("job-a")
    undisturbed = _run(events, frozenset(), iter(()))
    steps = undisturbed.fuse._next

    for point in range(1, steps + 1):
        crashed = _run(events, frozenset({point}), iter([2]))

        assert _ids(crashed) == _ids(undisturbed), f"crash at step {point}"
        assert _states(crashed) == _states(undisturbed), f"crash at step {point}"
        assert {status.job for status in crashed.statuses} == {"job-a"}
    assert steps > 40
