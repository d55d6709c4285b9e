"""Assembling: what is ordered from the joiner, what is stored, and what is told of it."""

import asyncio
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cinelog_common.cmaf.hlsparsing import parse_playlist
from cinelog_common.cmaf.hlsvalidation import validate
from cinelog_common.contract import keys
from cinelog_common.contract.commands import AssembleOutput, Extent
from cinelog_common.contract.events import OutputAssembled
from cinelog_common.contract.sidecars import Cue, CueSheet, decode_document, encode_document
from cinelog_common.contract.values import Rendition, Subtitle
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.objects.ports import ObjectStore
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_merge.handlers import Library, OutputAssembler
from cinelog_merge.joining_testing import (
    JOB,
    RECIPE,
    WHOLE,
    FakeJoiner,
    Footage,
    RecordingAnnouncer,
    clicks,
    pictures,
)
from msgspec.structs import replace

DASH = "{urn:mpeg:dash:schema:mpd:2011}"
BASE = keys.output_prefix(JOB, 1)


class World:
    def __init__(self, root: Path, *footage: Footage, objects: ObjectStore | None = None) -> None:
        self.scratch = root / "scratch"
        self.objects = objects or FakeObjectStore()
        self.announcer = RecordingAnnouncer()
        self.joiner = FakeJoiner()
        for own in footage:
            asyncio.run(own.store(self.objects))

    def assemble(self, command: AssembleOutput) -> OutputAssembled:
        assembler = OutputAssembler(
            self.objects, Library(self.objects), self.announcer, joiner=self.joiner, scratch=self.scratch
        )
        asyncio.run(assembler(command))
        event = self.announcer.events[-1]
        assert isinstance(event, OutputAssembled)
        return event

    def playlists(self) -> dict[str, str]:
        async def work() -> dict[str, str]:
            return {
                info.key.removeprefix(BASE): (await self.objects.get(info.key)).decode()
                async for info in self.objects.list(BASE)
                if info.key.endswith(".m3u8")
            }

        return asyncio.run(work())


def a_command(*footage: Footage, **fields: Any) -> AssembleOutput:
    command = AssembleOutput(
        job=JOB,
        extent=WHOLE,
        containers=("hls", "mp4"),
        tracks=tuple(own.track() for own in footage if own.name.startswith("a")),
        recipe=RECIPE,
        title="A film",
        max_segment_s=2.0,
    )
    return replace(command, **fields)


def test_a_film_becomes_a_file_and_playlists(tmp_path: Path, film: Footage, sound: Footage) -> None:
    world = World(tmp_path, film, sound)

    event = world.assemble(a_command(film, sound))

    assert [(output.kind, output.key) for output in event.outputs] == [
        ("mp4", f"{BASE}video.mp4"),
        ("hls", f"{BASE}master.m3u8"),
    ]
    hls = event.outputs[1]
    assert (hls.width, hls.height, hls.frames, hls.duration_s) == (160, 96, 60, 2.4)
    assert validate(world.playlists()) == []
    assert all("#EXT-X-PLAYLIST-TYPE:VOD" in world.playlists()[name] for name in ("96p.m3u8", "a0.m3u8"))
    assert not list(world.scratch.rglob("*.*"))


def test_a_manifest_for_other_players_lies_beside_the_playlists(
    tmp_path: Path, film: Footage, sound: Footage
) -> None:
    world = World(tmp_path, film, sound)

    event = world.assemble(a_command(film, sound))

    text = asyncio.run(world.objects.get(keys.dash_manifest(event.outputs[1].key))).decode()
    root = ET.fromstring(text)
    found = {one.attrib["id"]: one for one in root.iter(f"{DASH}Representation")}
    listed = {
        name: [url.attrib["media"] for url in one.iter(f"{DASH}SegmentURL")] for name, one in found.items()
    }
    playlists = {name: parse_playlist(world.playlists()[f"{name}.m3u8"]).entries for name in found}
    assert list(found) == ["96p", "a0"]
    assert listed == {name: [entry.uri for entry in entries] for name, entries in playlists.items()}
    assert found["96p"].attrib["codecs"].startswith("avc1.")
    assert (found["96p"].attrib["width"], found["96p"].attrib["height"]) == ("160", "96")
    assert found["96p"].attrib["frameRate"] == "25"
    assert [line.attrib for line in found["96p"].iter(f"{DASH}S")] == [
        {"t": "0", "d": "86400"},
        {"t": "86400", "d": "86400"},
        {"t": "172800", "d": "43200"},
    ]
    assert next(found["a0"].iter(f"{DASH}S")).attrib["t"] == "0"


