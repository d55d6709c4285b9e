"""Sound that goes on long behind the picture: players that read ahead in both stop where one ends."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

PICTURE_S, SOUND_S = 2.0, 24.0


@pytest.fixture(scope="module")
def ended(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A job whose sound goes on for longer than any player reads ahead without a picture."""
    film = Film(frames=int(PICTURE_S * 25), sound_s=SOUND_S, size=(320, 180))
    path = make_film(tmp_path_factory.mktemp("outlasting") / "film.mp4", film)
    return serve.gateway.await_job(serve.gateway.submit(str(path), preset="ultrafast", segment_s=2.0))


def assert_goes_on(player: Any) -> None:
    """It plays behind the picture's end, after a leap there too, and to the end of the sound."""
    player.play(speed=2)
    player.await_that(f"v.currentTime > {PICTURE_S + 8}")
    player.ask(f"(v.currentTime = {SOUND_S - 3}, true)")
    player.await_that("v.ended")
    assert player.ask("v.error && v.error.message") is None
    assert player.ask("v.currentTime") == pytest.approx(SOUND_S, abs=0.2)
    assert player.complaints == []


def test_its_page_plays_on(serve: Serve, ended: dict[str, Any], player: Any) -> None:
    player.open(f"{serve.gateway.url}{ended['links']['watch']}")
    player.await_that("v.readyState >= 2")

    assert_goes_on(player)


def test_the_browsers_own_player_of_hls_plays_on(serve: Serve, ended: dict[str, Any], player: Any) -> None:
    (url,) = (output["url"] for output in ended["outputs"] if output["kind"] == "hls")
    player.blank(serve.gateway.url)
    player.ask(f"(v.src = {serve.gateway.url + url!r}, true)")
    player.await_that("v.readyState >= 2")

    assert_goes_on(player)


def test_dash_js_plays_on(serve: Serve, ended: dict[str, Any], player: Any, script: Path) -> None:
    player.blank(serve.gateway.url, script)
    player.start_dash(f"{serve.gateway.url}{ended['links']['files']}output/manifest.mpd")
    player.await_that("v.readyState >= 2")

    assert_goes_on(player)
    assert player.ask("window.problems") == []
