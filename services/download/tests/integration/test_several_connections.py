"""Fetches that ask for several ranges at a time: when they do, and what they then owe the site."""

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.parts import journal_of
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.connections import ConnectionPolicy
from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.ports import Input
from cinelog_download.testing import Behaviour, Origin, pattern
from cinelog_testkit.scenes import DATA, QUICK, asked_range, play, whole


def test_capped_connections_are_used_in_parallel_and_bring_each_byte_once(tmp_path: Path) -> None:
    # A machine that is busy must not look like a connection that brings little, or has died: what such a
    # one had under way is sent twice.
    connections = ConnectionPolicy(window_s=0.2, worthwhile_s=0.5, gain=1.05)
    policy = msgspec.structs.replace(QUICK, connections=connections, stall_window_s=5.0)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=600_000))

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        assert origin.most_at_once("/a.mp4") >= 3
        assert origin.sent_twice("/a.mp4") == 0

    play(scene, policy)


def test_a_second_connection_that_brings_nothing_is_ended_before_its_range_is(tmp_path: Path) -> None:
    connections = ConnectionPolicy(window_s=0.2, worthwhile_s=0.5, front_share=0.1)
    policy = msgspec.structs.replace(QUICK, connections=connections, chunk_bytes=2000 * 1024)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(link_bps=800_000))

        assert await whole(await network.fetcher.open(Input(url=url), tmp_path / "part")) == DATA
        asked = [stop - start for start, stop in map(asked_range, origin.asked("/a.mp4"))]
        assert any(one.sent < size / 2 for one, size in zip(origin.asked("/a.mp4"), asked, strict=True))

    play(scene, policy)


def test_a_server_that_refuses_several_connections_is_served_by_one(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(
        QUICK,
        connections=ConnectionPolicy(window_s=0.1, worthwhile_s=0.2),
        retries=RetryPolicy(attempts=3, first_s=0.05),
    )

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=1_500_000, most_connections=1))

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA

    play(scene, policy)


def test_a_limited_rate_holds_for_all_connections_together(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(QUICK, rate_bps=1_000_000)

    async def scene(origin: Origin, network: Network) -> None:
        began = time.monotonic()
        urls = [origin.serve(path, DATA[:700_000]) for path in ("/a.mp4", "/b.mp4")]
        fetches = [
            await network.fetcher.open(Input(url=url), tmp_path / str(n)) for n, url in enumerate(urls)
        ]

        for fetch in fetches:
            assert await whole(fetch) == DATA[:700_000]

        # A quarter of a second's worth is free.
        assert time.monotonic() - began >= 1.4 - 0.25 - 0.02

    play(scene, policy)


@pytest.mark.parametrize("rate_bps", [None, 4_000_000, 20_000_000])
def test_what_is_asked_for_and_not_noted_is_less_than_a_chunk_at_any_time(
    tmp_path: Path, rate_bps: int | None
) -> None:
    policy = msgspec.structs.replace(QUICK, connections=ConnectionPolicy(window_s=0.05, worthwhile_s=0.01))
    data = pattern(8_000_000)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", data, Behaviour(rate_bps=rate_bps))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        while not fetch.complete.done():
            asked = IntervalSet(asked_range(seen) for seen in origin.asked("/a.mp4"))
            lines = journal_of(tmp_path / "part").read_bytes().splitlines()[1:]
            noted = IntervalSet(tuple(msgspec.json.decode(line)[:2]) for line in lines)

            assert asked.total - noted.total < policy.chunk_bytes
            await asyncio.sleep(0)

        assert await whole(fetch) == data

    play(scene, policy)
