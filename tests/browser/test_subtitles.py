"""Subtitles are there for who watches: in the playlists' text track, and in the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cinelog_gateway
import pytest
from cinelog_testkit.corpus.store import film
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

HLS_JS = Path(cinelog_gateway.__file__).parent / "static" / "hls.min.js"
START = """url => new Promise((done, failed) => {
  const player = window.player = new Hls();
  window.problems = [];
  player.on(Hls.Events.ERROR, (_, data) => window.problems.push(data.details));
  player.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => done(
    player.subtitleTracks.map(track => [track.name, track.lang, track.default, track.forced])));
  setTimeout(() => failed(new Error('no subtitles: ' + window.problems.join())), 30000);
  player.loadSource(url);
  player.attachMedia(document.querySelector('video'));
})"""
SHOWN = "Array.from(v.textTracks).filter(track => track.mode === 'showing')"
CUES = f"{SHOWN}.flatMap(track => Array.from(track.cues || []))"
TOLD = f"{CUES}.map(cue => [cue.startTime, cue.endTime, cue.text])"
ENGLISH = [
    [0.5, 1.4, "<i>Hello</i> &amp; welcome"],
    [1.0, 2.0, "Two at once --&gt; here"],
    [3.5, 3.841, "Beyond the end"],
]


@pytest.fixture(scope="module")
def job(serve: Serve) -> dict[str, Any]:
    """A film with subtitles in two languages, of which one is shown unasked."""
    job = serve.gateway.submit(str(film("subtitles.mkv")), preset="ultrafast", segment_s=1.0)
    ended: dict[str, Any] = serve.gateway.await_job(job)
    return ended


@pytest.fixture
def address(serve: Serve, job: dict[str, Any]) -> Callable[[str], str]:
    def of(kind: str) -> str:
        (url, *_) = (output["url"] for output in job["outputs"] if output["kind"] == kind)
        return f"{serve.gateway.url}{url}"

    return of


def near(cues: list[list[Any]]) -> list[list[Any]]:
    return [
        [pytest.approx(start, abs=0.002), pytest.approx(end, abs=0.002), text] for start, end, text in cues
    ]


def test_the_cues_of_the_playlists_are_shown_at_their_times(
    serve: Serve, player: Any, address: Callable[[str], str]
) -> None:
    player.blank(serve.gateway.url, HLS_JS)

    tracks = player.evaluate(START, address("hls"))
    player.play(speed=2)
    player.await_that(f"v.ended && {CUES}.length >= 3")

    assert [track[:2] for track in tracks] == [["For all", "en"], ["deu", "de"]]
    assert [bool(track[2]) for track in tracks] == [True, False]
    assert player.ask(TOLD) == near(ENGLISH)
    assert player.evaluate("() => window.problems") == []
    assert player.complaints == []


def test_another_language_can_be_chosen(serve: Serve, player: Any, address: Callable[[str], str]) -> None:
    player.blank(serve.gateway.url, HLS_JS)
    player.evaluate(START, address("hls"))

    player.evaluate("() => { window.player.subtitleTrack = 1; }")
    player.await_that(f"{CUES}.length >= 1 && {CUES}[0].text.includes('Welt')")

    assert player.ask(TOLD) == near([[0.4, 1.9, "<i>Hallo</i>\nWelt"]])


def test_the_file_of_a_language_is_a_text_track_for_any_page(
    serve: Serve, player: Any, address: Callable[[str], str]
) -> None:
    player.blank(serve.gateway.url)

    player.evaluate(
        """([film, text]) => {
          const video = document.querySelector('video');
          video.innerHTML = `<track kind="subtitles" srclang="en" default src="${text}">`;
          video.src = film;
        }""",
        [address("mp4"), address("subtitles")],
    )
    player.await_that(f"v.readyState >= 2 && {CUES}.length === 3")

    assert player.ask(TOLD) == near(ENGLISH)
