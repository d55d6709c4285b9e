import asyncio
import resource
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.parts import PartFile, Version, journal_of
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.answers import Validator
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.connections import ConnectionPolicy
from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.ports import Fetch, Input
from cinelog_download.testing import Behaviour, Origin, pattern

KIB = 1024
POLICY = FetchPolicy(
    addresses=AddressPolicy(allow_private=True),
    retries=RetryPolicy(attempts=4, first_s=0.01, most_s=0.1),
    chunk_bytes=512 * KIB,
    first_bytes=64 * KIB,
    journal_bytes=64 * KIB,
    stall_window_s=0.3,
    stall_bytes=1024,
    reserve_bytes=0,
)
UNREACHABLE = Category.SOURCE_UNREACHABLE
DATA = pattern(2_000_003)

Scene = Callable[[Origin, Network], Awaitable[None]]


def play(scene: Scene, policy: FetchPolicy = POLICY) -> None:
    async def run() -> None:
        network = Network(policy, FakeObjectStore(), SystemClock(), {})
        try:
            async with Origin() as origin, asyncio.timeout(20):
                try:
                    await scene(origin, network)
                finally:
                    await network.close()
        finally:
            await network.close()

    asyncio.run(run())


async def whole(fetch: Fetch) -> bytes:
    try:
        await asyncio.shield(fetch.complete)
        return fetch.path.read_bytes()
    finally:
        await fetch.close()


async def failure(opening: Awaitable[Fetch]) -> CinelogError:
    try:
        fetch = await opening
    except CinelogError as error:
        return error
    try:
        await asyncio.wait({fetch.complete})
        error = fetch.complete.exception()
    finally:
        await fetch.close()
    assert isinstance(error, CinelogError)
    assert error.message.endswith(".")
    assert error.action
    return error


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(ranges=False),
        Behaviour(ranges=False, length=False),
        Behaviour(length=False),
        Behaviour(etag=None),
        Behaviour(etag='W/"weak"'),
        Behaviour(etag=None, last_modified="Tue, 14 Nov 2023 22:13:20 GMT"),
        Behaviour(gzip=True),
        Behaviour(total=False),
        Behaviour(most_range_bytes=30_000),
        Behaviour(cut_after=100_000, cuts=6),
        Behaviour(ranges=False, cut_after=1_000_000, cuts=2),
        Behaviour(ranges=False, length=False, cut_after=1_000_000, cuts=2),
        Behaviour(stall_after=50_000, stalls=1),
        Behaviour(statuses=(206, 503, 429)),
        Behaviour(statuses=(503,)),
    ],
)
def test_every_byte_arrives_whatever_the_server_does(tmp_path: Path, behaviour: Behaviour) -> None:
    # 206 among the statuses would answer without a body; the first request must succeed.
    statuses = tuple(status for status in behaviour.statuses if status != 206)
    behaviour = msgspec.structs.replace(behaviour, statuses=())

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, behaviour)
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        origin.serve("/a.mp4", DATA, msgspec.structs.replace(behaviour, statuses=(200, *statuses)))

        data = await whole(fetch)

        assert data == DATA
        assert fetch.size == len(DATA)
        assert fetch.bytes_fetched == len(DATA)

    play(scene)


def test_the_version_and_the_size_are_known_when_the_fetch_is_open(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(etag='"v1"'))

        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        assert fetch.size == len(DATA)
        assert fetch.accepts_ranges
        assert fetch.validator == Validator(etag='"v1"')
        await fetch.close()

    play(scene)


def test_a_range_somebody_waits_for_comes_before_what_lies_between(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=400_000))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        await fetch.wait_for(len(DATA) - 10_000, 10_000)

        assert fetch.available(len(DATA) - 10_000, 10_000)
        assert not fetch.available(1_000_000, 10_000)
        with fetch.path.open("rb") as file:
            file.seek(len(DATA) - 10_000)
            assert file.read() == DATA[-10_000:]
        await fetch.close()

    play(scene)


