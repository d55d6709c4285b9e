"""Sources of many shapes: each becomes a film that shows the same."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import view, view_hls

VP8 = {"deadline": "realtime", "cpu-used": "8"}
TICK_S = 0.001
"""Matroska and WebM count in milliseconds, so do their times."""


@pytest.mark.parametrize(
    ("name", "film", "size"),
    [
        ("portrait.mp4", Film(size=(96, 160)), (96, 160)),
        ("tiny.mp4", Film(size=(32, 32)), (32, 32)),
        ("wide.mp4", Film(size=(640, 64)), (640, 64)),
        ("film-rate.mp4", Film(frames=48, rate=24), (160, 96)),
        ("one-keyframe.mp4", Film(frames=100, keyframes=1000), (160, 96)),
        ("all-keyframes.mp4", Film(keyframes=1), (160, 96)),
        ("open-groups.mp4", Film(options={"x264-params": "open-gop=1:bframes=3:b-adapt=0"}), (160, 96)),
        ("fragmented.mp4", Film(container={"movflags": "frag_keyframe+empty_moov+delay_moov"}), (160, 96)),
        ("index-first.mp4", Film(container={"movflags": "faststart"}), (160, 96)),
        ("matroska.mkv", Film(), (160, 96)),
        ("web.webm", Film(encoder="libvpx", options=VP8, sound="libopus", layout="stereo"), (160, 96)),
        (
            "broadcast.ts",
            Film(encoder="mpeg2video", timescale=25, options={"b": "2M"}, sound="mp2"),
            (160, 96),
        ),
        ("old.avi", Film(encoder="mpeg4", timescale=25, options={"b": "2M"}, sound="libmp3lame"), (160, 96)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_the_shape_every_picture_arrives(
    tmp_path: Path, convert: Any, same_film: Any, *, name: str, film: Film, size: tuple[int, int]
) -> None:
    source = make_film(tmp_path / name, film)

    done = convert(source, "--segment", "1")

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source), tick_s=TICK_S)
    same_film(view_hls(done.path("hls")), view(source), tick_s=TICK_S)
    assert viewing.size == size


def test_odd_sizes_lose_at_most_one_line_and_one_column(tmp_path: Path, convert: Any, same_film: Any) -> None:
    odd = Film(size=(161, 97), encoder="libvpx-vp9", options=VP8, sound="libopus")
    source = make_film(tmp_path / "odd.webm", odd)

    done = convert(source)

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source), tick_s=TICK_S)
    assert viewing.size in {(160, 96), (162, 98), (160, 98), (162, 96)}


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_picture_is_shown_turned(tmp_path: Path, convert: Any, same_film: Any, degrees: int) -> None:
    source = make_film(tmp_path / "turned.mp4", Film(rotation=degrees))

    done = convert(source)

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


@pytest.mark.parametrize("sound_s", [0.9, 3.5], ids=["shorter", "longer"])
def test_sound_of_another_length_than_the_picture_stays_in_place(
    tmp_path: Path, convert: Any, same_film: Any, sound_s: float
) -> None:
    source = make_film(tmp_path / "unequal.mp4", Film(sound_s=sound_s))

    done = convert(source)

    viewing = view(done.path("mp4"))
    wanted = view(source)
    same_film(viewing, wanted)
