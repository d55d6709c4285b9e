"""A site for members: cookies open it, and are found nowhere afterwards. A page's formats are chosen from."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cinelog_testkit.commands import cinelog
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import view

SECRET = "a-secret-nobody-may-see"
PAGE = """<html><head><title>Members only</title></head><body>
<video><source src="large.mp4" label="large"><source src="small.mp4" label="small"></video></body></html>"""


@pytest.fixture
def members(tmp_path: Path) -> Iterator[str]:
    """A site that shows its film, in two sizes, to those who bring a cookie."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, size in (("large", (160, 96)), ("small", (96, 64))):
        make_film(folder / f"{name}.mp4", Film(size=size))
    (folder / "page.html").write_text(PAGE)

    class Door(SimpleHTTPRequestHandler):
        def send_head(self) -> Any:
            if f"session={SECRET}" in self.headers.get("Cookie", ""):
                return super().send_head()
            self.send_error(403)
            return None

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Door, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def cookies(tmp_path: Path) -> Path:
    """The cookies of a member."""
    path = tmp_path / "cookies.txt"
    path.write_text(f"# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}\n")
    return path


@pytest.mark.parametrize("place", ["page.html", "large.mp4"])
def test_cookies_let_a_member_in_and_are_kept_nowhere(
    members: str, cookies: Path, out: Path, *, place: str
) -> None:
    words = ("run", f"{members}/{place}", "--out", out, "--preset", "ultrafast", "--json", "-v")

    refused = cinelog(*words)
    done = cinelog(*words, "--cookies", cookies)

    assert refused.result["error"]["category"] == "source_forbidden"
    assert done.code == 0, done.err
    assert view(done.path("mp4")).numbers == list(range(50))
    assert SECRET not in done.err + done.out
    kept = [path for path in out.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


@pytest.fixture
def browser_profile(tmp_path: Path) -> Path:
    """A folder as Firefox keeps one, with a member's cookie."""
    folder = tmp_path / "profile"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "cookies.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE moz_cookies (id INTEGER PRIMARY KEY, originAttributes TEXT NOT NULL DEFAULT '',"
            " name TEXT, value TEXT, host TEXT, path TEXT, expiry INTEGER, isSecure INTEGER)"
        )
        row = ("session", SECRET, "127.0.0.1", "/", 4_000_000_000, 0)
        database.execute(
            "INSERT INTO moz_cookies (name, value, host, path, expiry, isSecure) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
    return folder


def test_a_browsers_cookies_let_a_member_in(members: str, browser_profile: Path, out: Path) -> None:
    words = ("run", f"{members}/page.html", "--out", out, "--preset", "ultrafast", "--json")

    done = cinelog(*words, "--cookies-from-browser", f"firefox:{browser_profile}")

    assert done.code == 0, done.err
    assert view(done.path("mp4")).numbers == list(range(50))
    kept = [path for path in out.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert kept == []


def test_a_format_of_the_page_is_chosen(members: str, cookies: Path, convert: Any) -> None:
    done = convert(f"{members}/page.html", "--cookies", cookies, "--format", "worst")
    other = convert(f"{members}/page.html", "--cookies", cookies, "--format", "best")

    sizes = {view(each.path("mp4")).size for each in (done, other)}
    assert sizes == {(160, 96), (96, 64)}


def test_cookies_that_are_not_there_are_wrong_use(members: str, tmp_path: Path, out: Path) -> None:
    done = cinelog("run", f"{members}/page.html", "--out", out, "--cookies", tmp_path / "none.txt")

    assert done.code == 2
    assert "none.txt" in done.err
    assert not out.exists()
