"""Sound that goes on behind the picture, or ends before it: what is made so that players go on, too."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.units import UnitMeta, decode_meta
from cinelog_common.contract.values import AudioRecipe
from cinelog_download.children import decoding
from cinelog_download.domain.demuxing import TrackDone
from cinelog_fastio import BundleReader

INTERLACED = {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:scenecut=0"}
SECONDS = 2
LONG_S, SEGMENT_S = 9.0, 1.0


def pictures_in(unit: Any) -> tuple[UnitMeta, dict[int, bytes]]:
    """What the bundle says of itself, and a hash of every picture that decoding it alone shows."""
    with BundleReader.open(unit.path) as reader:
        return decode_meta(reader.meta), decoding.pictures(reader.parameters, list(reader))


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "matroska.mkv", "interlaced.ts"])
def test_the_last_picture_is_held_for_sound_that_goes_on(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    options = {"open.ts": media.OPEN, "interlaced.ts": INTERLACED}.get(name, media.CLOSED)
    film = media.Film(options=options, sound_s=LONG_S, audio="mp2" if name.endswith(".ts") else "aac")
    path = films.make(name, film)

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S)

    *_, last, held = media.units(told)
    meta, pictures = pictures_in(held)
    seconds_per_tick = meta.video.time_base[0] / meta.video.time_base[1]
    assert (meta.held, meta.frames, held.frames) == (True, 0, 0)
    assert held.start == last.end
    assert held.end * seconds_per_tick == pytest.approx(LONG_S, abs=0.1)
    shown = media.whole(path)
    assert pictures[max(pictures)] == shown[max(shown)]
    assert media.in_units(told) == shown
    assert told[-1].units == len(media.units(told))
    assert told[-1].warnings == ()


def test_a_lone_picture_is_held_as_long_as_the_sound_lasts(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("one.mp4", media.Film(frames=1, sound_s=LONG_S))

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S)

    shown, held = media.units(told)
    assert (shown.frames, held.frames, held.start) == (1, 0, shown.end)


@pytest.mark.parametrize("more_s", [-1.0, 0.0, 0.9])
def test_nothing_is_held_for_less_than_a_segment(
    films: Any, media: Any, tmp_path: Path, more_s: float
) -> None:
    path = films.make("film.mp4", media.Film(sound_s=SECONDS + more_s))

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S)

    assert all(unit.frames for unit in media.units(told))
    assert told[-1].warnings == ()


def test_sound_that_is_passed_through_and_ends_early_is_told(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("film.mp4", media.Film(frames=120, sound_s=2.0))

    copied = media.demux([path], tmp_path / "copied", segment_s=SEGMENT_S, audio=AudioRecipe(mode="copy"))
    encoded = media.demux([path], tmp_path / "encoded", segment_s=SEGMENT_S)

    (warning,) = copied[-1].warnings
    assert warning.startswith("Some sound ends 3.0 s before the film")
    assert encoded[-1].warnings == ()


def test_a_sound_that_is_passed_through_and_ends_before_what_is_held_is_told(
    films: Any, media: Any, tmp_path: Path
) -> None:
    film = films.make("film.mp4", media.Film(audio=""))
    sounds = [films.make(f"{end_s}.m4a", media.Film(frames=0, sound_s=end_s)) for end_s in (LONG_S, 4.0)]

    told = media.demux([film, *sounds], tmp_path, segment_s=SEGMENT_S, audio=AudioRecipe(mode="copy"))

    (warning,) = told[-1].warnings
    assert warning.startswith("Some sound ends 5.0 s before the film")


def test_what_needs_the_whole_unit_to_be_decoded_has_it(films: Any, media: Any, tmp_path: Path) -> None:
    refresh = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=12"}
    path = films.make("refresh.mkv", media.Film(options=refresh, frames=14, sound_s=LONG_S))

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S)

    _, pictures = pictures_in(media.units(told)[-1])
    shown = media.whole(path)
    assert pictures[max(pictures)] == shown[max(shown)]


def test_every_sound_that_is_encoded_lasts_as_long_as_the_longest(
    films: Any, media: Any, tmp_path: Path
) -> None:
    film = films.make("film.mp4", media.Film(audio=""))
    longer = films.make("longer.m4a", media.Film(frames=0, sound_s=LONG_S))
    shorter = films.make("shorter.m4a", media.Film(frames=0, sound_s=4.0))

    told = media.demux([film, longer, shorter], tmp_path, segment_s=SEGMENT_S)

    ends_s = [each.end / 48_000 for each in told if isinstance(each, TrackDone)]
    assert ends_s == pytest.approx([LONG_S, LONG_S], abs=0.1)
    assert told[-1].warnings == ()


def test_what_is_passed_through_is_not_held_but_told(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("film.mp4", media.Film(sound_s=LONG_S))

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S, video="copy")

    (warning,) = told[-1].warnings
    assert warning.startswith("The sound goes on for 7.0 s after the last picture")


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_the_sound_of_a_film_whose_picture_is_longer_is_not_cut_off(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    path = films.make(name, media.Film(frames=240, sound_s=4.0))

    told = media.demux([path], tmp_path, video="none")

    assert [each.end / 48_000 for each in told if isinstance(each, TrackDone)] == pytest.approx(
        [4.0], abs=0.1
    )
    assert told[-1].warnings == ()


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
def test_a_film_whose_longer_sound_is_not_wanted_is_not_cut_off(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    path = films.make(name, media.Film(sound_s=LONG_S))

    told = media.demux([path], tmp_path, segment_s=SEGMENT_S, audio=AudioRecipe(mode="none"))

    assert media.in_units(told) == media.whole(path)
    assert told[-1].warnings == ()
