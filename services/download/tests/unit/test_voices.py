"""Films with several sound tracks."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_download.domain.demuxing import FragmentCut, Limits, Probed, TrackBegun, TrackDone
from cinelog_testkit.corpus.films import Film, Voice, write_film


@pytest.fixture
def film(tmp_path: Path) -> Path:
    voices = (Voice(language="eng"), Voice(language="deu", first_click_s=0.25))
    return write_film(tmp_path / "film.mkv", Film(frames=48, voices=voices))


def test_every_language_becomes_a_track_of_its_own(film: Path, media: Any, tmp_path: Path) -> None:
    told = media.demux([film], tmp_path / "made")

    probed = next(message for message in told if isinstance(message, Probed))
    tracks = [message for message in told if isinstance(message, TrackBegun)]
    done = {message.track: message.segments for message in told if isinstance(message, TrackDone)}
    assert [voice.language for voice in probed.audio] == ["eng", "deu"]
    assert [(track.name, track.language) for track in tracks] == [("a0", "eng"), ("a1", "deu")]
    assert told[-1].tracks == ("a0", "a1")
    for name, segments in done.items():
        cut = [message for message in told if isinstance(message, FragmentCut) and message.track == name]
        assert [message.n for message in cut] == list(range(segments))
        assert [message.start for message in cut[1:]] == [message.end for message in cut[:-1]]


def test_languages_are_told_in_three_letters_and_what_is_none_as_unknown(media: Any, tmp_path: Path) -> None:
    tags = ("en", "pt-BR", "ENG", "fre", "a1b", "en ")
    film = write_film(
        tmp_path / "film.mkv", Film(frames=48, voices=tuple(Voice(language=tag) for tag in tags))
    )

    told = media.demux([film], tmp_path / "made")

    tracks = [message for message in told if isinstance(message, TrackBegun)]
    assert [track.language for track in tracks] == ["eng", "por", "eng", "fra", "und", "eng"]


def test_of_two_files_the_one_that_was_fetched_for_its_sound_is_heard(
    film: Path, media: Any, tmp_path: Path
) -> None:
    sound = write_film(tmp_path / "sound.mka", Film(frames=0, voices=(Voice(language="fra", end_s=2.0),)))

    told = media.demux([film, sound], tmp_path / "made")

    assert [message.language for message in told if isinstance(message, TrackBegun)] == ["fra"]


def test_more_tracks_than_can_be_used_are_told_of(film: Path, media: Any, tmp_path: Path) -> None:
    told = media.demux([film], tmp_path / "made", limits=Limits(sounds=1))

    assert told[-1].tracks == ("a0",)
    assert "Of 2 sound tracks only 1 can be used." in told[-1].warnings