@pytest.mark.parametrize(("said", "tag"), [("fre", "fr"), ("gsw", "gsw"), ("und", None), ("no such", None)])
def test_a_manifest_says_languages_as_players_expect_them(
    tmp_path: Path, sound: Footage, said: str, tag: str | None
) -> None:
    world = World(tmp_path, sound)

    event = world.assemble(a_command(recipe=None, tracks=(replace(sound.track(), language=said),)))

    text = asyncio.run(world.objects.get(keys.dash_manifest(event.outputs[1].key))).decode()
    sets = list(ET.fromstring(text).iter(f"{DASH}AdaptationSet"))
    assert [one.attrib.get("lang") for one in sets] == [tag]


def test_playlists_last_as_long_as_the_longest_of_what_they_play(tmp_path: Path, film: Footage) -> None:
    sound = clicks(seconds=9.6, cuts_s=(0.96, 1.92))
    world = World(tmp_path, film, sound)

    event = world.assemble(a_command(film, sound))

    assert event.outputs[1].duration_s == pytest.approx(9.6, abs=0.03)


def test_a_result_without_playlists_has_no_manifest_for_players(tmp_path: Path, film: Footage) -> None:
    world = World(tmp_path, film)

    world.assemble(a_command(film, containers=("mp4",)))

    assert asyncio.run(world.objects.head(f"{BASE}manifest.mpd")) is None


def test_the_joiner_is_told_what_every_fragment_must_hold(
    tmp_path: Path, film: Footage, sound: Footage
) -> None:
    world = World(tmp_path, film, sound)

    world.assemble(a_command(film, sound, verify="full"))

    (order,) = world.joiner.orders
    assert order.verify == "full"
    assert [part.kind for part in order.parts] == ["video", "audio"]
    for part, own in zip(order.parts, (film, sound), strict=True):
        parts = [sidecar.parts[0] for sidecar in own.sidecars]
        assert part.starts == tuple(one.start for one in parts)
        assert part.samples == tuple(one.frames for one in parts)
        assert part.checksums == tuple(one.checksum for one in parts)
        assert part.init_hashes == tuple(sidecar.init_hash for sidecar in own.sidecars)


def test_where_the_store_has_files_nothing_is_copied(tmp_path: Path, film: Footage, sound: Footage) -> None:
    objects = FolderObjectStore(tmp_path / "objects", durable=False)
    world = World(tmp_path, film, sound, objects=objects)

    world.assemble(a_command(film, sound))

    (order,) = world.joiner.orders
    for part, own in zip(order.parts, (film, sound), strict=True):
        assert part.fragments == tuple(str(objects.local_path(s.parts[0].key)) for s in own.sidecars)


def test_a_finished_file_is_linked_into_a_store_of_files(tmp_path: Path, film: Footage) -> None:
    objects = FolderObjectStore(tmp_path / "objects", durable=False)
    world = World(tmp_path, film, objects=objects)
    inodes = []
    join = world.joiner.join

    async def noting(order: Any) -> Any:
        made = await join(order)
        inodes.append((Path(order.folder) / "video.mp4").stat().st_ino)
        return made

    world.joiner.join = noting  # type: ignore[method-assign]

    world.assemble(a_command(film, containers=("mp4",)))

    path = objects.local_path(f"{BASE}video.mp4")
    assert path is not None
    assert [path.stat().st_ino] == inodes


