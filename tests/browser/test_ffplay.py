"""ffplay plays what Cinelog makes through to its end: pictures and sound, without a broken one."""

import os
import subprocess
from typing import Any

import pytest
from cinelog_testkit.programs import ffplay_path
from cinelog_testkit.serving import Serve

pytestmark = pytest.mark.real

LENGTH_S = 8.0
NO_SCREEN = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
"""Pictures are decoded and drawn, sound is played at its speed; both go nowhere."""


def played(url: str) -> tuple[list[str], list[str]]:
    """Play `url` to its end; return what was complained of, and where the player said that it was."""
    argv = [ffplay_path(), "-hide_banner", "-v", "error", "-stats", "-autoexit", url]
    done = subprocess.run(
        argv,
        env={**os.environ, **NO_SCREEN},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.strip()]
    places = [line for line in lines if " fd=" in line]
    return [line for line in lines if line not in places], places


@pytest.mark.parametrize("playlist", ["live/master.m3u8", "output/master.m3u8", "output/manifest.mpd"])
def test_ffplay_plays_a_finished_playlist_through(
    serve: Serve, finished: dict[str, Any], playlist: str
) -> None:
    complaints, places = played(f"{serve.gateway.url}{finished['links']['files']}{playlist}")

    # "A-V": pictures and sound are both played, and held against each other.
    assert all("A-V:" in place for place in places[-10:])
    assert float(places[-1].split()[0]) == pytest.approx(LENGTH_S, abs=0.2)
    assert complaints == []
