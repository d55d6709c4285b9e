"""The DASH manifest that lies beside the playlists, read by players that are not ours."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.serving import Serve
from imageio_ffmpeg import get_ffmpeg_exe

pytestmark = pytest.mark.real

FRAMES = 192
LENGTH_S = 8.0
EQUAL_FRAMES = 150


@pytest.fixture(scope="module")
def ladder(serve: Serve, example: Path) -> dict[str, Any]:
    """The example clip in two sizes."""
    job = serve.gateway.submit(str(example), profile="ladder", preset="ultrafast", segment_s=2.0)
    return serve.gateway.await_job(job)


@pytest.fixture(scope="module")
def equal(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Six segments of one second each, of pictures and of sound."""
    film = make_film(tmp_path_factory.mktemp("dash") / "film.mp4", Film(frames=EQUAL_FRAMES, size=(320, 180)))
    job = serve.gateway.submit(str(film), preset="ultrafast", segment_s=1.0)
    return serve.gateway.await_job(job)


def address(serve: Serve, job: dict[str, Any]) -> str:
    return f"{serve.gateway.url}{job['links']['files']}output/manifest.mpd"


def test_a_page_with_dash_js_plays_the_manifest_through(
    serve: Serve, ladder: dict[str, Any], player: Any, script: Path
) -> None:
    player.blank(serve.gateway.url, script)

    player.start_dash(address(serve, ladder))
    player.play(speed=2)

    player.await_that("v.ended")
    assert player.ask("v.duration") == pytest.approx(LENGTH_S, abs=0.05)
    assert player.ask("v.currentTime") == pytest.approx(LENGTH_S, abs=0.1)
    assert player.ask("v.buffered.length") == 1
    assert player.ask("v.buffered.start(0)") == pytest.approx(0, abs=0.001)
    assert player.ask("v.webkitAudioDecodedByteCount") > 0
    assert player.ask("window.problems") == []
    assert player.ask("window.player.getTracksFor('video')[0].bitrateList.length") == 2
    assert player.complaints == []


def test_segments_of_equal_length_are_played_each(
    serve: Serve, equal: dict[str, Any], player: Any, script: Path
) -> None:
    player.blank(serve.gateway.url, script)

    player.start_dash(address(serve, equal))
    player.play(speed=2)

    player.await_that("v.ended")
    assert player.ask("v.getVideoPlaybackQuality().totalVideoFrames") == EQUAL_FRAMES
    assert player.ask("v.currentTime") == pytest.approx(EQUAL_FRAMES / 25, abs=0.1)
    assert player.ask("window.problems") == []


@pytest.mark.parametrize(("rendition", "size"), [(0, (1280, 720)), (1, (852, 480))])
def test_every_frame_of_every_rendition_is_read_through_the_manifest(
    serve: Serve, ladder: dict[str, Any], rendition: int, size: tuple[int, int]
) -> None:
    wanted = ["-map", f"0:v:{rendition}", "-map", "0:a:0", "-f", "null", "-"]
    argv = [get_ffmpeg_exe(), "-v", "error", "-stats", "-i", address(serve, ladder), *wanted]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stderr.split("frame=")[-1].split()[0] == str(FRAMES)
    # Nothing but the counter: no segment was refused, no frame was broken.
    assert all(line.lstrip().startswith("frame=") for line in done.stderr.splitlines() if line.strip())
    assert size == tuple(_sizes(address(serve, ladder))[rendition])


def _sizes(url: str) -> list[tuple[int, int]]:
    import re
    import urllib.request

    with urllib.request.urlopen(url) as answer:
        assert answer.headers["Content-Type"] == "application/dash+xml"
        text = answer.read().decode()
    found = re.findall(r'<Representation [^>]*width="(\d+)" height="(\d+)"', text)
    return [(int(width), int(height)) for width, height in found]
