"""What Cinelog makes plays in a real browser, finished or still growing."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.gateways import ENDED
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

LENGTH_S = 8.0
SLOW_BPS = 600_000


def assert_played_through(player: Any, length_s: float) -> None:
    assert player.ask("v.error && v.error.message") is None
    assert player.ask("v.currentTime") == pytest.approx(length_s, abs=0.1)
    assert player.ask("v.buffered.length") == 1
    assert player.ask("v.webkitDecodedFrameCount") > 0
    assert player.ask("v.webkitAudioDecodedByteCount") > 0
    assert player.complaints == []


def test_a_finished_job_plays_through_on_its_page(
    serve: Serve, finished: dict[str, Any], player: Any
) -> None:
    player.open(f"{serve.gateway.url}{finished['links']['watch']}")
    player.await_that("v.readyState >= 2")

    player.play(speed=4)

    player.await_that("v.ended")
    assert (player.ask("v.videoWidth"), player.ask("v.videoHeight")) == (1280, 720)
    assert_played_through(player, LENGTH_S)


def test_a_finished_file_plays_through(serve: Serve, finished: dict[str, Any], player: Any) -> None:
    (url,) = (output["url"] for output in finished["outputs"] if output["kind"] == "mp4")
    player.open(f"{serve.gateway.url}{url}")
    player.await_that("v.readyState >= 2")

    player.play(speed=4)

    player.await_that("v.ended")
    assert_played_through(player, LENGTH_S)


def test_seeking_in_a_finished_file_goes_where_it_should(
    serve: Serve, finished: dict[str, Any], player: Any
) -> None:
    (url,) = (output["url"] for output in finished["outputs"] if output["kind"] == "mp4")
    player.open(f"{serve.gateway.url}{url}")
    player.await_that("v.readyState >= 2")
    # Chromium plays what is opened by its own address; it would run on while it is asked.
    player.ask("(v.pause(), true)")

    for second in (7.0, 0.5, 3.25):
        player.ask(f"(v.currentTime = {second})")
        player.await_that("!v.seeking && v.readyState >= 2")

        assert player.ask("v.currentTime") == pytest.approx(second, abs=0.05)
    assert player.complaints == []


def test_a_job_plays_with_sound_before_it_has_finished_and_on_to_its_end(
    serve: Serve, origin: Origin, tmp_path: Path, player: Any
) -> None:
    large = Film(frames=200, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
    data = make_film(tmp_path / "growing.mp4", large).read_bytes()
    url = origin.serve("/growing.mp4", data, Behaviour(rate_bps=SLOW_BPS))
    job = serve.gateway.submit(url, preset="ultrafast", segment_s=1.0)
    serve.gateway.await_snapshot(job, lambda status: status["playable"], deadline_s=60, what="playable")

    player.open(f"{serve.gateway.url}/watch/{job}")
    player.play()
    player.await_that("v.currentTime > 0.8 && v.webkitAudioDecodedByteCount > 0")
    state = serve.gateway.show(job)["state"]
    arrived = origin.sent("/growing.mp4") / len(data)

    assert state not in ENDED
    assert arrived < 1
    origin.serve("/growing.mp4", data)
    player.play(speed=4)
    player.await_that("v.ended")
    assert serve.gateway.await_job(job)["state"] == "completed"
    assert_played_through(player, 8.0)
