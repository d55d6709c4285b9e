"""What a result says of itself: title, tags, chapters, and a picture to know it by."""

import json
import re
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_testkit.films import Film, make_film

TAGS = {"artist": "Somebody", "album": "A series", "date": "2024", "comment": "Once seen"}
CHAPTERS = ((0.0, "Beginning"), (1.0, "Größeres"), (2.5, ""))


@pytest.mark.parametrize("name", ["named.mp4", "named.mkv"])
def test_title_tags_and_chapters_arrive_in_the_file(tmp_path: Path, convert: Any, name: str) -> None:
    source = make_film(
        tmp_path / name, Film(frames=100, title="A film of note", tags=TAGS, chapters=CHAPTERS)
    )

    done = convert(source)

    with av.open(str(done.path("mp4"))) as film:
        assert {key: film.metadata[key] for key in TAGS} == TAGS
        assert film.metadata["title"] == "A film of note"
        told = [(float(one["start"] * one["time_base"]), one["metadata"]["title"]) for one in film.chapters()]
    assert told == [(0.0, "Beginning"), (1.0, "Größeres"), (2.5, "Chapter 3")]
    metadata = json.loads(done.path("mp4").with_suffix(".json").read_text())
    assert metadata["tags"]["artist"] == "Somebody"
    assert [one["start_s"] for one in metadata["chapters"]] == [0.0, 1.0, 2.5]


def test_chapters_arrive_in_webm_too(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "named.mkv", Film(title="A film", chapters=((0.0, "One"), (1.0, "Two"))))

    done = convert(source, "--codec", "vp9", "--container", "webm")

    with av.open(str(done.path("webm"))) as film:
        assert film.metadata["title"] == "A film"
        assert [one["metadata"]["title"] for one in film.chapters()] == ["One", "Two"]


def test_the_poster_of_a_film_that_begins_black_is_not_black(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "dark.mp4", Film(frames=150, black=75))

    done = convert(source, "--segment", "1")

    with av.open(str(done.path("poster"))) as picture:
        (frame,) = picture.decode(video=0)
        pixels = frame.to_ndarray(format="gray")
    assert pixels.std() > 20
    assert (frame.width, frame.height) == (160, 96)


def test_the_sprite_sheet_shows_what_its_cues_say(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "dark.mp4", Film(frames=150, black=75))

    done = convert(source, "--segment", "1")

    cues = re.findall(
        r"([\d:.]+) --> ([\d:.]+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)",
        done.path("sprite").with_suffix(".vtt").read_text(),
    )
    with av.open(str(done.path("sprite"))) as picture:
        (frame,) = picture.decode(video=0)
        sheet = frame.to_ndarray(format="gray")
    bright = []
    for start, _, image, *place in cues:
        x, y, width, height = map(int, place)
        assert image == done.path("sprite").name
        tile = sheet[y : y + height, x : x + width]
        assert tile.shape == (height, width)
        bright.append((start, bool(tile.std() > 20)))
    assert bright == sorted(bright, key=lambda one: one[1])
    assert [shown for _, shown in bright].count(True) >= 1
    assert [cue[0] for cue in cues[1:]] == [cue[1] for cue in cues[:-1]]
