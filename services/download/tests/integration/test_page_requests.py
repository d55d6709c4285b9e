"""What yt-dlp says of a format, and what the site then sees: headers, cookies, lengths of ranges."""

import asyncio
from pathlib import Path

import pytest
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category
from cinelog_download.adapters import pages
from cinelog_download.adapters.network import Network
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.scenes import DATA, KNOWN_SITE, asked_range, end_of, play, serve_watch_page, whole

MOST = 40_000
HEADERS = {"User-Agent": "A browser of theirs", "Referer": "http://site.example/", "X-Session": "one"}


@pytest.fixture(autouse=True)
def _known_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_CHILD", KNOWN_SITE)


def test_the_headers_and_cookies_of_a_format_go_with_every_request_for_it(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        film = origin.serve("/film.mp4", DATA, Behaviour(cut_after=50_000, cuts=1))
        url = serve_watch_page(origin, {"url": film, "http_headers": HEADERS}, cookie="pass=valid; Path=/")

        resolved = await network.resolver.resolve(Source(url=url))
        data = await whole(await network.fetcher.open(resolved.inputs[0], tmp_path / "part"))

        assert data == DATA
        requests = origin.asked("/film.mp4")
        assert len(requests) > 2
        for seen in requests:
            assert {name: seen.headers.get(name) for name in HEADERS} == HEADERS
            assert seen.headers.get("Cookie") == "pass=valid"

    play(scene)


def test_each_format_is_asked_for_with_its_own_headers(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        picture = {"url": origin.serve("/picture.mp4", DATA), "acodec": "none", "vcodec": "avc1"}
        sound = {"url": origin.serve("/sound.m4a", DATA), "acodec": "mp4a", "vcodec": "none", "ext": "m4a"}
        url = serve_watch_page(
            origin,
            {**sound, "http_headers": {"X-Session": "sound"}},
            {**picture, "http_headers": {"X-Session": "picture"}},
        )

        resolved = await network.resolver.resolve(Source(url=url))
        for number, each in enumerate(resolved.inputs):
            assert await whole(await network.fetcher.open(each, tmp_path / str(number))) == DATA

        sessions = {(seen.path, seen.headers.get("X-Session")) for seen in origin.requests}
        assert sessions == {("/watch/film", None), ("/picture.mp4", "picture"), ("/sound.m4a", "sound")}

    play(scene)


def test_headers_that_are_the_fetchs_own_are_not_taken_from_a_page(tmp_path: Path) -> None:
    theirs = {"Range": "bytes=7-", "If-Range": '"other"', "Accept-Encoding": "gzip", "Host": "other.example"}

    async def scene(origin: Origin, network: Network) -> None:
        film = origin.serve("/film.mp4", DATA)
        url = serve_watch_page(origin, {"url": film, "http_headers": theirs})

        resolved = await network.resolver.resolve(Source(url=url))
        data = await whole(await network.fetcher.open(resolved.inputs[0], tmp_path / "part"))

        assert data == DATA
        for seen in origin.asked("/film.mp4"):
            assert not {name for name, value in theirs.items() if seen.headers.get(name) == value}

    play(scene)


def test_no_range_is_longer_than_the_chunk_size_of_the_format_whoever_asks_for_it(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        film = origin.serve("/film.mp4", DATA, Behaviour(cut_after=30_000, cuts=2))
        url = serve_watch_page(origin, {"url": film, "downloader_options": {"http_chunk_size": MOST}})
        resolved = await network.resolver.resolve(Source(url=url))

        first = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        # As a demuxer does that looks for an index.
        await first.wait_for(len(DATA) - 200_000, 150_000)
        await first.close()
        second = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")

        assert await whole(second) == DATA
        asked = [stop - start for start, stop in map(asked_range, origin.asked("/film.mp4"))]
        assert max(asked) <= MOST
        assert len(asked) >= len(DATA) // MOST

    play(scene)


def test_an_address_that_expires_is_looked_up_again_and_goes_on_where_it_stood(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        old = {"url": origin.serve("/old.mp4", DATA), "http_headers": {"X-Session": "old"}}
        url = serve_watch_page(origin, old)
        resolved = await network.resolver.resolve(Source(url=url))
        origin.hold_after(600_000)
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        async with asyncio.timeout(10):
            await fetch.wait_for(0, 500_000)
        new = {"url": origin.serve("/new.mp4", DATA), "http_headers": {"X-Session": "new"}}
        origin.serve("/old.mp4", DATA, Behaviour(status=403))
        serve_watch_page(origin, new)
        await origin.release()

        expired = await end_of(fetch)
        resolved = await network.resolver.resolve(Source(url=url))
        data = await whole(await network.fetcher.open(resolved.inputs[0], tmp_path / "part"))

        assert expired.category is Category.SOURCE_FORBIDDEN
        assert data == DATA
        stood = sum(seen.sent for seen in origin.asked("/old.mp4"))
        assert min(seen.start for seen in origin.asked("/new.mp4")) == stood
        assert origin.sent("/old.mp4") + origin.sent("/new.mp4") == len(DATA)
        assert {seen.headers.get("X-Session") for seen in origin.asked("/new.mp4")} == {"new"}

    play(scene)
