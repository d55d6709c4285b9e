"""The stream and its table, on the in-process broker: acknowledged when done, recovered as it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import faust
import msgspec
import pytest
from cinelog_common.errors import PermanentError, TransientError
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Record
from cinelog_merge.adapters import faust_recovery
from cinelog_merge.adapters.faust_app import FaustLedger
from cinelog_merge.adapters.faust_client import FaustSettings
from cinelog_merge.adapters.table_values import frame
from cinelog_testkit.waiting import eventually, within

Body = Callable[[FaustLedger, Record], Awaitable[None]]


class World:
    def __init__(self, broker: EmbeddedBroker, settings: FaustSettings) -> None:
        self.settings = settings
        self.producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))

    async def produce(self, count: int, *, first: int = 0) -> None:
        for number in range(first, first + count):
            await self.producer.send(self.settings.events, b"%d" % number, key=b"job", partition=0)

    @asynccontextmanager
    async def life(self, body: Body) -> AsyncIterator[FaustLedger]:
        async def take(record: Record) -> None:
            await body(ledger, record)

        ledger = FaustLedger(self.settings, self.producer, take)
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.stop(0.3)


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    base = FaustSettings(bootstrap="", folder=folder)
    with EmbeddedBroker([(base.events, 2), (base.changelog, 2)]) as broker:
        settings = FaustSettings(
            bootstrap=broker.bootstrap,
            folder=folder,
            session_s=2.0,
            heartbeat_s=0.5,
            commit_interval_s=0.1,
        )
        world = World(broker, settings)
        await world.producer.start()
        try:
            yield world
        finally:
            await world.producer.stop()


def _live(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def live() -> None:
        async with _world(folder) as world:
            await story(world)

    within(live())


async def _nothing(ledger: FaustLedger | None, record: Record) -> None:
    """Work on nothing."""


def test_one_event_at_a_time_in_the_order_of_the_log(tmp_path: Path) -> None:
    seen: list[int] = []
    inside, most = 0, 0

    async def body(_: FaustLedger, record: Record) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        inside -= 1
        seen.append(int(record.value or b""))

    async def story(world: World) -> None:
        async with world.life(body) as ledger:
            await world.produce(100)
            await eventually(lambda: len(seen) == 100)
            agents = list(ledger._app.agents.values())
            assert [agent.concurrency for agent in agents] == [1]

    _live(tmp_path, story)

    assert most == 1
    assert seen == list(range(100))


def test_an_event_whose_body_was_cut_off_comes_again(tmp_path: Path) -> None:
    seen: list[int] = []
    stuck = asyncio.Event()

    async def hang(_: FaustLedger, record: Record) -> None:
        if record.value == b"3":
            stuck.set()
            await asyncio.Event().wait()

    async def note(_: FaustLedger, record: Record) -> None:
        seen.append(int(record.value or b""))

    async def story(world: World) -> None:
        async with world.life(hang):
            await world.produce(6)
            await stuck.wait()
        async with world.life(note):
            await eventually(lambda: 5 in seen)

    _live(tmp_path, story)

    assert seen[-3:] == [3, 4, 5]


def test_an_event_that_must_not_be_skipped_stops_the_stream_and_comes_again(tmp_path: Path) -> None:
    seen: list[int] = []

    async def refuse(_: FaustLedger, record: Record) -> None:
        if record.value == b"3":
            raise PermanentError("I do not know this.")

    async def note(_: FaustLedger, record: Record) -> None:
        seen.append(int(record.value or b""))

    async def story(world: World) -> None:
        async with world.life(refuse) as ledger:
            await world.produce(6)
            with pytest.raises(PermanentError, match="I do not know this"):
                await ledger.broken()
            assert not ledger.ready
        async with world.life(note):
            await eventually(lambda: 5 in seen)

    _live(tmp_path, story)

    assert seen[-3:] == [3, 4, 5]


def test_a_body_with_a_defect_stops_the_stream_and_its_event_comes_again(tmp_path: Path) -> None:
    seen: list[int] = []

    async def fail_once(_: FaustLedger, record: Record) -> None:
        seen.append(int(record.value or b""))
        if seen == [0, 1]:
            raise ZeroDivisionError

    async def story(world: World) -> None:
        async with world.life(fail_once) as ledger:
            await world.produce(3)
            with pytest.raises(TransientError, match="ZeroDivisionError"):
                await ledger.broken()
            await ledger.stop()
            await ledger.start()
            await eventually(lambda: 2 in seen)

    _live(tmp_path, story)

    assert seen[-2:] == [1, 2]


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def story(world: World) -> None:
        settings = msgspec.structs.replace(world.settings, folder=tmp_path / "file" / "folder")
        with pytest.raises(PermanentError, match="cannot be made"):
            await FaustLedger(settings, world.producer, lambda record: _nothing(None, record)).start()

    _live(tmp_path, story)


def test_a_state_survives_and_belongs_to_the_partition_of_its_events(tmp_path: Path) -> None:
    async def keep(ledger: FaustLedger, record: Record) -> None:
        await ledger.put("job", b"s%s" % record.value, partition=0, place=(0, record.offset))

    async def story(world: World) -> None:
        async with world.life(keep) as ledger:
            await world.produce(3)
            await eventually(lambda: ledger.get("job") == b"s2")
        async with world.life(_nothing) as again:
            await eventually(lambda: again.ready)
            assert list(again.owned()) == [("job", b"s2")]
            assert again.get("another") is None

    _live(tmp_path, story)


def test_recovery_never_goes_back_in_time(tmp_path: Path) -> None:
    """A worker that was frozen may write an old state after the new owner wrote newer ones."""

    async def story(world: World) -> None:
        changelog = world.settings.changelog
        for place, state in (((1, 5), b"newest"), ((1, 4), b"late"), ((0, 99), b"another epoch's")):
            await world.producer.send(changelog, frame(place, state), key=b"job", partition=0)
        async with world.life(_nothing) as ledger:
            await eventually(lambda: ledger.ready)
            assert ledger.get("job") == b"newest"

    _live(tmp_path, story)


@pytest.mark.parametrize(("key", "value"), [(b"job", b"garbage"), (None, frame((0, 0), b"x")), (b"j", None)])
def test_garbage_at_the_end_of_the_changelog_does_not_hold_the_recovery_up(
    tmp_path: Path, key: bytes | None, value: bytes | None
) -> None:
    async def story(world: World) -> None:
        changelog = world.settings.changelog
        await world.producer.send(changelog, frame((0, 1), b"state"), key=b"good", partition=0)
        await world.producer.send(changelog, value, key=key, partition=0)
        async with world.life(_nothing) as ledger:
            await eventually(lambda: ledger.ready, deadline_s=5)
            assert list(ledger.owned()) == [("good", b"state")]

    _live(tmp_path, story)


def test_a_stream_whose_app_crashed_says_so_and_can_be_started_again(tmp_path: Path) -> None:
    seen: list[int] = []

    async def note(_: FaustLedger, record: Record) -> None:
        seen.append(int(record.value or b""))

    async def story(world: World) -> None:
        async with world.life(note) as ledger:
            await eventually(lambda: ledger.ready)
            await ledger._app.crash(RuntimeError("as when a commit fails"))
            with pytest.raises(TransientError, match="as when a commit fails"):
                await ledger.broken()
            assert not ledger.ready
            await ledger.stop()
            await ledger.start()
            await world.produce(2)
            await eventually(lambda: seen == [0, 1])

    _live(tmp_path, story)


def test_another_version_of_faust_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    faust_recovery.check_pin()
    monkeypatch.setattr(faust, "__version__", "0.16.0")

    with pytest.raises(PermanentError, match=r"0\.16\.0.*0\.15\.3"):
        faust_recovery.check_pin()