def test_a_redelivered_order_tells_of_the_same_outputs(tmp_path: Path, film: Footage, sound: Footage) -> None:
    world = World(tmp_path, film, sound)

    first, second = (world.assemble(a_command(film, sound)) for _ in range(2))

    assert first == second
    assert first.id == second.id


def test_playlists_alone_are_looked_at_before_they_are_told(tmp_path: Path, film: Footage) -> None:
    world = World(tmp_path, film)
    world.joiner.failures = [PermanentError("A seam is wrong.")]

    with pytest.raises(PermanentError, match="A seam is wrong"):
        world.assemble(a_command(film, containers=("hls",)))

    assert world.announcer.events == []
    assert world.playlists() == {}
    assert world.joiner.orders[0].files == ()


def test_every_size_of_a_ladder_is_looked_at_and_the_best_is_joined(tmp_path: Path, sound: Footage) -> None:
    small = Rendition(name="48p", width=80, height=48, crf=23, max_rate_k=500)
    ladder = replace(RECIPE, renditions=(*RECIPE.renditions, small))
    best, other = pictures("96p", ladder.hash), pictures("48p", ladder.hash)
    world = World(tmp_path, best, other, sound)

    event = world.assemble(a_command(sound, recipe=ladder))

    first, second = world.joiner.orders
    assert ([part.kind for part in first.parts], len(first.files)) == (["video", "audio"], 1)
    assert ([part.kind for part in second.parts], second.files) == (["video"], ())
    assert validate(world.playlists()) == []
    assert world.playlists()["master.m3u8"].count("#EXT-X-STREAM-INF") == 2
    assert event.outputs[1].width == 160


@pytest.mark.parametrize(
    ("containers", "names"),
    [
        (("hls", "mp4"), ["audio.m4a", "master.m3u8"]),
        (("mp4",), ["audio.m4a"]),
        (("webm",), ["audio.webm"]),
        (("hls",), ["master.m3u8"]),
    ],
)
def test_sound_alone_becomes_a_sound_file(
    tmp_path: Path, sound: Footage, containers: tuple[str, ...], names: list[str]
) -> None:
    world = World(tmp_path, sound)

    event = world.assemble(a_command(sound, recipe=None, containers=containers))

    assert [output.key.rpartition("/")[2] for output in event.outputs] == names
    assert all(output.kind in {"audio", "hls"} for output in event.outputs)
    assert all(output.width is None for output in event.outputs)


def test_a_copied_picture_is_joined_as_it_is(tmp_path: Path, sound: Footage) -> None:
    copied = pictures("v0", "c0de")
    world = World(tmp_path, copied, sound)
    extent = Extent(tracks={"a0": 3, "v0": 3})

    event = world.assemble(
        a_command(recipe=None, tracks=(sound.track(), copied.track("video")), extent=extent)
    )

    (order,) = world.joiner.orders
    assert sorted(part.kind for part in order.parts) == ["audio", "video"]
    assert (event.outputs[1].width, event.outputs[1].frames) == (160, 60)
    assert validate(world.playlists()) == []


