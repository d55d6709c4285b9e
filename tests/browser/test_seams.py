"""A film plays as if it were in one piece, growing or finished: every frame, no hole, no fault."""

from itertools import pairwise
from typing import Any

import pytest
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.growing import Growing
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

RATE = 25
FRAMES = 150
LENGTH_S = FRAMES / RATE
RECORD = """() => {
  const video = document.querySelector('video');
  window.shown = [];
  window.stalls = 0;
  let begun = false;
  video.addEventListener('playing', () => { begun = true; });
  video.addEventListener('waiting', () => { if (begun && !video.ended) window.stalls += 1; });
  const next = (_, frame) => {
    window.shown.push(frame.mediaTime);
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}"""
QUALITY = "v.getVideoPlaybackQuality()"
COUNTS = [f"{QUALITY}.{name}" for name in ("totalVideoFrames", "droppedVideoFrames", "corruptedVideoFrames")]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six seconds in several megabytes, with a keyframe a second."""
    large = Film(frames=FRAMES, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
    return make_film(tmp_path_factory.mktemp("seams") / "film.mp4", large).read_bytes()


def assert_seamless(player: Any) -> None:
    """Every frame was decoded once, and what was shown is a frame of the film, one after the other."""
    total, dropped, corrupted = map(player.ask, COUNTS)
    shown = player.ask("window.shown")
    places = [round(time * RATE) for time in shown]
    assert corrupted == 0
    assert total == FRAMES
    assert [time * RATE for time in shown] == pytest.approx(places, abs=0.05)
    assert all(later > earlier for earlier, later in pairwise(places))
    assert set(places) <= set(range(FRAMES))
    if not dropped:
        # Callbacks are skipped when the page is busy, but never all around one seam.
        assert max(later - earlier for earlier, later in pairwise(places)) < RATE
    assert player.ask("[...Array(v.buffered.length).keys()].map(n => v.buffered.start(n))") == [
        pytest.approx(0, abs=0.001)
    ]
    assert player.ask("v.buffered.end(0)") == pytest.approx(LENGTH_S, abs=0.05)
    assert player.ask("v.duration") == pytest.approx(LENGTH_S, abs=0.05)
    assert player.ask("v.error && v.error.message") is None
    assert player.ask("v.webkitAudioDecodedByteCount") > 0
    assert player.complaints == []


def test_while_it_grows_every_frame_is_played_once_and_the_end_is_the_films_end(
    growing: Growing, player: Any
) -> None:
    gateway, job = growing.gateway, growing.job
    player.open(f"{gateway.url}/watch/{job}")
    player.evaluate(RECORD)

    player.play()
    player.await_that("v.currentTime > 0.5")
    fraction = gateway.show(job)["fraction"]
    begun = gateway.file(job, "live/180p.m3u8")
    player.await_that("v.ended")

    assert fraction < 0.9
    assert not begun.endswith(b"#EXT-X-ENDLIST\n")
    assert gateway.file(job, "live/180p.m3u8").endswith(b"#EXT-X-ENDLIST\n")
    assert_seamless(player)


@pytest.mark.parametrize("playlist", ["live/master.m3u8", "output/master.m3u8"])
def test_finished_it_plays_through_in_the_browsers_own_player(
    serve: Serve, finished_film: dict[str, Any], player: Any, playlist: str
) -> None:
    player.blank(serve.gateway.url)
    player.evaluate(RECORD)

    player.evaluate(
        "url => { document.querySelector('video').src = url; }",
        f"{serve.gateway.url}{finished_film['links']['files']}{playlist}",
    )
    player.await_that("v.readyState >= 2")
    player.play()

    player.await_that("v.ended")
    assert_seamless(player)
    assert player.ask("window.stalls") == 0
