"""A film plays as if it were in one piece, growing or finished: every frame, no hole, no fault."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hosting import hosted
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

RATE = 25
FRAMES = 150
LENGTH_S = FRAMES / RATE
SLOW_BPS = 700_000
WAY = "/seams.mp4"
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


class Growing:
    """A job whose first segments can be played and whose last ones have not arrived."""

    def __init__(self, serve: Serve, origin: Origin, film: bytes) -> None:
        self.gateway = serve.gateway
        self._hurry = lambda: origin.serve(WAY, film)
        url = origin.serve(WAY, film, Behaviour(rate_bps=SLOW_BPS))
        self.job = self.gateway.submit(url, preset="ultrafast", segment_s=1.0)
        self.gateway.await_snapshot(
            self.job, lambda status: status["playable"], deadline_s=60, what="playable"
        )

    def finish(self) -> dict[str, Any]:
        """Let the rest arrive at once, and return the last snapshot."""
        self._hurry()
        return self.gateway.await_job(self.job)


@pytest.fixture(scope="module")
def finished(serve: Serve, film: bytes) -> dict[str, Any]:
    """The same film as a job that has ended."""
    with hosted(Origin()) as origin:
        job = serve.gateway.submit(origin.serve(WAY, film), preset="ultrafast", segment_s=1.0)
        return serve.gateway.await_job(job)


@pytest.fixture
def growing(serve: Serve, origin: Origin, film: bytes) -> Iterator[Growing]:
    job = Growing(serve, origin, film)
    yield job
    job.finish()


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
    serve: Serve, finished: dict[str, Any], player: Any, playlist: str
) -> None:
    player.blank(serve.gateway.url)
    player.evaluate(RECORD)

    player.evaluate(
        "url => { document.querySelector('video').src = url; }",
        f"{serve.gateway.url}{finished['links']['files']}{playlist}",
    )
    player.await_that("v.readyState >= 2")
    player.play()

    player.await_that("v.ended")
    assert_seamless(player)
    assert player.ask("window.stalls") == 0