def test_nothing_to_join_is_said(tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as raised:
        World(tmp_path).assemble(a_command(recipe=None, extent=Extent()))

    assert raised.value.category is Category.NOT_MEDIA


def test_a_segment_that_the_store_lost_is_tried_again(tmp_path: Path, film: Footage) -> None:
    world = World(tmp_path, film)
    asyncio.run(world.objects.delete(film.sidecars[1].parts[0].key))

    with pytest.raises(TransientError):
        world.assemble(a_command(film))

    assert world.announcer.events == []
    assert not list(world.scratch.rglob("*.*"))


def test_a_unit_of_other_parameters_is_refused_before_anything_is_joined(
    tmp_path: Path, film: Footage
) -> None:
    sidecars = [*film.sidecars[:2], replace(film.sidecars[2], init_hash="0123456789abcdef")]
    world = World(tmp_path, replace(film, sidecars=sidecars))

    with pytest.raises(PermanentError, match="other parameters"):
        world.assemble(a_command(film))

    assert world.joiner.orders == []


def test_an_order_that_died_before_leaves_no_files_for_the_next(tmp_path: Path, film: Footage) -> None:
    world = World(tmp_path, film)
    left = world.scratch / "join" / a_command(film).id / "96p"
    left.mkdir(parents=True)
    (left / "init.mp4").write_bytes(b"half")

    world.assemble(a_command(film))

    assert len(world.announcer.events) == 1


def test_a_scratch_folder_that_cannot_be_written_is_named(tmp_path: Path, film: Footage) -> None:
    world = World(tmp_path, film)
    world.scratch.write_text("a file")

    with pytest.raises(PermanentError) as raised:
        world.assemble(a_command(film))

    assert raised.value.category is Category.NOT_WRITABLE


ENGLISH = Subtitle(name="s0", key="jobs/x/1/source/s0-1.cues.json", language="eng", title="All", default=True)
BROKEN = Subtitle(name="s1", key="jobs/x/1/source/s1-1.cues.json", language="deu")
SHEET = CueSheet(
    cues=(
        Cue(start_ms=500, end_ms=1500, text="<i>one</i>"),
        Cue(start_ms=2000, end_ms=9000, text="beyond"),
        Cue(start_ms=2400, end_ms=2500, text="never seen"),
    )
)


def test_subtitles_go_into_the_file_and_the_playlists_and_become_files_of_their_own(
    tmp_path: Path, film: Footage, sound: Footage
) -> None:
    world = World(tmp_path, film, sound)
    asyncio.run(world.objects.create(ENGLISH.key, encode_document(SHEET)))
    asyncio.run(world.objects.create(BROKEN.key, b"\xff{"))
    staged: list[CueSheet] = []
    joining = world.joiner.join

    async def join(order: Any) -> Any:
        staged.extend(decode_document(CueSheet, Path(one.cues).read_bytes()) for one in order.texts)
        return await joining(order)

    world.joiner.join = join  # type: ignore[method-assign]

    event = world.assemble(a_command(film, sound, subtitles=(ENGLISH, BROKEN)))

    seen = (SHEET.cues[0], replace(SHEET.cues[1], end_ms=2400))
    assert staged == [CueSheet(cues=seen)]
    assert [(one.language, one.shown) for one in world.joiner.orders[0].texts] == [("eng", True)]
    assert event.warnings == ("The subtitles in deu are broken.",)
    last = event.outputs[-1]
    assert (last.kind, last.key, last.language) == ("subtitles", f"{BASE}s0.eng.vtt", "eng")
    assert validate(world.playlists()) == []
    assert 'NAME="All",LANGUAGE="en",DEFAULT=YES' in world.playlists()["master.m3u8"]
    (segment,) = parse_playlist(world.playlists()["s0.m3u8"]).entries
    text = asyncio.run(world.objects.get(BASE + segment.uri)).decode()
    assert "00:00:02.000 --> 00:00:02.400\nbeyond\n" in text


def test_a_cue_sheet_that_is_not_there_yet_may_come(tmp_path: Path, film: Footage, sound: Footage) -> None:
    world = World(tmp_path, film, sound)

    with pytest.raises(TransientError):
        world.assemble(a_command(film, sound, subtitles=(ENGLISH,)))


def test_nothing_is_shown_over_sound_alone(tmp_path: Path, sound: Footage) -> None:
    world = World(tmp_path, sound)
    asyncio.run(world.objects.create(ENGLISH.key, encode_document(SHEET)))

    event = world.assemble(a_command(sound, recipe=None, containers=("mp4",), subtitles=(ENGLISH,)))

    assert [output.kind for output in event.outputs] == ["audio"]
    assert world.joiner.orders[0].texts == ()