def test_the_front_is_there_long_before_the_end(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=1_000_000))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        await fetch.wait_for(0, 100_000)

        assert fetch.bytes_fetched < 500_000
        assert not fetch.complete.done()
        await fetch.close()

    play(scene)


def test_waiting_behind_the_end_of_a_source_of_unknown_size_ends_with_it(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(ranges=False, length=False))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        await fetch.wait_for(len(DATA) - 5, 1_000)

        assert fetch.size == len(DATA)
        await fetch.wait_for(len(DATA) + 5, 1_000)
        await fetch.close()

    play(scene)


def test_a_closed_fetch_tells_those_who_wait_for_it(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=50_000))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        waiting = asyncio.create_task(fetch.wait_for(1_000_000, 10))
        await fetch.wait_for(0, 1)

        await fetch.close()

        with pytest.raises(TransientError):
            await waiting
        assert isinstance(fetch.complete.exception(), TransientError)

    play(scene)


def test_a_resumed_fetch_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        first = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await first.wait_for(0, 500_000)
        await first.close()
        there = first.bytes_fetched

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        assert there >= 500_000
        assert origin.sent_twice("/a.mp4") < POLICY.chunk_bytes

    play(scene)


def test_a_finished_part_needs_no_request(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))
        requests = len(origin.requests)

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        assert len(origin.requests) == requests

    play(scene)


def test_a_stretch_that_did_not_survive_is_fetched_again(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        part = tmp_path / "part"
        await whole(await network.fetcher.open(Input(url=url), part))
        with part.open("r+b") as file:
            file.seek(1_000_000)
            file.write(bytes(4096))
        with journal_of(part).open("ab") as journal:
            journal.write(b"[1,2")

        data = await whole(await network.fetcher.open(Input(url=url), part))

        assert data == DATA
        assert 0 < origin.sent_twice("/a.mp4") < POLICY.chunk_bytes

    play(scene)


@pytest.mark.parametrize(
    ("before", "after", "data"),
    [
        (Behaviour(etag='"1"'), Behaviour(etag='"2"'), DATA),
        (Behaviour(etag='"1"', ranges=True), Behaviour(etag='"2"', ranges=False), DATA),
        (Behaviour(etag=None), Behaviour(etag=None), DATA + b"more"),
        (Behaviour(etag=None), Behaviour(etag=None), DATA[:1000]),
        (
            Behaviour(etag=None, last_modified="Tue, 14 Nov 2023 22:13:20 GMT"),
            Behaviour(etag=None, last_modified="Tue, 14 Nov 2023 22:13:21 GMT"),
            DATA,
        ),
        (Behaviour(etag=None, ranges=False), Behaviour(etag=None, ranges=False), DATA[::-1]),
    ],
)
def test_a_source_that_changes_in_the_middle_is_noticed(
    tmp_path: Path, before: Behaviour, after: Behaviour, data: bytes
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        slow = msgspec.structs.replace(before, rate_bps=2_000_000, cut_after=200_000)
        url = origin.serve("/a.mp4", DATA, slow)
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await fetch.wait_for(0, 70_000)

        origin.serve("/a.mp4", data, after)

        async def same() -> Fetch:
            return fetch

        assert (await failure(same())).category is Category.SOURCE_CHANGED

    play(scene)


def test_a_source_that_changes_between_two_attempts_is_noticed(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(etag='"1"', rate_bps=1_000_000))
        first = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await first.wait_for(0, 100_000)
        await first.close()
        origin.serve("/a.mp4", DATA, Behaviour(etag='"2"'))

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.category is Category.SOURCE_CHANGED

    play(scene)


@pytest.mark.parametrize(
    ("behaviour", "data", "category", "kind"),
    [
        (Behaviour(status=404), DATA, Category.SOURCE_NOT_FOUND, PermanentError),
        (Behaviour(status=403), DATA, Category.SOURCE_FORBIDDEN, PermanentError),
        (Behaviour(status=503), DATA, Category.SOURCE_UNAVAILABLE, TransientError),
        (Behaviour(), b"", Category.NOT_MEDIA, PermanentError),
        (Behaviour(ranges=False), b"", Category.NOT_MEDIA, PermanentError),
        (
            Behaviour(claimed_length=3_000_000, ranges=False),
            DATA,
            Category.SOURCE_UNREACHABLE,
            TransientError,
        ),
        (Behaviour(cut_after=0), DATA, UNREACHABLE, TransientError),
        (Behaviour(stall_after=1000), DATA, UNREACHABLE, TransientError),
        (Behaviour(rate_bps=500), DATA, UNREACHABLE, TransientError),
    ],
)
def test_a_source_that_cannot_be_fetched_says_why(
    tmp_path: Path, *, behaviour: Behaviour, data: bytes, category: Category, kind: type[CinelogError]
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", data, behaviour)

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.category is category
        assert isinstance(error, kind)

    play(scene)


def test_an_expired_address_in_the_middle_is_told_as_forbidden(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        origin.serve("/a.mp4", DATA, Behaviour(status=403))

        async def same() -> Fetch:
            return fetch

        assert (await failure(same())).category is Category.SOURCE_FORBIDDEN

    play(scene)


def test_a_long_retry_after_is_left_to_the_ledger(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(status=429, retry_after="120"))

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.retry_after_s == 120.0

    play(scene)


def test_a_source_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, max_source_bytes=1_000_000)

    async def scene(origin: Origin, network: Network) -> None:
        known = origin.serve("/a.mp4", DATA)
        unknown = origin.serve("/b.mp4", DATA, Behaviour(ranges=False, length=False))

        errors = [
            await failure(network.fetcher.open(Input(url=url), tmp_path / "p")) for url in (known, unknown)
        ]

        assert [error.category for error in errors] == [Category.LIMIT_EXCEEDED] * 2

    play(scene, policy)


def test_a_source_larger_than_the_disk_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, reserve_bytes=1 << 60)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.category is Category.NO_SPACE
        assert not (tmp_path / "part").exists()

    play(scene, policy)


def test_a_disk_that_fills_up_is_named(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(ranges=False, length=False))

        # To the process, a file that may not grow looks as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

        assert error.category is Category.NO_SPACE

    play(scene)


def test_a_folder_that_is_none_is_told_as_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "file" / "part"))

        assert error.category is Category.NOT_WRITABLE

    play(scene)


