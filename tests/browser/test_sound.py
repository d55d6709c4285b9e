"""What is played is heard: a tone that goes in comes out, before the job has finished and over every seam."""

from typing import Any

import pytest
from cinelog_testkit.corpus.surgery import ffmpeg
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.gateways import ENDED
from cinelog_testkit.growing import Growing
from cinelog_testkit.listening import heard, listen, tone_is_heard
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

TONE_HZ = 1000
LENGTH_S = 6.0
SILENCE_S = 0.01
"""Two milliseconds at each seam. The encoder's own delay at the film's ends is less."""
SOUGHT_S = 1.2
"""A segment: what the page goes back or ahead at most where it waits too long for what has not been made."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Several megabytes of pictures with a keyframe a second, and one tone from beginning to end."""
    folder = tmp_path_factory.mktemp("tone")
    options = {"preset": "ultrafast", "qp": "8"}
    large = Film(frames=150, size=(320, 180), noise=True, layout=None, options=options)
    pictures = make_film(folder / "pictures.mp4", large)
    tone = f"sine=frequency={TONE_HZ}:sample_rate=48000:duration={LENGTH_S},volume=4"
    film = folder / "film.mp4"
    ffmpeg("-i", pictures, "-f", "lavfi", "-i", tone, "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", film)
    return film.read_bytes()


def assert_heard_in_one_piece(listener: Any) -> None:
    """All of the tone came out once, and nothing else did."""
    sound = heard(listener)
    breaks = sound.waiting + sound.seeking
    lost_s = LENGTH_S - sound.loud_s
    assert abs(lost_s) < SILENCE_S + sound.seeking * SOUGHT_S, sound
    # A machine that is too slow makes it stop and begin again, each within at most two blocks.
    assert sound.torn <= 4 * breaks, sound
    assert listener.complaints == []


def test_the_tone_of_a_film_is_heard_before_the_job_has_finished_and_on_to_its_end(
    serve: Serve, growing: Growing, listener: Any
) -> None:
    listener.open(f"{serve.gateway.url}/watch/{growing.job}")
    listen(listener, TONE_HZ)

    listener.play(muted=False)
    listener.await_that(f"v.currentTime > 0.5 && {tone_is_heard(TONE_HZ)}")
    state = serve.gateway.show(growing.job)["state"]
    listener.await_that("v.ended")

    assert state not in ENDED
    assert_heard_in_one_piece(listener)


@pytest.mark.parametrize("playlist", ["live/master.m3u8", "output/master.m3u8"])
def test_no_seam_of_a_finished_film_is_heard(
    serve: Serve, finished_film: dict[str, Any], listener: Any, playlist: str
) -> None:
    listener.blank(serve.gateway.url)
    listen(listener, TONE_HZ)
    listener.evaluate(
        "url => { document.querySelector('video').src = url; }",
        f"{serve.gateway.url}{finished_film['links']['files']}{playlist}",
    )

    listener.play(muted=False)
    listener.await_that("v.ended")

    assert heard(listener).seeking == 0
    assert_heard_in_one_piece(listener)
