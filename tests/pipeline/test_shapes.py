"""Sources of many shapes: each becomes a film that shows the same."""

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.commands import Finished
from cinelog_testkit.converting import converted
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.overlapping import begun, names_chosen
from cinelog_testkit.viewing import view, view_hls

VP8 = {"deadline": "realtime", "cpu-used": "8"}
TICK_S = 0.001
"""Matroska and WebM count in milliseconds, so do their times."""


SHAPES = {
    "portrait.mp4": Film(size=(96, 160)),
    "tiny.mp4": Film(size=(32, 32)),
    "wide.mp4": Film(size=(640, 64)),
    "film-rate.mp4": Film(frames=48, rate=24),
    "one-keyframe.mp4": Film(frames=100, keyframes=1000),
    "all-keyframes.mp4": Film(keyframes=1),
    "open-groups.mp4": Film(options={"x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    "fragmented.mp4": Film(container={"movflags": "frag_keyframe+empty_moov+delay_moov"}),
    "index-first.mp4": Film(container={"movflags": "faststart"}),
    "matroska.mkv": Film(),
    "web.webm": Film(encoder="libvpx", options=VP8, sound="libopus", layout="stereo"),
    "broadcast.ts": Film(encoder="mpeg2video", timescale=25, options={"b": "2M"}, sound="mp2"),
    "old.avi": Film(encoder="mpeg4", timescale=25, options={"b": "2M"}, sound="libmp3lame"),
}
TURNED = {f"turned-{degrees}.mp4": Film(rotation=degrees) for degrees in (90, 180, 270)}
UNEQUAL = {
    "shorter-sound.mp4": Film(sound_s=0.9),
    "longer-sound.mp4": Film(sound_s=3.5),
}
FILMS = {**SHAPES, **TURNED, **UNEQUAL}
Made = dict[str, Future[tuple[Path, Finished]]]


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Of each film that a chosen test is about: where it lies, and what it became."""

    def make(name: str) -> tuple[Path, Finished]:
        folder = tmp_path_factory.mktemp("shape")
        source = make_film(folder / name, FILMS[name])
        return source, converted(source, folder / "out", "--segment", "1")

    with begun({name: partial(make, name) for name in names_chosen(request)}) as calls:
        yield calls


@pytest.mark.parametrize("name", SHAPES)
def test_whatever_the_shape_every_picture_arrives(made: Made, same_film: Any, name: str) -> None:
    source, done = made[name].result()

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source), tick_s=TICK_S)
    same_film(view_hls(done.path("hls")), view(source), tick_s=TICK_S)
    assert viewing.size == SHAPES[name].size


def test_odd_sizes_lose_at_most_one_line_and_one_column(tmp_path: Path, convert: Any, same_film: Any) -> None:
    odd = Film(size=(161, 97), encoder="libvpx-vp9", options=VP8, sound="libopus")
    source = make_film(tmp_path / "odd.webm", odd)

    done = convert(source)

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source), tick_s=TICK_S)
    assert viewing.size in {(160, 96), (162, 98), (160, 98), (162, 96)}


@pytest.mark.parametrize("name", TURNED)
def test_a_turned_picture_is_shown_turned(made: Made, same_film: Any, name: str) -> None:
    source, done = made[name].result()

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source))
    assert viewing.rotation == view(source).rotation


def test_a_film_without_sound_stays_without(tmp_path: Path, convert: Any, same_film: Any) -> None:
    source = make_film(tmp_path / "silent.mp4", Film(layout=None))

    done = convert(source)

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source))
    same_film(view_hls(done.path("hls")), view(source))
    assert viewing.sound == ""


def test_sound_without_pictures_becomes_sound(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "song.m4a", Film(frames=0, sound_s=5.0))

    done = convert(source)

    kinds = {output["kind"] for output in done.result["outputs"]}
    heard = view(done.path("audio" if "audio" in kinds else "mp4"))
    assert heard.pictures == ()
    assert heard.clicks_s == pytest.approx(view(source).clicks_s, abs=0.003)


def test_five_channels_and_the_low_one_are_kept(tmp_path: Path, convert: Any, same_film: Any) -> None:
    source = make_film(tmp_path / "surround.mp4", Film(layout="5.1"))

    done = convert(source)

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source))
    assert viewing.channels == 6


@pytest.mark.parametrize("name", UNEQUAL)
def test_sound_of_another_length_than_the_picture_stays_in_place(
    made: Made, same_film: Any, name: str
) -> None:
    source, done = made[name].result()

    same_film(view(done.path("mp4")), view(source))
