"""Tags, cover and chapters of a joined file, as libavformat reads them."""

from pathlib import Path

import av
from av.stream import Disposition
from cinelog_common.cmaf.boxes import descend
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.joining import JoinTags, JoinTrack, Mark, join_mp4
from cinelog_common.cmaf.textinits import chapter_init, chapter_sample

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


def chapters_of(path: Path) -> list[tuple[int, str]]:
    with av.open(path) as film:
        return [
            (round(1000 * one["start"] * one["time_base"]), one["metadata"].get("title", ""))
            for one in film.chapters()
        ]


def chapter_track(folder: Path, titles: list[tuple[int, str]], end: int) -> JoinTrack:
    starts = [start for start, _ in titles]
    payload = [chapter_sample(title) for _, title in titles]
    samples = [
        Sample(size=len(data), duration=after - start, composition_offset=0, sync=True)
        for data, start, after in zip(payload, starts, [*starts[1:], end], strict=True)
    ]
    path = folder / "chapters.m4s"
    path.write_bytes(write_fragment(FragmentSpec(sequence=1, base_time=starts[0], samples=samples), payload))
    return JoinTrack(init=chapter_init(), fragments=[path], kind="chapters")


def test_every_tag_is_read_back(pictures: JoinTrack, tmp_path: Path) -> None:
    named = {
        "title": "Füm",
        "artist": "A",
        "album": "B",
        "album_artist": "C",
        "composer": "D",
        "genre": "E",
        "date": "2024-05-06",
        "comment": "F",
        "description": "G",
        "copyright": "H",
    }

    join_mp4([pictures], tmp_path / "film.mp4", JoinTags(**named))

    with av.open(tmp_path / "film.mp4") as film:
        assert {name: film.metadata[name] for name in named} == named


def test_a_cover_is_an_attached_picture(pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([pictures], tmp_path / "film.mp4", JoinTags(cover=JPEG))

    with av.open(tmp_path / "film.mp4") as film:
        (cover,) = [stream for stream in film.streams.video if stream.disposition & Disposition.attached_pic]
        assert cover.codec_context.name == "mjpeg"


def test_chapters_are_read_from_nero_s_list(pictures: JoinTrack, tmp_path: Path) -> None:
    marks = [Mark(start_ms=0, title="One"), Mark(start_ms=100, title="Zwei" * 100)]

    join_mp4([pictures], tmp_path / "film.mp4", JoinTags(chapters=marks))

    assert chapters_of(tmp_path / "film.mp4") == [(0, "One"), (100, ("Zwei" * 100)[:255])]


def test_chapters_are_read_from_the_track_that_quicktime_wants(pictures: JoinTrack, tmp_path: Path) -> None:
    titles = [(0, "One"), (120, "Größer")]

    join_mp4([pictures, chapter_track(tmp_path, titles, 250)], tmp_path / "film.mp4")

    data = (tmp_path / "film.mp4").read_bytes()
    assert chapters_of(tmp_path / "film.mp4") == titles
    assert data[descend(data, b"moov", b"trak", b"tref", b"chap").body :][:4] == b"\0\0\0\2"


def test_both_forms_together_are_one_list(pictures: JoinTrack, tmp_path: Path) -> None:
    titles = [(40, "One"), (120, "Two")]
    marks = [Mark(start_ms=start, title=title) for start, title in titles]

    join_mp4(
        [pictures, chapter_track(tmp_path, titles, 250)], tmp_path / "film.mp4", JoinTags(chapters=marks)
    )

    assert [title for _, title in chapters_of(tmp_path / "film.mp4")] == ["One", "Two"]
    with av.open(tmp_path / "film.mp4") as film:
        assert [stream.type for stream in film.streams if stream.type == "subtitle"] == []
