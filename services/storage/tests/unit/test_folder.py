"""The folder as a destination: hostile titles, strangers' files, playlists, full and foreign disks."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract.values import Output
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_storage.adapters import files
from cinelog_storage.adapters.folder import FolderShelf, FolderShelves
from cinelog_storage.domain.playlists import addresses, uris

MP4 = Output(kind="mp4", key="jobs/a/1/output/video.mp4")
HLS = Output(kind="hls", key="jobs/a/1/output/master.m3u8")


class Place:
    """A folder, and a store with one small result."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "films"
        self.objects = FolderObjectStore(root / "objects", durable=False)
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.shelves = FolderShelves(self.objects, self.documents)

    def shelf(self, job: str = "a", run: int = 1) -> FolderShelf:
        return self.shelves.open(str(self.folder), job=job, run=run)

    def put(self, *outputs: Output, title: str = "A film", job: str = "a", run: int = 1) -> list[str]:
        """Stage and reveal; return the paths below the folder."""

        async def work() -> list[str]:
            shelf = self.shelf(job, run)
            shown = await shelf.reveal(await shelf.stage(outputs, title=title))
            return [str(Path(output.path or "").relative_to(self.folder)) for output in shown]

        return asyncio.run(work())

    def store(self, key: str, data: bytes) -> None:
        asyncio.run(self.objects.create(key, data))

    def seen(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.store(MP4.key, b"film")
    return place


@pytest.fixture
def playlists(place: Place) -> Place:
    segments = [f"jobs/a/1/encoded/r/360p/{n:06d}-000.g0.m4s" for n in range(3)]
    for key in [*segments, "jobs/a/1/encoded/r/360p/init-1.mp4"]:
        place.store(key, key.encode())
    text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n"
    text += '#EXT-X-MAP:URI="../encoded/r/360p/init-1.mp4"\n'
    text += "".join(f"#EXTINF:4.0,\n../{key.removeprefix('jobs/a/1/')}\n" for key in segments)
    place.store("jobs/a/1/output/360p.m3u8", (text + "#EXT-X-ENDLIST\n").encode())
    place.store(HLS.key, b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p.m3u8\n")
    return place


@pytest.mark.parametrize(
    "title",
    [
        "../../etc/passwd",
        "/absolute",
        ".hidden",
        "-rf",
        "nul\0byte",
        "a\nb\rc",
        "CON",
        "",
        "   ",
        "...",
        "x" * 4000,
        "é" * 300,
        "film%#?.mp4",
        "*[a-z]?",
        "\u202efdp.exe",
        "lone \ud800 surrogate",
        "日本語の映画 🎬",
        "C:\\windows\\film",
    ],
)
def test_whatever_the_title_the_file_lies_in_the_folder_under_a_plain_name(place: Place, title: str) -> None:
    (shown,) = place.put(MP4, title=title)

    path = place.folder / shown
    assert path.parent == place.folder
    assert path.read_bytes() == b"film"
    assert not shown.startswith((".", "-"))
    assert len(shown.encode()) <= 200


def test_a_file_that_was_there_before_is_never_written_over(place: Place) -> None:
    place.folder.mkdir()
    (place.folder / "A film.mp4").write_bytes(b"precious")

    shown = place.put(MP4)

    assert shown == ["A film (2).mp4"]
    assert (place.folder / "A film.mp4").read_bytes() == b"precious"


def test_a_dangling_link_of_somebody_else_is_not_followed(place: Place, tmp_path: Path) -> None:
    place.folder.mkdir()
    (place.folder / "A film.mp4").symlink_to(tmp_path / "elsewhere")

    shown = place.put(MP4)

    assert shown == ["A film (2).mp4"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_appears_between_staging_and_revealing_is_not_written_over(place: Place) -> None:
    async def work() -> tuple[Output, ...]:
        shelf = place.shelf()
        staged = await shelf.stage([MP4], title="A film")
        (place.folder / "A film.mp4").write_bytes(b"precious")
        return await shelf.reveal(staged)

    (shown,) = asyncio.run(work())

    assert shown.path == str(place.folder / "A film (2).mp4")
    assert (place.folder / "A film.mp4").read_bytes() == b"precious"


def test_a_new_run_of_the_job_replaces_its_own_files(place: Place) -> None:
    place.put(MP4)
    newer = Output(kind="mp4", key="jobs/a/2/output/video.mp4")
    place.store(newer.key, b"newer film")

    shown = place.put(newer, run=2)

    assert shown == ["A film.mp4"]
    assert (place.folder / "A film.mp4").read_bytes() == b"newer film"
    assert place.seen() == {"A film.mp4"}


def test_a_new_run_does_not_touch_what_the_user_changed_since(place: Place) -> None:
    place.put(MP4)
    (place.folder / "A film.mp4").unlink()
    (place.folder / "A film.mp4").write_bytes(b"cut by hand")
    newer = Output(kind="mp4", key="jobs/a/2/output/video.mp4")
    place.store(newer.key, b"newer film")

    shown = place.put(newer, run=2)

    assert shown == ["A film (2).mp4"]
    assert (place.folder / "A film.mp4").read_bytes() == b"cut by hand"


def test_a_run_that_loses_leaves_the_result_of_the_run_before(place: Place) -> None:
    place.put(MP4)

    async def work() -> None:
        shelf = place.shelf(run=2)
        await shelf.stage([MP4], title="A film")
        await shelf.discard()

    asyncio.run(work())

    assert place.seen() == {"A film.mp4"}


def test_a_name_whose_files_are_gone_is_free_again(place: Place) -> None:
    place.put(MP4, job="a")
    (place.folder / "A film.mp4").unlink()

    assert place.put(MP4, job="b") == ["A film.mp4"]


def test_names_that_a_pattern_would_mix_up_are_kept_apart(place: Place) -> None:
    place.put(MP4, job="a", title="film [1]")

    assert place.put(MP4, job="b", title="film 1") == ["film 1.mp4"]


def test_playlists_find_their_segments_in_their_own_folder(playlists: Place) -> None:
    (shown,) = playlists.put(HLS)

    folder = playlists.folder / "A film"
    media = (folder / "360p.m3u8").read_text()
    assert shown == "A film/master.m3u8"
    assert uris(media)[0] == "360p/init-1.mp4"
    assert len(uris(media)) == 4
    for uri in uris(media):
        assert (folder / uri).read_bytes().startswith(b"jobs/a/1/encoded/")
    assert "../" not in media


def test_playlists_are_placed_again_over_themselves(playlists: Place) -> None:
    first = playlists.put(HLS)

    second = playlists.put(HLS)

    assert first == second
    assert playlists.seen() == {"A film"}
    assert (playlists.folder / "A film" / "360p" / "init-1.mp4").exists()


def test_a_folder_in_which_somebody_keeps_other_things_is_left_alone(playlists: Place) -> None:
    playlists.put(HLS)
    (playlists.folder / "A film" / "notes.txt").write_text("precious")

    assert playlists.put(HLS, run=2) == ["A film (2)/master.m3u8"]
    assert (playlists.folder / "A film" / "notes.txt").read_text() == "precious"


@pytest.fixture
def manifest(playlists: Place) -> Place:
    """The same film for DASH players, with a sound that no playlist lists."""
    for name in ("init-2.mp4", "000000-000.g0.m4s"):
        playlists.store(f"jobs/a/1/encoded/s/a1/{name}", f"jobs/a/1/encoded/s/a1/{name}".encode())
    listed = ["r/360p/init-1.mp4", *(f"r/360p/{n:06d}-000.g0.m4s" for n in range(3))]
    listed += ["s/a1/init-2.mp4", "s/a1/000000-000.g0.m4s"]
    text = "".join(f' <SegmentURL media="../encoded/{name}" />\n' for name in listed)
    playlists.store("jobs/a/1/output/manifest.mpd", f"<MPD>\n{text}</MPD>\n".encode())
    return playlists


def test_a_manifest_finds_the_segments_of_the_playlists_and_its_own(manifest: Place) -> None:
    manifest.put(HLS)

    folder = manifest.folder / "A film"
    found = addresses((folder / "manifest.mpd").read_text())
    assert set(uris((folder / "360p.m3u8").read_text())) <= set(found)
    assert len(found) == 6
    for uri in found:
        assert (folder / uri).read_bytes().startswith(b"jobs/a/1/encoded/")


def test_a_result_with_a_manifest_is_placed_again_over_itself(manifest: Place) -> None:
    assert manifest.put(HLS) == manifest.put(HLS, run=2)
    assert manifest.seen() == {"A film"}


@pytest.mark.parametrize("uri", ["../../../escape.m3u8", "/etc/passwd", "http://elsewhere/x.m3u8", ".hidden"])
def test_a_playlist_that_leads_elsewhere_is_refused(place: Place, uri: str) -> None:
    place.store(HLS.key, f"#EXTM3U\n{uri}\n".encode())

    with pytest.raises(PermanentError):
        place.put(HLS)

    assert place.seen() == set()


def test_a_segment_that_is_missing_leaves_nothing(playlists: Place) -> None:
    asyncio.run(playlists.objects.delete("jobs/a/1/encoded/r/360p/000001-000.g0.m4s"))

    with pytest.raises(PermanentError):
        playlists.put(MP4, HLS)

    assert playlists.seen() == set()


def test_a_film_is_linked_and_not_copied(place: Place) -> None:
    place.put(MP4)

    source = place.objects.local_path(MP4.key)
    assert source is not None
    assert (place.folder / "A film.mp4").samefile(source)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_no_link_can_be_the_film_is_copied(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _fail(monkeypatch, "hardlink_to", number)
    monkeypatch.setattr(files.os, "link", _failing(number))

    place.put(MP4)

    source = place.objects.local_path(MP4.key)
    assert source is not None
    assert (place.folder / "A film.mp4").read_bytes() == b"film"
    assert not (place.folder / "A film.mp4").samefile(source)


@pytest.mark.parametrize(
    ("number", "category"),
    [
        (errno.ENOSPC, Category.NO_SPACE),
        (errno.EDQUOT, Category.NO_SPACE),
        (errno.EROFS, Category.NOT_WRITABLE),
        (errno.EIO, Category.NOT_WRITABLE),
    ],
)
def test_a_full_or_broken_disk_is_named_and_left_clean(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int, category: Category
) -> None:
    _fail(monkeypatch, "hardlink_to", number)

    with pytest.raises(PermanentError) as raised:
        place.put(MP4)

    assert raised.value.category is category
    assert raised.value.action
    assert place.seen() == set()


def test_a_destination_that_is_a_file_is_not_writable(place: Place) -> None:
    place.folder.write_text("a file")

    with pytest.raises(PermanentError) as raised:
        place.put(MP4)

    assert raised.value.category is Category.NOT_WRITABLE


def test_sprite_cues_name_the_sheet_as_it_is_called_here(place: Place) -> None:
    sprite = Output(kind="sprite", key="jobs/a/1/output/sprite.jpg")
    cues = Output(kind="thumbnails", key="jobs/a/1/output/sprite.vtt")
    place.store(sprite.key, b"sheet")
    place.store(cues.key, b"WEBVTT\n\n00:00 --> 00:01\nsprite.jpg#xywh=0,0,1,1\n")

    shown = place.put(sprite, cues, title="Fünf #1")

    assert shown == ["Fünf #1.sprite.jpg", "Fünf #1.sprite.vtt"]
    assert "F%C3%BCnf%20%231.sprite.jpg#xywh=0,0,1,1" in (place.folder / shown[1]).read_text()


def _failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def _fail(monkeypatch: pytest.MonkeyPatch, method: str, number: int) -> None:
    monkeypatch.setattr(files.Path, method, _failing(number))


def test_subtitles_lie_beside_the_film_under_its_name_and_their_language(place: Place) -> None:
    texts = [
        Output(kind="subtitles", key=f"jobs/a/1/output/s{n}.{language}.vtt", language=language)
        for n, language in enumerate(("eng", "deu", "eng"))
    ]
    for output in texts:
        place.store(output.key, b"WEBVTT\n")

    shown = place.put(MP4, *texts)

    assert shown == ["A film.mp4", "A film.eng.vtt", "A film.deu.vtt", "A film.s2.eng.vtt"]
