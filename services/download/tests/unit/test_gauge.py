"""Sound that is broken, and sound that is passed through: what is said of both."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.values import AudioRecipe
from cinelog_download.children import gauge
from cinelog_download.domain.demuxing import FragmentCut, TrackDone
from cinelog_testkit.breaking import break_between
from cinelog_testkit.corpus.films import Film, Voice, write_film
from cinelog_testkit.corpus.store import film

COPY = AudioRecipe(mode="copy")
MEASURED_LU = 1.0
"""Of five blocks of the measurement four or five hold a click, lying at its edge: 10·log₁₀(5/4)."""


def done(told: list[Any]) -> list[TrackDone]:
    return [message for message in told if isinstance(message, TrackDone)]


def passed_on(told: list[Any]) -> list[int]:
    return [message.checksum for message in told if isinstance(message, FragmentCut)]


@pytest.mark.parametrize("mode", ["encode", "copy"])
def test_broken_sound_is_named_with_its_times(films: Any, media: Any, tmp_path: Path, mode: str) -> None:
    path = films.make(f"broken-{mode}.mp4", media.Film(frames=120))
    first = break_between(path, "audio", start_s=1.0, end_s=1.2)
    second = break_between(path, "audio", start_s=3.0, end_s=3.01)

    told = media.demux([path], tmp_path, audio=AudioRecipe(mode=mode))

    assert told[-1].warnings == tuple(
        f"The sound is damaged from {start_s:.2f} s to {end_s:.2f} s." for start_s, end_s in (first, second)
    )
    assert done(told)[0].loudness is not None


def test_of_several_tracks_the_broken_one_is_named(media: Any, tmp_path: Path) -> None:
    two = Film(frames=48, voices=(Voice(language="eng"), Voice(language="deu")))
    path = write_film(tmp_path / "two.mp4", two)
    start_s, end_s = break_between(path, "audio", start_s=1.0, end_s=1.1, number=1)

    told = media.demux([path], tmp_path / "made")

    assert told[-1].warnings == (f"Sound track 2 is damaged from {start_s:.2f} s to {end_s:.2f} s.",)


@pytest.mark.parametrize("name", ["aac.mp4", "libopus.mka", "flac.mka", "ac3.mka", "libmp3lame.mka"])
def test_sound_that_is_passed_through_is_as_loud_as_it_is_encoded(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    layout = "5.1" if name.startswith("ac3") else "stereo"
    made = media.Film(frames=0, audio=Path(name).stem, sound_s=3.0, layout=layout)
    path = films.make(f"loud-{name}", made)

    encoded = media.demux([path], tmp_path / "encoded", video="none")
    copied = media.demux([path], tmp_path / "copied", video="none", audio=COPY)

    [wanted], [found] = done(encoded), done(copied)
    assert found.loudness.integrated_lufs == pytest.approx(wanted.loudness.integrated_lufs, abs=MEASURED_LU)
    assert found.loudness.true_peak_dbtp == pytest.approx(wanted.loudness.true_peak_dbtp, abs=1.5)
    assert copied[-1].warnings == ()


def test_what_cannot_be_decoded_is_passed_through_and_its_loudness_is_not_known(
    films: Any, media: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = films.make("no-decoder.mp4", media.Film(frames=48))
    known = media.demux([path], tmp_path / "known", audio=COPY)
    monkeypatch.setattr(gauge, "_decoder_like", lambda stream: None)

    told = media.demux([path], tmp_path / "unknown", audio=COPY)

    assert done(told)[0].loudness is None
    assert told[-1].warnings == ("The sound could not be decoded: how loud it is is not known.",)
    assert passed_on(told) == passed_on(known)


def test_sound_that_is_broken_throughout_is_passed_through_as_it_is(
    films: Any, media: Any, tmp_path: Path
) -> None:
    path = films.make("all-broken.mp4", media.Film(frames=48))
    break_between(path, "audio", start_s=-1.0, end_s=3.0)

    told = media.demux([path], tmp_path, audio=COPY)

    [track] = done(told)
    assert track.loudness is None
    assert track.segments > 0
    assert told[-1].warnings == ("The sound could not be decoded: how loud it is is not known.",)


def test_sound_that_changes_its_rate_in_the_middle_is_measured_to_its_end(media: Any, tmp_path: Path) -> None:
    changing = film("rate-change.ts")

    encoded = media.demux([changing], tmp_path / "encoded")
    copied = media.demux([changing], tmp_path / "copied", audio=COPY)

    [wanted], [found] = done(encoded), done(copied)
    assert found.loudness.integrated_lufs == pytest.approx(wanted.loudness.integrated_lufs, abs=MEASURED_LU)
    assert not [warning for warning in copied[-1].warnings if "damaged" in warning]