def test_capped_connections_are_used_in_parallel_and_bring_each_byte_once(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(
        POLICY, connections=ConnectionPolicy(window_s=0.2, worthwhile_s=0.5), chunk_bytes=512 * KIB
    )

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=600_000))

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        assert origin.most_at_once("/a.mp4") >= 3
        assert origin.sent_twice("/a.mp4") == 0

    play(scene, policy)


def test_a_second_connection_that_brings_nothing_is_ended_before_its_range_is(tmp_path: Path) -> None:
    connections = ConnectionPolicy(window_s=0.2, worthwhile_s=0.5, front_share=0.1)
    policy = msgspec.structs.replace(POLICY, connections=connections, chunk_bytes=2000 * KIB)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(link_bps=800_000))

        assert await whole(await network.fetcher.open(Input(url=url), tmp_path / "part")) == DATA
        ranges = [one.headers["Range"].removeprefix("bytes=").split("-") for one in origin.asked("/a.mp4")]
        asked = [int(last) + 1 - int(first) for first, last in ranges]
        assert any(one.sent < size / 2 for one, size in zip(origin.asked("/a.mp4"), asked, strict=True))

    play(scene, policy)


def test_a_server_that_refuses_several_connections_is_served_by_one(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(
        POLICY,
        connections=ConnectionPolicy(window_s=0.1, worthwhile_s=0.2),
        retries=RetryPolicy(attempts=3, first_s=0.05),
    )

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(rate_bps=1_500_000, most_connections=1))

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA

    play(scene, policy)


def test_no_request_asks_for_more_than_the_site_allows(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)
        wanted = Input(url=url, chunk_bytes=100_000)

        data = await whole(await network.fetcher.open(wanted, tmp_path / "part"))

        assert data == DATA
        assert max(seen.sent for seen in origin.asked("/a.mp4")) <= 100_000

    play(scene)


