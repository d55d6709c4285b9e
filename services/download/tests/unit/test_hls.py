import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, CinelogError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.testing import Behaviour, Origin, pattern

POLICY = FetchPolicy(
    addresses=AddressPolicy(allow_private=True),
    retries=RetryPolicy(attempts=3, first_s=0.01, most_s=0.1),
    journal_bytes=10_000,
    reserve_bytes=0,
)
SEGMENTS = [pattern(100_000 + number, head=b"\x47" + bytes([number])) for number in range(8)]
PLAYLIST = Behaviour(content_type="application/vnd.apple.mpegurl")

Scene = Callable[[Origin, Network], Awaitable[None]]


def play(scene: Scene) -> None:
    async def run() -> None:
        network = Network(POLICY, FakeObjectStore(), SystemClock(), {})
        async with Origin() as origin, asyncio.timeout(20):
            try:
                await scene(origin, network)
            finally:
                await network.close()

    asyncio.run(run())


def serve_recording(origin: Origin, name: str = "list", behaviour: Behaviour | None = None) -> str:
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:4"]
    for number, segment in enumerate(SEGMENTS):
        origin.serve(f"/{name}{number}.ts", segment, behaviour or Behaviour(content_type="video/mp2t"))
        lines += ["#EXTINF:4.0,", f"{name}{number}.ts"]
    text = "\n".join([*lines, "#EXT-X-ENDLIST", ""])
    return origin.serve(f"/{name}.m3u8", text.encode(), PLAYLIST)


def test_the_segments_of_a_recording_become_one_file(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = serve_recording(origin)

        resolved = await network.resolver.resolve(Source(url=url))
        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert (resolved.title, resolved.duration_s) == ("list", 32.0)
        assert not fetch.accepts_ranges
        assert fetch.size == sum(map(len, SEGMENTS))
        assert (tmp_path / "part").read_bytes() == b"".join(SEGMENTS)

    play(scene)


def test_the_best_variant_and_its_sound_are_two_inputs() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        serve_recording(origin, "video")
        serve_recording(origin, "sound")
        master = (
            '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="sound.m3u8"\n'
            '#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="a"\nvideo.m3u8\n'
        )
        url = origin.serve("/master.m3u8", master.encode(), PLAYLIST)

        resolved = await network.resolver.resolve(Source(url=url))

        assert [(each.kind, each.url, each.protocol) for each in resolved.inputs] == [
            ("video", origin.url("/video.m3u8"), "hls"),
            ("audio", origin.url("/sound.m3u8"), "hls"),
        ]

    play(scene)


def test_a_broken_segment_is_asked_for_again_and_only_that_one(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = serve_recording(origin)
        origin.serve("/list3.ts", SEGMENTS[3], Behaviour(cut_after=50_000, cuts=1))
        resolved = await network.resolver.resolve(Source(url=url))

        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert (tmp_path / "part").read_bytes() == b"".join(SEGMENTS)
        assert len(origin.asked("/list2.ts")) == 1
        assert len(origin.asked("/list3.ts")) == 2

    play(scene)


def test_the_next_attempt_begins_with_the_first_missing_segment(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = serve_recording(origin, behaviour=Behaviour(rate_bps=1_000_000))
        resolved = await network.resolver.resolve(Source(url=url))
        first = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await first.wait_for(420_000, 1)
        await first.close()

        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert (tmp_path / "part").read_bytes() == b"".join(SEGMENTS)
        assert [len(origin.asked(f"/list{number}.ts")) for number in range(4)] == [1, 1, 1, 1]

    play(scene)


def test_a_playlist_that_changed_is_another_source(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = serve_recording(origin, behaviour=Behaviour(rate_bps=1_000_000))
        resolved = await network.resolver.resolve(Source(url=url))
        first = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await first.wait_for(0, 150_000)
        await first.close()
        origin.serve("/list.m3u8", b"#EXTM3U\n#EXTINF:9,\nlist0.ts\n#EXT-X-ENDLIST", PLAYLIST)

        resolved = await network.resolver.resolve(Source(url=url))

        with pytest.raises(CinelogError) as caught:
            await network.fetcher.open(resolved.inputs[0], tmp_path / "part")

        assert caught.value.category is Category.SOURCE_CHANGED

    play(scene)


def test_a_missing_segment_fails_the_fetch(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = serve_recording(origin)
        origin.serve("/list5.ts", behaviour=Behaviour(status=404))
        resolved = await network.resolver.resolve(Source(url=url))

        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.wait({fetch.complete})
        error = fetch.complete.exception()
        await fetch.close()

        assert isinstance(error, CinelogError)
        assert error.category is Category.SOURCE_NOT_FOUND

    play(scene)


def test_a_live_playlist_is_refused() -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/live.m3u8", b"#EXTM3U\n#EXTINF:4,\na.ts\n", PLAYLIST)

        with pytest.raises(CinelogError) as caught:
            await network.resolver.resolve(Source(url=url))

        assert caught.value.category is Category.UNSUPPORTED_SOURCE
        assert "live" in caught.value.message

    play(scene)


def test_ranges_of_one_file_are_pieces_too(tmp_path: Path) -> None:
    data = pattern(300_000)

    async def scene(origin: Origin, network: Network) -> None:
        origin.serve("/all.mp4", data)
        text = (
            '#EXTM3U\n#EXT-X-MAP:URI="all.mp4",BYTERANGE="1000@0"\n#EXTINF:4,\n#EXT-X-BYTERANGE:149000@1000\n'
            "all.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:150000\nall.mp4\n#EXT-X-ENDLIST\n"
        )
        url = origin.serve("/list.m3u8", text.encode(), PLAYLIST)
        resolved = await network.resolver.resolve(Source(url=url))

        fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
        await asyncio.shield(fetch.complete)
        await fetch.close()

        assert (tmp_path / "part").read_bytes() == data

    play(scene)


def test_segments_at_private_addresses_are_refused(tmp_path: Path) -> None:
    class OnlyFirst(AddressPolicy, frozen=True):
        """Lets 127.0.0.1 through, as if it were public."""

        def refusal(self, address: str) -> str | None:
            return None if address == "127.0.0.1" else AddressPolicy().refusal(address)

    async def run() -> None:
        policy = msgspec.structs.replace(POLICY, addresses=OnlyFirst())
        network = Network(policy, FakeObjectStore(), SystemClock(), {})
        async with Origin() as origin, asyncio.timeout(20):
            text = f"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.2:{origin.port}/a.ts\n#EXT-X-ENDLIST\n"
            origin.serve("/a.ts", SEGMENTS[0])
            url = origin.serve("/list.m3u8", text.encode(), PLAYLIST)
            resolved = await network.resolver.resolve(Source(url=url))

            fetch = await network.fetcher.open(resolved.inputs[0], tmp_path / "part")
            await asyncio.wait({fetch.complete})
            error = fetch.complete.exception()
            await fetch.close()
            await network.close()

            assert isinstance(error, CinelogError)
            assert error.category is Category.SOURCE_REFUSED
            assert origin.asked("/a.ts") == []

    asyncio.run(run())
