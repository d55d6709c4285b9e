"""Real yt-dlp in its child process, on pages of a local origin."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, CinelogError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.ports import Resolved, Subtitle
from cinelog_download.testing import Behaviour, Origin, json_ld_page, pattern, video_page
from msgspec.structs import replace

OPEN = FetchPolicy(addresses=AddressPolicy(allow_private=True), reserve_bytes=0)
DATA = pattern(300_000)

MPD = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="{kind}"
 mediaPresentationDuration="PT10S" minBufferTime="PT2S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>
<AdaptationSet mimeType="video/mp4" contentType="video">{protection}<Representation id="v"
 codecs="avc1.64001f" width="1280" height="720" bandwidth="2000000">
 <BaseURL>/v.mp4</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4" contentType="audio">{protection}<Representation id="a" codecs="mp4a.40.2"
 audioSamplingRate="48000" bandwidth="128000"><BaseURL>/a.mp4</BaseURL></Representation></AdaptationSet>
</Period></MPD>"""
WIDEVINE = '<ContentProtection schemeIdUri="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"/>'
LIVE_HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\n/7.ts\n"

Scene = Callable[[Origin, Network], Awaitable[None]]


def play(scene: Scene, policy: FetchPolicy = OPEN) -> None:
    async def run() -> None:
        network = Network(policy, FakeObjectStore(), SystemClock(), {})
        async with Origin() as origin, asyncio.timeout(120):
            try:
                await scene(origin, network)
            finally:
                await network.close()

    asyncio.run(run())


async def failure(resolving: Awaitable[Resolved]) -> CinelogError:
    with pytest.raises(CinelogError) as caught:
        await resolving
    assert caught.value.message.endswith(".")
    assert caught.value.action
    return caught.value


