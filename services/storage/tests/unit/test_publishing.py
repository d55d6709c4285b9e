"""The one commit point: whatever dies, races or repeats, a run has one end, and it is shown and told."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import keys
from cinelog_common.contract.commands import PublishOutput
from cinelog_common.contract.events import JobCancelled, JobCompleted, JobFailed
from cinelog_common.contract.sidecars import Manifest
from cinelog_common.contract.values import Failure
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_storage.adapters.folder import FolderShelves
from cinelog_storage.handlers import Galleries, OutputPublisher
from cinelog_storage.testing import (
    FILM,
    JOB,
    RECIPE,
    FakeGallerist,
    FakeShelves,
    RecordingAnnouncer,
    a_publication,
    broken,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

MANIFEST = keys.manifest(JOB, 1)


class CrashedError(BaseException):
    """The process is gone."""


class Fuse:
    """Ends the process at one step of many, and lets others go first at every step."""

    def __init__(self, at: int | None = None, yields: Iterator[int] | None = None) -> None:
        self.at = at
        self.steps = 0
        self._yields = yields or iter(())

    async def burn(self) -> None:
        if self.steps == self.at:
            raise CrashedError
        self.steps += 1
        for _ in range(next(self._yields, 0)):
            await asyncio.sleep(0)


class Mortal:
    """Anything, with a chance to die before and after each of its coroutines."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "open":
            return lambda *args, **kwargs: Mortal(found(*args, **kwargs), self._fuse)
        return self._mortal(found) if asyncio.iscoroutinefunction(found) else found

    def _mortal(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._fuse.burn()
            result = await work(*args, **kwargs)
            await self._fuse.burn()
            return result

        return call


class World:
    """Everything that outlives a process."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.objects = FakeObjectStore()
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.shelves: Any = FakeShelves(self.objects)
        self.announcer = RecordingAnnouncer()
        self.gallerist = FakeGallerist()
        asyncio.run(self.objects.create(FILM.key, b"film"))
        asyncio.run(self._pictures())

    async def _pictures(self) -> None:
        for n in range(2):
            await self.objects.create(keys.thumbnails(JOB, 1, recipe=RECIPE.hash, n=n), b"pictures")

    def publisher(self, fuse: Fuse | None = None) -> OutputPublisher:
        fuse = fuse or Fuse()
        objects: Any = Mortal(self.objects, fuse)
        return OutputPublisher(
            objects,
            Mortal(self.announcer, fuse),
            galleries=Galleries(objects, Mortal(self.gallerist, fuse), scratch=self.scratch),
            shelves=Mortal(self.shelves, fuse),
            clock=ManualClock(),
        )

    def run(self, command: PublishOutput, fuse: Fuse | None = None) -> None:
        asyncio.run(self.publisher(fuse)(command))

    def manifest(self) -> Manifest | None:
        stored = self.objects.objects.get(MANIFEST)
        return msgspec.json.decode(stored.data, type=Manifest) if stored else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "scratch")


def test_a_result_is_committed_shown_and_told(world: World) -> None:
    world.run(a_publication())

    manifest = world.manifest()
    assert manifest is not None
    assert manifest.outcome == "completed"
    (event,) = world.announcer.events
    assert isinstance(event, JobCompleted)
    kinds = [output.kind for output in event.outputs]
    assert kinds == ["mp4", "poster", "sprite", "thumbnails", "metadata", "manifest"]
    assert event.outputs[-1].size_bytes == len(world.objects.objects[MANIFEST].data)
    assert set(world.shelves.shown) == {output.path for output in manifest.outputs}
    assert world.shelves.staged == {}
    assert list(world.scratch.rglob("*.jpg")) == []


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_tombstone_is_told_and_shows_nothing(world: World, outcome: str) -> None:
    failure = Failure(category="damaged", message="It is broken.") if outcome == "failed" else None

    world.run(replace(a_publication(outcome), failure=failure))

    (event,) = world.announcer.events
    assert isinstance(event, JobFailed if outcome == "failed" else JobCancelled)
    if isinstance(event, JobFailed):
        assert event.failure == failure
    assert world.shelves.shown == {}


@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
def test_whatever_the_end_no_live_playlist_waits_for_more_when_it_is_told(world: World, outcome: str) -> None:
    key = keys.live_prefix(JOB, 1) + "720p.m3u8"
    asyncio.run(world.objects.create(key, b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n"))
    told: list[bytes] = []
    announce = world.announcer.announce

    async def looking(event: Any) -> None:
        told.append(world.objects.objects[key].data)
        await announce(event)

    world.announcer.announce = looking  # type: ignore[method-assign]

    world.run(a_publication(outcome))

    assert told == [b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n"]


@pytest.mark.parametrize("outcome", ["completed", "failed", "cancelled"])
def test_packets_of_the_source_go_when_the_run_has_ended(world: World, outcome: str) -> None:
    ours, of_another_run = keys.bundle(JOB, 1, 0), keys.bundle(JOB, 2, 0)
    for key in (ours, of_another_run):
        asyncio.run(world.objects.create(key, b"packets"))

    world.run(a_publication(outcome))

    assert ours not in world.objects.objects
    assert of_another_run in world.objects.objects


def test_a_full_store_holds_a_tombstone_once_the_packets_are_gone(world: World) -> None:
    packets = keys.bundle(JOB, 1, 0)
    asyncio.run(world.objects.create(packets, b"packets"))
    world.objects.create = _while_there_is_room(  # type: ignore[method-assign]
        world.objects.create, lambda: packets not in world.objects.objects
    )

    world.run(replace(a_publication("failed"), failure=Failure(category="no_space", message="It is full.")))

    manifest = world.manifest()
    assert manifest is not None
    assert manifest.outcome == "failed"
    (event,) = world.announcer.events
    assert isinstance(event, JobFailed)


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_disk_that_fills_up_behind_the_manifest_does_not_hide_the_end(world: World, outcome: str) -> None:
    packets, key = keys.bundle(JOB, 1, 0), keys.live_prefix(JOB, 1) + "720p.m3u8"
    for name, data in ((packets, b"packets"), (key, b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n")):
        asyncio.run(world.objects.create(name, data))
    world.objects.replace = _while_there_is_room(  # type: ignore[method-assign]
        world.objects.replace, lambda: packets not in world.objects.objects
    )

    world.run(a_publication(outcome))

    assert len(world.announcer.events) == 1
    assert world.objects.objects[key].data.endswith(b"#EXT-X-ENDLIST\n")


def test_a_store_that_stays_full_is_named_and_no_end_is_told(world: World) -> None:
    asyncio.run(world.objects.create(keys.bundle(JOB, 1, 0), b"packets"))
    world.objects.create = _while_there_is_room(world.objects.create, lambda: False)  # type: ignore[method-assign]

    for _ in range(2):
        with pytest.raises(PermanentError) as caught:
            world.run(a_publication("failed"))
        assert caught.value.category == Category.NO_SPACE

    assert world.manifest() is None
    assert world.announcer.events == []


def test_a_result_that_finds_the_store_full_keeps_the_packets(world: World) -> None:
    packets = keys.bundle(JOB, 1, 0)
    asyncio.run(world.objects.create(packets, b"packets"))
    world.objects.create = _while_there_is_room(world.objects.create, lambda: False)  # type: ignore[method-assign]

    with pytest.raises(PermanentError):
        world.run(a_publication())

    assert packets in world.objects.objects


def _while_there_is_room(
    write: Callable[..., Awaitable[Any]], is_room: Callable[[], bool]
) -> Callable[..., Awaitable[Any]]:
    async def checked(key: str, *args: Any, **kwargs: Any) -> Any:
        if not is_room():
            raise PermanentError(f"No room for {key}.", category=Category.NO_SPACE, action="Free some space.")
        return await write(key, *args, **kwargs)

    return checked


def test_a_redelivered_order_announces_the_same_end_again_and_makes_nothing(world: World) -> None:
    world.run(a_publication())
    objects = dict(world.objects.objects)

    world.run(a_publication())

    first, second = world.announcer.events
    assert first == second
    assert first.id == second.id
    assert world.objects.objects == objects
    assert len(world.gallerist.orders) == 1


@pytest.mark.parametrize("late", ["failed", "cancelled"])
def test_a_tombstone_that_comes_late_announces_the_result(world: World, late: str) -> None:
    world.run(a_publication())

    world.run(a_publication(late))

    assert [type(event) for event in world.announcer.events] == [JobCompleted, JobCompleted]
    assert world.shelves.shown


def test_a_result_that_comes_late_announces_the_tombstone_and_shows_nothing(world: World) -> None:
    world.run(a_publication("cancelled"))

    world.run(a_publication())

    assert [type(event) for event in world.announcer.events] == [JobCancelled, JobCancelled]
    assert world.shelves.shown == {}


def test_a_result_that_loses_at_the_last_step_takes_back_what_it_staged(world: World) -> None:
    publisher = world.publisher()
    stage = world.shelves.open("shelf", job=JOB, run=1).stage

    async def late(outputs: Any, *, title: str) -> Any:
        staged = await stage(outputs, title=title)
        await world.publisher()(a_publication("cancelled"))
        return staged

    async def work() -> None:
        shelf = world.shelves.open("shelf", job=JOB, run=1)
        shelf.stage = late
        world.shelves.open = lambda *_, **__: shelf
        await publisher(a_publication())

    asyncio.run(work())

    assert [type(event) for event in world.announcer.events] == [JobCancelled, JobCancelled]
    assert (world.shelves.shown, world.shelves.staged) == ({}, {})


def _steps(world: World, command: PublishOutput) -> int:
    fuse = Fuse()
    world.run(command, fuse)
    return fuse.steps


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("completed", "completed"),
        ("completed", "cancelled"),
        ("cancelled", "completed"),
        ("failed", "failed"),
    ],
)
def test_a_crash_at_any_step_is_completed_by_the_next_attempt(
    tmp_path: Path, first: str, second: str, *, on_disk: bool
) -> None:
    def fresh(name: str) -> World:
        world = World(tmp_path / name / "scratch")
        if on_disk:
            world.shelves = FolderShelves(world.objects, world.documents)
        return world

    def at(name: str, outcome: str, attempt: int) -> PublishOutput:
        return replace(a_publication(outcome), destination=str(tmp_path / name / "films"), attempt=attempt)

    steps = _steps(fresh("count"), at("count", first, 1))
    assert steps >= 4

    for step in range(steps):
        name = f"step{step}"
        world, folder = fresh(name), tmp_path / name / "films"
        with pytest.raises(CrashedError):
            world.run(at(name, first, 1), Fuse(step))
        before = world.manifest()
        _assert_only_committed_is_seen(world, folder, on_disk=on_disk)

        world.run(at(name, second, 2))

        manifest = world.manifest()
        assert manifest is not None
        assert manifest.outcome == (before.outcome if before else second)
        expected = {"completed": JobCompleted, "cancelled": JobCancelled, "failed": JobFailed}
        assert {type(event) for event in world.announcer.events} == {expected[manifest.outcome]}
        told = world.announcer.events[-1]
        if isinstance(told, JobCompleted):
            paths = {output.path for output in told.outputs if output.kind != "manifest"}
            assert None not in paths
            assert _seen(world, folder, on_disk=on_disk) == paths
        else:
            assert _seen(world, folder, on_disk=on_disk) == set()
        if on_disk:
            assert list(folder.glob(".*")) == []


def _seen(world: World, folder: Path, *, on_disk: bool) -> set[str]:
    return {str(path) for path in folder.glob("[!.]*")} if on_disk else set(world.shelves.shown)


def _assert_only_committed_is_seen(world: World, folder: Path, *, on_disk: bool) -> None:
    manifest = world.manifest()
    allowed = {output.path for output in manifest.outputs} if manifest else set()
    assert _seen(world, folder, on_disk=on_disk) <= allowed


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from(["completed", "cancelled", "failed"]), min_size=2, max_size=4),
    yields=st.lists(st.integers(0, 7), min_size=10, max_size=150),
)
def test_of_any_ends_that_race_in_any_interleaving_one_holds_and_all_tell_it(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[str], yields: list[int]
) -> None:
    world = World(tmp_path_factory.mktemp("race"))
    turns = itertools.cycle(yields)

    async def work() -> None:
        await asyncio.gather(
            *(
                world.publisher(Fuse(yields=turns))(replace(a_publication(outcome), attempt=number))
                for number, outcome in enumerate(outcomes, 1)
            )
        )

    asyncio.run(work())

    manifest = world.manifest()
    assert manifest is not None
    assert manifest.outcome in outcomes
    assert len({type(event) for event in world.announcer.events}) == 1
    assert len(world.announcer.events) == len(outcomes)
    shown = {output.path for output in manifest.outputs}
    assert set(world.shelves.shown) == shown
    assert world.shelves.staged == {}


def test_a_damaged_picture_costs_the_poster_and_not_the_film(world: World) -> None:
    world.gallerist.failures = [broken("the first is no JPEG")]

    world.run(a_publication())

    (event,) = world.announcer.events
    assert isinstance(event, JobCompleted)
    assert event.warnings == ("There is no poster: the first is no JPEG",)
    assert [output.kind for output in event.outputs] == ["mp4", "metadata", "manifest"]


def test_a_child_that_dies_each_time_costs_the_poster_in_the_end(world: World) -> None:
    dead = TransientError("the child died")
    world.gallerist.failures = [dead, dead]

    with pytest.raises(TransientError):
        world.run(a_publication())
    world.run(replace(a_publication(), attempt=3))

    (event,) = world.announcer.events
    assert isinstance(event, JobCompleted)
    assert event.warnings == ("There is no poster: the child died",)


def test_a_film_without_pictures_has_no_poster_and_no_warning(world: World) -> None:
    world.run(replace(a_publication(), recipe=None))

    (event,) = world.announcer.events
    assert isinstance(event, JobCompleted)
    assert event.warnings == ()
    assert [output.kind for output in event.outputs] == ["mp4", "metadata", "manifest"]
    assert world.gallerist.orders == []


def test_merged_units_and_other_generations_are_looked_for_where_they_are(world: World) -> None:
    command = a_publication()
    extent = replace(command.extent, units=4, absent=(1,), generations={"3": 2})
    asyncio.run(
        world.objects.create(keys.thumbnails(JOB, 1, recipe=RECIPE.hash, n=3, generation=2), b"third")
    )

    world.run(replace(command, extent=extent))

    assert len(world.gallerist.orders[0].bundles) == 2


def test_a_folder_that_cannot_be_written_any_more_does_not_undo_the_result(world: World) -> None:
    with pytest.raises(CrashedError):
        world.run(a_publication(), Fuse(_steps(World(world.scratch), a_publication()) - 4))
    assert world.manifest() is not None
    world.shelves.failure = PermanentError("The folder is gone.", category=Category.NOT_WRITABLE)

    world.run(replace(a_publication("failed"), attempt=2))

    event = world.announcer.events[-1]
    assert isinstance(event, JobCompleted)
    assert event.warnings == ("The result is in the object store only: The folder is gone.",)
    assert {output.path for output in event.outputs} == {None}


def test_an_unwritable_destination_fails_before_anything_is_committed(world: World) -> None:
    world.shelves.failure = PermanentError("It is read-only.", category=Category.NOT_WRITABLE)

    with pytest.raises(PermanentError):
        world.run(a_publication())

    assert world.manifest() is None
    assert world.announcer.events == []


def test_a_manifest_that_is_garbage_is_damage_and_no_crash(world: World) -> None:
    asyncio.run(world.objects.create(MANIFEST, b"\xff not JSON"))

    with pytest.raises(PermanentError) as raised:
        world.run(a_publication())

    assert raised.value.category is Category.DAMAGED


def test_the_event_of_each_end_is_the_same_fact_however_often_it_is_told(world: World) -> None:
    ids: set[str] = set()
    for _ in range(3):
        world.run(a_publication("cancelled"))
        ids.add(world.announcer.events[-1].id)

    assert len(ids) == 1