def test_an_object_without_a_file_is_fetched_by_ranges(tmp_path: Path) -> None:
    async def run() -> None:
        objects = FakeObjectStore()
        await objects.create("uploads/a.mp4", DATA)
        network = Network(POLICY, objects, SystemClock(), {})

        fetch = await network.fetcher.open(Input(url="uploads/a.mp4", protocol="object"), tmp_path / "part")

        assert await whole(fetch) == DATA
        await network.close()

    asyncio.run(run())


def test_a_file_is_its_own_part(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(DATA)

    async def run() -> None:
        network = Network(POLICY, FakeObjectStore(), SystemClock(), {})

        fetch = await network.fetcher.open(Input(url=str(path), protocol="file"), tmp_path / "part")

        assert fetch.path == path
        assert fetch.available(0, len(DATA))
        assert fetch.complete.done()
        assert not (tmp_path / "part").exists()
        await fetch.close()
        assert path.exists()

    asyncio.run(run())


def test_a_limited_rate_holds_for_all_connections_together(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(POLICY, rate_bps=1_000_000)

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


def test_a_fetch_that_is_cancelled_while_its_part_file_opens_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, made = threading.Event(), []

    def slowly(path: Path, version: Version, *, reserve_bytes: int) -> PartFile:
        begun.set()
        time.sleep(0.2)
        made.append(create(path, version, reserve_bytes=reserve_bytes))
        return made[0]

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/1.mp4", DATA)
        opening = asyncio.create_task(network.fetcher.open(Input(url=url), tmp_path / "part"))
        await asyncio.to_thread(begun.wait, 10)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        assert made[0]._journal.closed

    create = PartFile.create
    monkeypatch.setattr(PartFile, "create", slowly)
    play(scene)


def test_another_mirror_of_a_page_is_fetched_anew_if_its_version_is_another(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        first = origin.serve("/1.mp4", DATA, Behaviour(etag='"one"', rate_bps=1_000_000))
        fetch = await network.fetcher.open(Input(url=first, mirrored=True), tmp_path / "part")
        await fetch.wait_for(0, 200_000)
        await fetch.close()
        same = origin.serve("/2.mp4", DATA, Behaviour(etag='"one"', rate_bps=1_000_000))
        fetch = await network.fetcher.open(Input(url=same, mirrored=True), tmp_path / "part")
        await fetch.wait_for(0, 400_000)
        await fetch.close()
        other = origin.serve("/3.mp4", DATA, Behaviour(etag='"two"'))

        data = await whole(await network.fetcher.open(Input(url=other, mirrored=True), tmp_path / "part"))

        assert data == DATA
        assert min(seen.start for seen in origin.asked("/2.mp4")) >= 200_000
        assert min(seen.start for seen in origin.asked("/3.mp4")) == 0

    play(scene)


@pytest.mark.parametrize("rate_bps", [None, 4_000_000, 20_000_000])
def test_what_is_asked_for_and_not_noted_is_less_than_a_chunk_at_any_time(
    tmp_path: Path, rate_bps: int | None
) -> None:
    policy = msgspec.structs.replace(POLICY, connections=ConnectionPolicy(window_s=0.05, worthwhile_s=0.01))
    data = pattern(8_000_000)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", data, Behaviour(rate_bps=rate_bps))
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        while not fetch.complete.done():
            asked = IntervalSet(_asked(seen.headers["Range"]) for seen in origin.asked("/a.mp4"))
            lines = journal_of(tmp_path / "part").read_bytes().splitlines()[1:]
            noted = IntervalSet(tuple(msgspec.json.decode(line)[:2]) for line in lines)

            assert asked.total - noted.total < policy.chunk_bytes
            await asyncio.sleep(0)

        assert await whole(fetch) == data

    play(scene, policy)


def _asked(value: str) -> tuple[int, int]:
    first, _, last = value.removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1