def test_a_page_with_a_video_leads_to_its_file(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/clip.mp4", DATA)
        url = origin.serve_page("/page", video_page("/clip.mp4", "A fine film"))

        resolved = await network.resolver.resolve(Source(url=url))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert resolved.title == "A fine film"
        assert resolved.webpage_url == url
        assert resolved.warnings == ()
        assert (tmp_path / "part").read_bytes() == DATA

    play(scene)


def test_a_described_video_brings_title_and_duration() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        clip = origin.serve("/clip.mp4", DATA)
        url = origin.serve_page("/page", json_ld_page(clip, title="Described", duration_s=12))

        resolved = await network.resolver.resolve(Source(url=url))

        assert (resolved.title, resolved.duration_s) == ("Described", 12.0)
        assert resolved.tags == {"date": "20260102"}

    play(scene)


def test_a_finished_hls_stream_of_a_page_is_fetched(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n/0.ts\n#EXTINF:4,\n/1.ts\n#EXT-X-ENDLIST\n"
        origin.serve("/film.m3u8", text.encode(), Behaviour(content_type="application/x-mpegurl"))
        origin.serve("/0.ts", DATA[:200_000])
        origin.serve("/1.ts", DATA[200_000:])
        url = origin.serve_page("/page", video_page("/film.m3u8", "Streamed"))

        resolved = await network.resolver.resolve(Source(url=url))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert (resolved.title, resolved.inputs[0].protocol) == ("Streamed", "hls")
        assert (tmp_path / "part").read_bytes() == DATA

    play(scene)


def test_the_subtitles_of_a_page_are_fetched_as_guardedly_as_its_video(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/clip.mp4", DATA)
        text = b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n"
        origin.serve("/en.vtt", text, Behaviour(content_type="text/vtt"))
        tracks = '<track kind="subtitles" srclang="en" src="/en.vtt"><track kind="metadata" src="/no.vtt">'
        html = video_page("/clip.mp4").replace("</video>", f"{tracks}</video>")

        resolved = await network.resolver.resolve(Source(url=origin.serve_page("/page", html)))
        [english] = resolved.subtitles
        await network.texts.fetch(english, tmp_path / "en.vtt")
        elsewhere = replace(english, url="http://127.0.0.1.example.invalid/en.vtt")
        refused = await failure(network.texts.fetch(elsewhere, tmp_path / "none.vtt"))

        assert (english.language, english.format) == ("en", "vtt")
        assert (tmp_path / "en.vtt").read_bytes() == text
        assert refused.category is Category.SOURCE_UNREACHABLE

    play(scene)


def test_subtitles_at_a_private_address_are_refused(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        subtitle = Subtitle(url=origin.serve("/en.vtt", b"WEBVTT\n"), language="en")

        refused = await failure(network.texts.fetch(subtitle, tmp_path / "en.vtt"))

        assert refused.category is Category.SOURCE_REFUSED
        assert origin.asked("/en.vtt") == []

    play(scene, FetchPolicy(reserve_bytes=0))


def test_best_video_and_best_sound_are_two_inputs() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        behaviour = Behaviour(content_type="application/dash+xml")
        url = origin.serve("/a.mpd", MPD.format(kind="static", protection="").encode(), behaviour)

        resolved = await network.resolver.resolve(Source(url=url))

        assert [(each.kind, each.url) for each in resolved.inputs] == [
            ("video", origin.url("/v.mp4")),
            ("audio", origin.url("/a.mp4")),
        ]
        assert all(each.format_id for each in resolved.inputs)

    play(scene)


def test_a_dash_presentation_of_a_page_is_fetched_piece_by_piece(tmp_path: Path) -> None:
    template = '<SegmentTemplate media="$RepresentationID$-$Number$" initialization="init-$RepresentationID$"'
    text = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"><Period>'
        '<AdaptationSet mimeType="video/mp4">'
        f'<Representation id="v" bandwidth="9" height="720" codecs="avc1.64001f">{template} duration="2"/>'
        '</Representation></AdaptationSet><AdaptationSet mimeType="audio/mp4" lang="de">'
        f'<Representation id="a" bandwidth="1" codecs="mp4a.40.2">{template} duration="4"/></Representation>'
        "</AdaptationSet></Period></MPD>"
    )

    async def scene(origin: Origin, network: Network) -> None:
        for name in ("init-v", "v-1", "v-2", "init-a", "a-1"):
            origin.serve(f"/{name}", name.encode())
        origin.serve("/film.mpd", text.encode(), Behaviour(content_type="application/dash+xml"))
        page = video_page("/film.mpd").replace("video/mp4", "application/dash+xml")

        resolved = await network.resolver.resolve(Source(url=origin.serve_page("/page", page)))
        parts = []
        for number, each in enumerate(resolved.inputs):
            fetch = await network.fetcher.open(each, tmp_path / str(number))
            await asyncio.shield(fetch.complete)
            await fetch.close()
            parts.append((each.kind, each.language, fetch.path.read_bytes()))

        assert parts == [("video", "und", b"init-vv-1v-2"), ("audio", "deu", b"init-aa-1")]

    play(scene)


@pytest.mark.parametrize(
    ("path", "data", "category"),
    [
        ("/page", "<html><body>Nothing to see.</body></html>", Category.UNSUPPORTED_PAGE),
        ("/page", '{"json": true}', Category.UNSUPPORTED_PAGE),
        ("/page", video_page("/a.mp4") + video_page("/b.mp4"), Category.UNSUPPORTED_SOURCE),
        ("/a.mpd", MPD.format(kind="static", protection=WIDEVINE), Category.PROTECTED),
        ("/a.mpd", MPD.format(kind="dynamic", protection=""), Category.UNSUPPORTED_SOURCE),
        ("/page", video_page("/live.m3u8"), Category.UNSUPPORTED_SOURCE),
    ],
)
def test_each_page_that_leads_to_nothing_says_why(path: str, data: str, category: Category) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/live.m3u8", LIVE_HLS.encode(), Behaviour(content_type="application/x-mpegurl"))
        kind = "application/dash+xml" if path.endswith("mpd") else "text/html"
        url = origin.serve(path, data.encode(), Behaviour(content_type=kind))

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is category

    play(scene)


@pytest.mark.parametrize(
    ("status", "category"), [(403, Category.SOURCE_FORBIDDEN), (503, Category.SOURCE_UNAVAILABLE)]
)
def test_a_site_that_yt_dlp_does_not_know_keeps_its_refusal(status: int, category: Category) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a", behaviour=Behaviour(status=status, retry_after="9"))

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is category
        assert len(origin.requests) == 1
        assert error.retry_after_s == (9.0 if status == 503 else None)

    play(scene)


def test_what_a_page_loads_from_a_private_address_is_refused() -> None:
    class OnlyFirst(AddressPolicy, frozen=True):
        """Lets 127.0.0.1 through, as if the page were public."""

        def refusal(self, address: str) -> str | None:
            return None if address == "127.0.0.1" else AddressPolicy().refusal(address)

        def refuses_port(self, port: int) -> bool:
            return False

    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/secret.m3u8", LIVE_HLS.encode(), Behaviour(content_type="application/x-mpegurl"))
        url = origin.serve_page("/page", video_page(f"http://127.0.0.2:{origin.port}/secret.m3u8"))

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is Category.SOURCE_REFUSED
        assert origin.asked("/secret.m3u8") == []

    play(scene, msgspec.structs.replace(OPEN, addresses=OnlyFirst()))


def test_a_page_that_takes_too_long_is_given_up() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve_page("/page", video_page("/clip.mp4"))

        error = await failure(network.resolver.resolve(Source(url=url)))

        assert error.category is Category.SOURCE_UNAVAILABLE
        assert isinstance(error, TransientError)

    play(scene, msgspec.structs.replace(OPEN, page_timeout_s=0.05))


def test_a_format_that_makes_no_sense_is_the_requests_fault() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/clip.mp4", DATA)
        url = origin.serve_page("/page", video_page("/clip.mp4"))

        for wanted in ("best[", "worst[height>9000]"):
            error = await failure(network.resolver.resolve(Source(url=url, format=wanted)))
            assert error.category is Category.INVALID_REQUEST

    play(scene)


def test_a_cancelled_look_at_a_page_leaves_nothing_behind() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve_page("/page", video_page("/clip.mp4"))
        looking = asyncio.create_task(network.resolver.resolve(Source(url=url)))
        done, _ = await asyncio.wait({looking}, timeout=0.2)
        assert not done

        looking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await looking

    play(scene)


SECRET = "a-secret-nobody-may-see"
COOKIES = replace(OPEN, local_cookies=True)


def cookie_file(folder: Path) -> Path:
    line = f"127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}"
    other = "other.example\tFALSE\t/\tFALSE\t0\tother\tnone-of-theirs"
    path = folder / "cookies.txt"
    path.write_text(f"# Netscape HTTP Cookie File\n{line}\n{other}\na broken line with {SECRET}\n")
    return path


def firefox_profile(folder: Path) -> Path:
    profile = folder / "profile"
    profile.mkdir()
    with contextlib.closing(sqlite3.connect(profile / "cookies.sqlite")) as store:
        store.execute(
            "CREATE TABLE moz_cookies (host TEXT, name TEXT, value TEXT, path TEXT, expiry INTEGER,"
            " isSecure INTEGER, originAttributes TEXT)"
        )
        store.execute(
            "INSERT INTO moz_cookies VALUES ('127.0.0.1', 'session', ?, '/', 4000000000, 0, '')", (SECRET,)
        )
        store.commit()
    return profile


@pytest.mark.parametrize("kept", ["file", "browser"])
def test_cookies_go_to_the_page_and_to_the_video_it_shows(tmp_path: Path, kept: str) -> None:
    named = (
        {"cookies_file": str(cookie_file(tmp_path))}
        if kept == "file"
        else {"cookies_from_browser": f"firefox:{firefox_profile(tmp_path)}"}
    )

    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/clip.mp4", DATA)
        url = origin.serve_page("/page", video_page("/clip.mp4", "For members"))

        resolved = await network.resolver.resolve(Source(url=url, **named))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert {seen.headers.get("Cookie") for seen in origin.requests} == {f"session={SECRET}"}
        assert {seen.path for seen in origin.requests} == {"/page", "/clip.mp4"}
        assert SECRET not in str(resolved.warnings)

    play(scene, COOKIES)


def test_cookies_go_with_a_file_that_is_no_page(tmp_path: Path) -> None:
    cookies = cookie_file(tmp_path)
    before = cookies.read_bytes()

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/clip.mp4", DATA)

        resolved = await network.resolver.resolve(Source(url=url, cookies_file=str(cookies)))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert {seen.headers.get("Cookie") for seen in origin.requests} == {f"session={SECRET}"}

    play(scene, COOKIES)
    assert cookies.read_bytes() == before


def test_a_file_without_cookies_and_a_browser_without_a_profile_are_the_requests_fault(
    tmp_path: Path,
) -> None:
    (tmp_path / "list.json").write_text(f'[{{"name": "session", "value": "{SECRET}"}}]')

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/clip.mp4", DATA)

        for named in (
            {"cookies_file": str(tmp_path / "none.txt")},
            {"cookies_file": str(tmp_path / "list.json")},
            {"cookies_from_browser": f"firefox:{tmp_path / 'none'}"},
            {"cookies_from_browser": "no browser"},
        ):
            error = await failure(network.resolver.resolve(Source(url=url, **named)))
            assert error.category is Category.INVALID_REQUEST
            assert SECRET not in error.message
        assert origin.requests == []

    play(scene, COOKIES)


def test_cookies_of_this_machine_are_not_for_jobs_of_others(tmp_path: Path) -> None:
    cookies = str(cookie_file(tmp_path))

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/clip.mp4", DATA)

        error = await failure(network.resolver.resolve(Source(url=url, cookies_file=cookies)))

        assert error.category is Category.SOURCE_REFUSED
        assert origin.requests == []

    play(scene, OPEN)
