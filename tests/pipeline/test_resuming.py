"""Stopped in any way and called again, the command goes on where it was."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.commands import Calling, Finished, cinelog
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.hosting import hosted
from cinelog_testkit.overlapping import begun, names_chosen
from cinelog_testkit.viewing import view, view_hls
from cinelog_testkit.waiting import wait_until

LARGE = Film(frames=200, size=(320, 180), noise=True, options={"preset": "ultrafast", "qp": "8"})
SLOW_BPS = 1_000_000
WAY = "/large.mp4"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds in several megabytes."""
    return make_film(tmp_path_factory.mktemp("large") / "large.mp4", LARGE)


class Slow:
    """A call that takes long enough to be stopped in its middle."""

    def __init__(self, film: Path, origin: Origin, out: Path) -> None:
        self.film = film
        self.out = out
        self._origin = origin
        url = origin.serve(WAY, film.read_bytes(), Behaviour(rate_bps=SLOW_BPS))
        speed = ("--preset", "ultrafast", "--segment", "1")
        self.words = ("run", url, "--out", str(out), "--json", *speed)

    def finished(self) -> dict[str, int]:
        """The inode of every encoded video segment, by its name."""
        found = (self.out / ".cinelog").glob("objects/jobs/*/*/encoded/*/180p/*.m4s")
        return {path.name: path.stat().st_ino for path in found}

    def await_finished(self, count: int) -> None:
        wait_until(lambda: len(self.finished()) >= count, deadline_s=60, what=f"{count} segments")

    def hurry(self) -> None:
        """Let what is still to come arrive at once."""
        self._origin.serve(WAY, self.film.read_bytes())


@pytest.fixture
def slow(large: Path, origin: Origin, out: Path) -> Slow:
    return Slow(large, origin, out)


def interrupt(call: Calling) -> int:
    """Press Ctrl-C and return the exit code."""
    call.interrupt()
    return call.finish(deadline_s=20).code


def terminate(call: Calling) -> int:
    """End it as a service manager does."""
    os.kill(call.pid, signal.SIGTERM)
    return call.finish(deadline_s=20).code


def kill(call: Calling) -> int:
    """End it as a crash does."""
    call.kill()
    return call.finish(deadline_s=20).code


class Ended(NamedTuple):
    """A call that was stopped before it had finished, and the one that went on."""

    slow: Slow
    code: int
    results: list[Path]
    before: dict[str, int]
    done: Finished


def stopped(slow: Slow, stop: Callable[[Calling], int]) -> Ended:
    """Stop a call in its middle, and call again."""
    with Calling(*slow.words) as call:
        slow.await_finished(3)
        code = stop(call)
    before = slow.finished()
    results = [path for path in slow.out.iterdir() if path.name != ".cinelog"]
    slow.hurry()
    return Ended(slow, code, results, before, cinelog(*slow.words))


def killed_again_and_again(slow: Slow) -> Ended:
    """Kill a call whenever it has come further, and at last let it be."""
    for segments in (0, 1, 2, 4):
        with Calling(*slow.words) as call:
            slow.await_finished(segments)
            call.kill()
    slow.hurry()
    return Ended(slow, -signal.SIGKILL, [], {}, cinelog(*slow.words))


STOPS = {"ctrl-c": (interrupt, 130), "term": (terminate, 130), "kill": (kill, -signal.SIGKILL)}
AGAIN = "again and again"


@pytest.fixture(scope="module")
def ended(
    request: pytest.FixtureRequest, large: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    """How each chosen story ends; all at once, because they wait for a film that arrives slowly."""
    with ExitStack() as stack:
        calls: dict[str, Callable[[], Ended]] = {}
        for how in names_chosen(request, "how"):
            origin = stack.enter_context(hosted(Origin()))
            slow = Slow(large, origin, tmp_path_factory.mktemp("stopped") / "out")
            story = killed_again_and_again if how == AGAIN else partial(stopped, stop=STOPS[how][0])
            calls[how] = partial(story, slow)
        yield stack.enter_context(begun(calls))


@pytest.mark.parametrize("how", STOPS)
def test_stopped_in_the_middle_and_called_again_no_finished_segment_is_made_twice(
    ended: dict[str, Future[Ended]], same_film: Any, how: str
) -> None:
    slow, code, results, before, done = ended[how].result()

    assert code == STOPS[how][1]
    assert results == []
    assert done.code == 0, done.err
    assert len(before) >= 3
    same_film(view(done.path("mp4")), view(slow.film))
    same_film(view_hls(done.path("hls")), view(slow.film))
    # What is published is a hard link to the very object that the first call had made.
    published = {path.name: path.stat().st_ino for path in done.path("hls").parent.glob("180p/*.m4s")}
    assert {name: published[name] for name in before} == before


@pytest.mark.parametrize("how", [AGAIN])
def test_killed_again_and_again_it_still_comes_to_its_end(
    ended: dict[str, Future[Ended]], same_film: Any, how: str
) -> None:
    slow, _, _, _, done = ended[how].result()

    assert done.code == 0, done.err
    same_film(view(done.path("mp4")), view(slow.film))


def test_called_again_after_the_end_it_returns_what_it_made(film: Path, convert: Any, out: Path) -> None:
    first = convert(film)
    before = {path: path.stat() for path in out.rglob("*") if ".cinelog" not in path.parts}

    again = convert(film)

    after = {path: path.stat() for path in out.rglob("*") if ".cinelog" not in path.parts}
    assert again.result["job_id"] == first.result["job_id"]
    assert again.result["outputs"] == first.result["outputs"]
    assert {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in after.items()} == {
        path: (stat.st_ino, stat.st_mtime_ns) for path, stat in before.items()
    }


def test_a_source_that_has_changed_is_made_anew(tmp_path: Path, convert: Any, same_film: Any) -> None:
    source = make_film(tmp_path / "film.mp4", Film(frames=50))
    first = convert(source)
    make_film(source, Film(frames=75))

    again = convert(source)

    assert first.output("mp4")["frames"] == 50
    assert again.output("mp4")["frames"] == 75
    same_film(view(again.path("mp4")), view(source))


def test_a_result_that_was_deleted_is_made_anew(film: Path, convert: Any, same_film: Any) -> None:
    first = convert(film)
    first.path("mp4").unlink()

    again = convert(film)

    same_film(view(again.path("mp4")), view(film))


def test_other_options_are_another_job(film: Path, convert: Any) -> None:
    first = convert(film)

    other = convert(film, "--crf", "40")

    assert other.result["job_id"] != first.result["job_id"]
    assert other.path("mp4") != first.path("mp4")
    assert first.path("mp4").exists()


def test_two_sources_with_one_title_are_both_kept(tmp_path: Path, convert: Any, same_film: Any) -> None:
    sources = []
    for folder, frames in (("one", 50), ("two", 75)):
        (tmp_path / folder).mkdir()
        sources.append(make_film(tmp_path / folder / "holiday.mp4", Film(frames=frames)))

    results = [convert(source) for source in sources]

    paths = [done.path("mp4") for done in results]
    assert paths[0] != paths[1]
    assert all("holiday" in path.name for path in paths)
    for path, source in zip(paths, sources, strict=True):
        same_film(view(path), view(source))


def test_two_calls_at_once_for_one_folder_do_not_write_over_each_other(slow: Slow, film: Path) -> None:
    with Calling(*slow.words) as first:
        slow.await_finished(1)

        second = cinelog("run", film, "--out", slow.out, "--json")

        assert second.code == 1
        assert second.result["error"]["category"] == "not_writable"
        assert second.result["error"]["action"]
        assert first.running()
