"""The profile `audio`: three kinds of file, each to the sample, with what is said of it and its picture."""

from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition
from cinelog_testkit.commands import Finished, cinelog
from cinelog_testkit.converting import converted
from cinelog_testkit.films import Film, jpeg, make_film
from cinelog_testkit.overlapping import begun, names_chosen
from cinelog_testkit.viewing import view

TAGS = {"artist": "Somebody", "album": "Clicks"}


def samples_in(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))


def started_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return (container.start_time or 0) / 1_000_000


CODECS = {"m4a": "aac", "mp3": "mp3", "opus": "opus"}
SONGS = {f"{wanted} at {rate}": (wanted, rate) for rate in (48_000, 44_100) for wanted in CODECS}


@pytest.fixture(scope="module")
def songs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Finished]]]:
    """The file that is made of each chosen song."""

    def make(name: str) -> Finished:
        wanted, rate = SONGS[name]
        song = Film(
            frames=0, sound_s=5.3, layout="stereo", sample_rate=rate, cover=jpeg(), title="Clicks", tags=TAGS
        )
        folder = tmp_path_factory.mktemp("song")
        source = make_film(folder / "song.mp4", song)
        return converted(source, folder / "out", "--profile", "audio", "--audio-format", wanted, quick=False)

    with begun({name: partial(make, name) for name in names_chosen(request)}) as results:
        yield results


@pytest.mark.parametrize("name", SONGS)
def test_sound_is_made_into_the_file_that_is_asked_for(songs: dict[str, Future[Finished]], name: str) -> None:
    wanted, _ = SONGS[name]

    done = songs[name].result()

    path = done.path("audio")
    heard = view(path)
    assert path.suffix == f".{wanted}"
    assert heard.sound == CODECS[wanted]
    assert [at - started_s(path) for at in heard.clicks_s] == pytest.approx(
        [0.5, 1.5, 2.5, 3.5, 4.5], abs=0.003
    )
    with av.open(str(path)) as container:
        said = {**container.metadata, **container.streams.audio[0].metadata}
        assert {name: said[name] for name in TAGS} == TAGS
        assert said["title"] == "Clicks"
        assert any(stream.disposition & Disposition.attached_pic for stream in container.streams.video)


@pytest.mark.parametrize("wanted", ["mp3", "opus"])
def test_not_a_sample_is_lost_and_none_is_added(tmp_path: Path, convert: Any, wanted: str) -> None:
    source = make_film(tmp_path / "song.mka", Film(frames=0, sound_s=3.21, sound="flac", layout="stereo"))

    done = convert(source, "--profile", "audio", "--audio-format", wanted, quick=False)

    assert samples_in(done.path("audio")) == samples_in(source)


def test_surround_becomes_stereo_where_the_file_holds_no_more(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "surround.mp4", Film(layout="5.1"))

    done = convert(source, "--profile", "audio", "--audio-format", "mp3", quick=False)

    assert view(done.path("audio")).channels == 2


def test_a_film_keeps_the_picture_that_it_carries_for_itself(
    tmp_path: Path, convert: Any, same_film: Any
) -> None:
    source = make_film(tmp_path / "film.mp4", Film(cover=jpeg()))

    done = convert(source)

    same_film(view(done.path("mp4")), view(source))
    with av.open(str(done.path("mp4"))) as container:
        covers = [one for one in container.streams.video if one.disposition & Disposition.attached_pic]
        assert len(covers) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--audio-format", "mp3"),
        ("--profile", "audio", "--audio-format", "mp3", "--audio-bitrate", "400"),
        ("--profile", "audio", "--audio-format", "opus", "--container", "mp4"),
    ],
    ids=" ".join,
)
def test_what_no_such_file_can_be_is_refused(film: Path, out: Path, words: tuple[str, ...]) -> None:
    done = cinelog("run", film, "--out", out, "--json", *words)

    assert done.code == 2
    assert done.result["error"]["category"] == "invalid_request"
    assert not out.exists()
