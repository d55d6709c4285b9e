"""Sources that arrive over HTTP: work begins long before they are there."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Behaviour, video_page
from cinelog_testkit.commands import Calling
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import view
from cinelog_testkit.waiting import wait_until

LARGE = Film(frames=500, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
SLOW_BPS = 300_000
EARLY = 0.15
"""Of the bytes: until then the first segment must be in work."""


def encoded(out: Path) -> list[Path]:
    """The video segments that are finished, by name."""
    return sorted((out / ".cinelog").glob("objects/jobs/*/*/encoded/*/*p/*.m4s"))


@pytest.mark.parametrize("index", ["index-last", "index-first"])
def test_the_first_segment_is_encoded_before_a_seventh_of_a_slow_download_is_there(
    tmp_path: Path, out: Path, origin: Any, index: str
) -> None:
    options = {"movflags": "faststart"} if index == "index-first" else {}
    source = make_film(tmp_path / "large.mp4", Film(**{**_fields(LARGE), "container": options}))
    size = source.stat().st_size
    url = origin.serve("/large.mp4", source.read_bytes(), Behaviour(rate_bps=SLOW_BPS))

    with Calling("run", url, "--out", out, "--json", "--preset", "ultrafast", "--segment", "1") as call:
        wait_until(lambda: bool(encoded(out)) or not call.running(), deadline_s=60, what="a segment")
        arrived = origin.sent("/large.mp4")

        assert call.running()
    assert encoded(out)
    assert arrived / size < EARLY


def _fields(film: Film) -> dict[str, Any]:
    return {name: getattr(film, name) for name in film.__struct_fields__}


@pytest.mark.parametrize("ranges", [True, False], ids=["with-ranges", "without-ranges"])
def test_a_film_over_http_is_the_film(
    film: Path, origin: Any, convert: Any, same_film: Any, *, ranges: bool
) -> None:
    url = origin.serve("/films/numbered.mp4", film.read_bytes(), Behaviour(ranges=ranges))

    done = convert(url)

    same_film(view(done.path("mp4")), view(film))
    assert done.path("mp4").name == "numbered.mp4"


def test_a_page_with_a_film_becomes_the_film_under_the_pages_title(
    film: Path, origin: Any, convert: Any, same_film: Any
) -> None:
    url = origin.serve("/film.mp4", film.read_bytes())
    page = origin.serve_page("/watch", video_page(url, title="A walk in the park"))

    done = convert(page)

    same_film(view(done.path("mp4")), view(film))
    assert done.path("mp4").stem.startswith("A walk in the park")


def test_a_connection_that_breaks_is_taken_up_again(
    film: Path, origin: Any, convert: Any, same_film: Any
) -> None:
    behaviour = Behaviour(cut_after=film.stat().st_size // 3, cuts=2)
    url = origin.serve("/film.mp4", film.read_bytes(), behaviour)

    done = convert(url)

    same_film(view(done.path("mp4")), view(film))


def test_a_site_that_is_busy_for_a_moment_is_asked_again(
    film: Path, origin: Any, convert: Any, same_film: Any
) -> None:
    url = origin.serve("/film.mp4", film.read_bytes(), Behaviour(statuses=(503, 429), retry_after="1"))

    done = convert(url)

    same_film(view(done.path("mp4")), view(film))
