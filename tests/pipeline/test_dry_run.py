"""`--dry-run`: the source and the plan are shown, and nothing is left behind."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cinelog_testkit.commands import cinelog
from cinelog_testkit.films import Film, make_film

PAGE = "<html><head><title>A page</title></head><body><video src='film.mp4'></video></body></html>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web site with a film and a page that shows it."""
    folder = tmp_path / "site"
    folder.mkdir()
    make_film(folder / "film.mp4", Film(frames=100))
    (folder / "page.html").write_text(PAGE)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_file_is_described_with_what_would_be_made_of_it(film: Path, out: Path) -> None:
    done = cinelog("run", film, "--out", out, "--dry-run", "--json", "--hardware", "never")

    assert done.code == 0, done.err
    assert done.result["state"] == "planned"
    assert done.result["outputs"] == []
    source, plan = done.result["source"], done.result["plan"]
    assert [(stream["kind"], stream["codec"], stream["used"]) for stream in source["streams"]] == [
        ("video", "h264", True),
        ("audio", "aac", True),
    ]
    assert [(one["width"], one["height"]) for one in plan["renditions"]] == [(160, 96)]
    assert plan["encoder"] == "libx264"
    assert 0 < plan["size_bytes"]["expected"] <= plan["size_bytes"]["at_most"]
    assert 0 < plan["disk_bytes"]["needed"] < plan["disk_bytes"]["free"]
    assert not out.exists()
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []


def test_as_many_units_are_foretold_as_there_will_be(tmp_path: Path, out: Path, convert: Any) -> None:
    source = make_film(tmp_path / "long.mp4", Film(frames=300))
    told = cinelog("run", source, "--out", out, "--dry-run", "--json", "--segment", "2")

    done = convert(source, "--segment", "2", "--container", "hls")

    segments = list((done.path("hls").parent / "96p").glob("*.m4s"))
    assert told.result["plan"]["units"] == len(segments)


def test_a_page_is_described_with_its_formats(site: str, out: Path) -> None:
    done = cinelog("run", f"{site}/page.html", "--out", out, "--dry-run", "--json", "--hardware", "never")

    assert done.code == 0, done.err
    source = done.result["source"]
    assert source["title"] == "A page"
    assert [offer["chosen"] for offer in source["formats"]] == [True]
    assert source["duration_s"] == pytest.approx(4.0, abs=0.05)
    assert not out.exists()


def test_people_are_shown_the_same(film: Path, out: Path) -> None:
    done = cinelog("run", film, "--out", out, "--dry-run", "--profile", "audio")

    assert done.code == 0, done.err
    assert "sound      aac, 128 kbit/s" in done.out
    assert "picture" not in done.out


def test_a_source_that_is_not_there_fails_as_a_run_would(tmp_path: Path, out: Path) -> None:
    done = cinelog("run", tmp_path / "none.mp4", "--out", out, "--dry-run", "--json")

    assert done.code == 1
    assert done.result["state"] == "failed"
    assert done.result["error"]["category"] == "source_not_found"
    assert not out.exists()
