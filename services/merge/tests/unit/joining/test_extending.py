"""Live playlists: whoever extends them, in whatever order, players only ever see them grow."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from cinelog_common.cmaf.hlsvalidation import validate, validate_update
from cinelog_common.contract import keys
from cinelog_common.contract.commands import ExtendPlaylist, Extent
from cinelog_common.contract.events import PlaylistExtended
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_common.errors import PermanentError, TransientError
from cinelog_common.live import close_playlists
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_merge.handlers import Library, PlaylistExtender
from cinelog_merge.joining_testing import (
    JOB,
    RECIPE,
    WHOLE,
    Footage,
    RecordingAnnouncer,
    renamed,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

BASE = keys.live_prefix(JOB, 1)


class World:
    """A store that keeps every version of every playlist."""

    def __init__(self, *footage: Footage) -> None:
        self.objects = FakeObjectStore()
        self.announcer = RecordingAnnouncer()
        self.versions: dict[str, list[str]] = {}
        self.yields: Iterator[int] = iter(())
        for own in footage:
            asyncio.run(own.store(self.objects))
        replace_now = self.objects.replace

        async def noted(key: str, data: bytes, *, if_match: str | None) -> Any:
            await self._turn()
            info = await replace_now(key, data, if_match=if_match)
            self.versions.setdefault(key.removeprefix(BASE), []).append(data.decode())
            return info

        self.objects.replace = noted  # type: ignore[method-assign]

    async def _turn(self) -> None:
        for _ in range(next(self.yields, 0)):
            await asyncio.sleep(0)

    def extender(self) -> PlaylistExtender:
        return PlaylistExtender(self.objects, Library(self.objects), self.announcer)

    def extend(self, *commands: ExtendPlaylist) -> None:
        async def work() -> None:
            for command in commands:
                await self.extender()(command)

        asyncio.run(work())

    def playlists(self) -> dict[str, str]:
        return {name: versions[-1] for name, versions in self.versions.items()}

    def assert_sound(self) -> None:
        """Every state that a player could have seen is sound, and each follows from the one before."""
        assert validate(self.playlists()) == []
        for name, versions in self.versions.items():
            if name != "master.m3u8":
                assert all(validate_update(old, new) == [] for old, new in itertools.pairwise(versions))


def a_command(version: int, extent: Extent, *footage: Footage, **fields: Any) -> ExtendPlaylist:
    sounds = tuple(own.track() for own in footage if own.name.startswith("a"))
    command = ExtendPlaylist(
        job=JOB, version=version, extent=extent, recipe=RECIPE, tracks=sounds, max_segment_s=2.0
    )
    return replace(command, **fields)


def growth(*footage: Footage) -> list[ExtendPlaylist]:
    """Return the orders that follow each other while a job goes on."""
    reaches = [(1, 1), (1, 2), (2, 2), (3, 3)]
    commands = [
        a_command(version, Extent(units=units, tracks={"a0": fragments}), *footage)
        for version, (units, fragments) in enumerate(reaches, 1)
    ]
    return [*commands, a_command(5, WHOLE, *footage, ended=True)]


def test_a_whole_growth_is_sound_at_every_step(film: Footage, sound: Footage) -> None:
    world = World(film, sound)

    for command in growth(film, sound):
        world.extend(command)
        world.assert_sound()

    assert set(world.playlists()) == {"96p.m3u8", "a0.m3u8", "master.m3u8"}
    assert world.playlists()["96p.m3u8"].count("#EXTINF") == 3
    assert world.playlists()["a0.m3u8"].endswith("#EXT-X-ENDLIST\n")
    told = [event for event in world.announcer.events if isinstance(event, PlaylistExtended)]
    assert [event.version for event in told] == [1, 2, 3, 4, 5]
    assert [event.ended for event in told] == [False] * 4 + [True]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_in_any_order_and_repetition_playlists_only_grow_and_end_the_same(
    film: Footage, sound: Footage, data: st.DataObject
) -> None:
    commands = growth(film, sound)
    order = data.draw(st.permutations(commands))
    more = data.draw(st.lists(st.sampled_from(commands), max_size=4))
    world, straight = World(film, sound), World(film, sound)

    world.extend(*order, *more)
    straight.extend(*commands)

    world.assert_sound()
    assert world.playlists() == straight.playlists()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=5, max_size=60))
def test_extenders_that_race_lose_nothing(film: Footage, sound: Footage, yields: list[int]) -> None:
    world, straight = World(film, sound), World(film, sound)
    commands = growth(film, sound)
    world.yields = itertools.cycle(yields)

    async def race() -> None:
        await asyncio.gather(*(world.extender()(command) for command in commands))

    asyncio.run(race())
    straight.extend(*commands)

    world.assert_sound()
    assert world.playlists() == straight.playlists()


def test_a_piece_that_is_not_there_yet_is_waited_for_and_nothing_is_told(film: Footage) -> None:
    world = World(film)
    prefix = keys.encoded_prefix(JOB, 1, film.recipe, film.name)
    asyncio.run(world.objects.delete(keys.sidecar(prefix, 1)))

    with pytest.raises(TransientError):
        world.extend(a_command(1, Extent(units=2), film))

    assert world.announcer.events == []
    assert world.versions == {}


def test_a_missing_init_segment_is_waited_for(film: Footage) -> None:
    world = World(film)
    asyncio.run(world.objects.delete(film.sidecars[0].init_key))

    with pytest.raises(TransientError):
        world.extend(a_command(1, Extent(units=2), film))

    assert world.announcer.events == []


@pytest.mark.parametrize("data", [b"", b"garbage", b"\xff", b"[]", b'{"n": "x"}'])
def test_a_broken_sidecar_is_damage(film: Footage, data: bytes) -> None:
    world = World(film)
    key = keys.sidecar(keys.encoded_prefix(JOB, 1, film.recipe, film.name), 0)
    asyncio.run(world.objects.delete(key))
    asyncio.run(world.objects.create(key, data))

    with pytest.raises(PermanentError):
        world.extend(a_command(1, Extent(units=1), film))


def test_a_second_sound_that_begins_later_is_listed_from_then_on(
    film: Footage, sound: Footage, second_sound: Footage
) -> None:
    world = World(film, sound, second_sound)
    both = (film, sound, second_sound)
    early = a_command(1, Extent(units=1, tracks={"a0": 1, "a1": 0}), *both)

    world.extend(early)
    before = world.playlists()["master.m3u8"]
    world.extend(a_command(2, Extent(units=2, tracks={"a0": 2, "a1": 1}), *both), early)

    after = world.playlists()["master.m3u8"]
    assert "a1.m3u8" not in before
    assert after.count("#EXT-X-MEDIA:") == 2
    world.assert_sound()


def test_a_unit_of_another_generation_is_found(film: Footage) -> None:
    again = renamed(film, 1, generation=2)
    world = World(again)

    world.extend(a_command(1, Extent(units=3, generations={"1": 2}), film))

    assert "000001-000.g2.m4s" in world.playlists()["96p.m3u8"]
    world.assert_sound()


def test_what_is_published_is_never_exchanged_for_another_generation(film: Footage) -> None:
    world = World(film)
    asyncio.run(renamed(film, 1, generation=1).store(world.objects))
    world.extend(a_command(1, Extent(units=2), film))
    before = world.playlists()

    with pytest.raises(PermanentError, match="only grow"):
        world.extend(a_command(2, Extent(units=3, generations={"1": 1}), film))

    assert world.playlists() == before


def test_units_that_were_merged_into_a_neighbour_are_left_out(film: Footage) -> None:
    first, second, third = film.sidecars
    merged = replace(first, parts=(replace(first.parts[0], end=second.parts[0].end),))
    world = World(replace(film, sidecars=[merged, second, third]))

    world.extend(a_command(1, Extent(units=3, absent=(1,)), film))

    text = world.playlists()["96p.m3u8"]
    assert text.count("#EXTINF") == 2
    assert "000001-000" not in text
    world.assert_sound()


def test_a_long_unit_is_several_segments(film: Footage) -> None:
    first = film.sidecars[0].parts[0]
    half = (first.end - first.start) // 2
    parts = tuple(
        replace(first, key=first.key.replace("-000", f"-00{at}"), start=at * half, end=(at + 1) * half)
        for at in range(2)
    )
    world = World(replace(film, sidecars=[replace(film.sidecars[0], parts=parts), *film.sidecars[1:]]))

    world.extend(a_command(1, Extent(units=3), film))

    assert world.playlists()["96p.m3u8"].count("#EXTINF") == 4
    world.assert_sound()


def test_sound_alone_is_played_by_itself(sound: Footage) -> None:
    world = World(sound)

    world.extend(a_command(1, Extent(tracks={"a0": 3}), sound, recipe=None, ended=True))

    assert set(world.playlists()) == {"a0.m3u8", "master.m3u8"}
    assert "RESOLUTION" not in world.playlists()["master.m3u8"]
    world.assert_sound()


def test_a_picture_that_has_not_begun_is_not_listed_yet(film: Footage, sound: Footage) -> None:
    world = World(film, sound)

    world.extend(a_command(1, Extent(tracks={"a0": 1}), film, sound))
    world.extend(a_command(2, WHOLE, film, sound, ended=True))

    assert "96p.m3u8" in world.playlists()["master.m3u8"]
    world.assert_sound()


def test_nothing_at_all_is_told_without_playlists() -> None:
    world = World()

    world.extend(a_command(1, Extent(), recipe=None, ended=True))

    assert world.versions == {}
    assert len(world.announcer.events) == 1


def _copied(*ends_s: float) -> Footage:
    """Return a passed-through picture whose groups end at `ends_s`; nobody looks into its fragments here."""
    from cinelog_merge.joining_testing import pictures

    footage = pictures("v0", "c0de")
    starts = [0.0, *ends_s]
    sidecars = [
        Sidecar(
            n=n,
            generation=0,
            init_hash=footage.sidecars[0].init_hash,
            init_key=footage.sidecars[0].init_key,
            timescale=90_000,
            parts=(
                SegmentPart(
                    key=footage.sidecars[n].parts[0].key,
                    start=round(start * 90_000),
                    end=round(end * 90_000),
                    frames=1,
                    size_bytes=1,
                    checksum=0,
                ),
            ),
        )
        for n, (start, end) in enumerate(zip(starts, ends_s, strict=False))
    ]
    return msgspec.structs.replace(footage, sidecars=sidecars)


@pytest.mark.parametrize(("longest_s", "fits"), [(8.0, True), (8.49, True), (8.5, False), (20.0, False)])
def test_a_copied_group_of_pictures_fits_or_stops_the_live_playlist(longest_s: float, *, fits: bool) -> None:
    copied = _copied(4.0, 4.0 + longest_s, 5.0 + longest_s)
    world = World(copied)
    command = a_command(
        1, Extent(tracks={"v0": 3}), recipe=None, tracks=(copied.track("video"),), max_segment_s=8.0
    )

    if fits:
        world.extend(command)
        world.assert_sound()
    else:
        with pytest.raises(PermanentError):
            world.extend(command)
        assert world.versions == {}


def test_a_copied_picture_that_takes_more_than_was_promised_raises_the_promise_and_nothing_lowers_it() -> (
    None
):
    copied = _copied(1.0, 2.0, 3.0)
    large = replace(copied.sidecars[1].parts[0], size_bytes=40_000_000)
    sidecars = list(copied.sidecars)
    sidecars[1] = replace(sidecars[1], parts=(large,))
    world = World(replace(copied, sidecars=sidecars))
    track = copied.track("video")
    calm, raised = (
        a_command(reach, Extent(tracks={"v0": reach}), recipe=None, tracks=(track,)) for reach in (1, 2)
    )

    world.extend(calm, raised, calm)

    first, second = world.versions["master.m3u8"]
    assert "BANDWIDTH=1536000," in first
    assert "BANDWIDTH=320000000," in second


@settings(max_examples=60, deadline=None)
@given(
    yields=st.lists(st.integers(0, 5), min_size=5, max_size=80),
    start=st.integers(0, 60),
)
def test_however_the_end_of_a_run_and_its_growth_interleave_every_playlist_ends(
    film: Footage, sound: Footage, yields: list[int], start: int
) -> None:
    world = World(film, sound)
    turns = itertools.cycle(yields)
    world.yields = turns
    read = world.objects.read

    async def slow_read(key: str) -> Any:
        found = await read(key)
        await world._turn()
        return found

    world.objects.read = slow_read  # type: ignore[method-assign]

    async def end() -> None:
        for _ in range(start):
            await asyncio.sleep(0)
        await world.objects.create(keys.manifest(JOB, 1), b"{}")
        await close_playlists(world.objects, JOB, 1)

    async def work() -> None:
        extender = world.extender()

        async def grow() -> None:
            for command in growth(film, sound)[:-1]:
                await extender(command)

        await asyncio.gather(grow(), end())

    asyncio.run(work())

    world.assert_sound()
    media = {name: text for name, text in world.playlists().items() if name != "master.m3u8"}
    assert all(text.endswith("#EXT-X-ENDLIST\n") for text in media.values())
