"""Sources that are damaged in known places: what is said of them names those places."""

import re
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_testkit.breaking import break_between
from cinelog_testkit.films import Film, make_film

RATE = 25
FILM = Film(frames=8 * RATE, container={"movflags": "faststart"})
_STRETCH = re.compile(r"The (source|sound) is damaged (?:at|from) ([0-9.]+) s(?: to ([0-9.]+) s)?\.")


def stretches(warnings: list[str], what: str) -> list[tuple[float, float]]:
    """Return the time ranges that are named of the `source`'s pictures, or of the `sound`."""
    found = filter(None, map(_STRETCH.fullmatch, warnings))
    return [(float(one[2]), float(one[3] or one[2])) for one in found if one[1] == what]


@pytest.fixture
def broken(tmp_path: Path) -> tuple[Path, list[tuple[float, float]], list[tuple[float, float]]]:
    """A film, where its pictures are broken, and where its sound is."""
    path = make_film(tmp_path / "broken.mp4", FILM)
    pictures = [break_between(path, "video", start_s=1.2, end_s=1.4)]
    sound = [
        break_between(path, "audio", start_s=3.2, end_s=3.3),
        break_between(path, "audio", start_s=6.0, end_s=6.5),
    ]
    return path, pictures, sound


def test_what_is_salvaged_is_told_with_the_times_of_what_is_damaged(broken: Any, convert: Any) -> None:
    path, [(first_s, last_s)], sound = broken

    done = convert(path, "--on-damage", "salvage", "--container", "mp4", "--segment", "1")

    said = done.result["warnings"]
    assert stretches(said, "sound") == [pytest.approx(stretch, abs=0.006) for stretch in sound]
    # Of pictures the times when they begin to be shown are named, the last one's too.
    assert stretches(said, "source") == [pytest.approx((first_s, last_s), abs=1.01 / RATE)]
    with av.open(str(done.path("mp4"))) as container:
        assert sum(1 for _ in container.decode(video=0)) == FILM.frames
