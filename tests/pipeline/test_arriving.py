"""Sources that arrive over HTTP: work begins long before they are there."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cinelog_download.testing import Behaviour, Origin, video_page
from cinelog_testkit.commands import Calling, Finished
from cinelog_testkit.converting import converted
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hosting import hosted
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


WAY = "/films/numbered.mp4"
WAIT_S = 3
"""What a busy site asks for: longer than a second attempt, and a third, wait of themselves."""


class Arriving(NamedTuple):
    """A site, and what becomes of the film there."""

    origin: Origin
    done: Future[Finished]


Results = dict[str, Arriving]


@pytest.fixture(scope="module")
def results(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """What becomes of one film, by how its site behaves; all at once, because some of them wait."""
    behaviours = {
        "with ranges": Behaviour(),
        "without ranges": Behaviour(ranges=False),
        "breaking": Behaviour(cut_after=film.stat().st_size // 3, cuts=2),
        "busy": Behaviour(statuses=(503, 429), retry_after=str(WAIT_S)),
        "a page": Behaviour(),
    }
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        calls = {}
        for name, behaviour in behaviours.items():
            origin = stack.enter_context(hosted(Origin()))
            url = origin.serve(WAY, film.read_bytes(), behaviour)
            if name == "a page":
                url = origin.serve_page("/watch", video_page(url, title="A walk in the park"))
            done = pool.submit(converted, url, tmp_path_factory.mktemp("arriving") / "out")
            calls[name] = Arriving(origin, done)
        yield calls


@pytest.mark.parametrize("behaviour", ["with ranges", "without ranges"])
def test_a_film_over_http_is_the_film(film: Path, results: Results, same_film: Any, behaviour: str) -> None:
    done = results[behaviour].done.result()

    same_film(view(done.path("mp4")), view(film))
    assert done.path("mp4").name == "numbered.mp4"


def test_a_page_with_a_film_becomes_the_film_under_the_pages_title(
    film: Path, results: Results, same_film: Any
) -> None:
    done = results["a page"].done.result()

    same_film(view(done.path("mp4")), view(film))
    assert done.path("mp4").stem.startswith("A walk in the park")


def test_a_connection_that_breaks_is_taken_up_again(film: Path, results: Results, same_film: Any) -> None:
    origin, done = results["breaking"]

    same_film(view(done.result().path("mp4")), view(film))
    assert len(origin.asked(WAY)) > 2


def test_a_site_that_is_busy_for_a_moment_is_asked_again_when_it_wants_to_be(
    film: Path, results: Results, same_film: Any
) -> None:
    origin, done = results["busy"]

    same_film(view(done.result().path("mp4")), view(film))
    first, second, third = origin.asked(WAY)[:3]
    assert [first.status, second.status, third.status] == [503, 429, 206]
    # The ledger counts in milliseconds.
    assert second.at_s - first.at_s > WAIT_S - 0.01
    assert third.at_s - second.at_s > WAIT_S - 0.01
