import asyncio
import json
import resource
import threading
import time
from pathlib import Path

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.parts import PartFile, Version, journal_of
from cinelog_download.domain.answers import Validator
from cinelog_download.ports import Input
from cinelog_download.settings import Settings
from cinelog_download.testing import Behaviour, Origin, Seen
from cinelog_testkit.scenes import DATA, QUICK, asked_range, end_of, failure, play, whole

UNREACHABLE = Category.SOURCE_UNREACHABLE


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
        assert origin.sent_twice("/a.mp4") < QUICK.chunk_bytes

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
        noted = [json.loads(line) for line in journal_of(part).read_bytes().splitlines()[1:]]
        with journal_of(part).open("ab") as journal:
            journal.write(b"[1,2")

        data = await whole(await network.fetcher.open(Input(url=url), part))

        assert data == DATA
        lost = [stop - start for start, stop, _ in noted if start < 1_004_096 and stop > 1_000_000]
        assert origin.sent_twice("/a.mp4") == sum(lost)

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

        assert (await end_of(fetch)).category is Category.SOURCE_FORBIDDEN

    play(scene)


def test_a_source_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(QUICK, max_source_bytes=1_000_000)

    async def scene(origin: Origin, network: Network) -> None:
        known = origin.serve("/a.mp4", DATA)
        unknown = origin.serve("/b.mp4", DATA, Behaviour(ranges=False, length=False))

        errors = [
            await failure(network.fetcher.open(Input(url=url), tmp_path / "p")) for url in (known, unknown)
        ]

        assert [error.category for error in errors] == [Category.LIMIT_EXCEEDED] * 2

    play(scene, policy)


def test_a_source_larger_than_the_disk_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    policy = msgspec.structs.replace(QUICK, reserve_bytes=1 << 60)

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


@pytest.mark.parametrize("most", [100_000, 20_000])
def test_no_request_asks_for_more_than_the_site_allows(tmp_path: Path, most: int) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        wanted = Input(url=origin.serve("/a.mp4", DATA[:1_000_003]), chunk_bytes=most)

        data = await whole(await network.fetcher.open(wanted, tmp_path / "part"))

        assert data == DATA[:1_000_003]
        assert _longest(origin.asked("/a.mp4")) <= most

    play(scene)


def test_no_request_of_a_resumed_fetch_asks_for_more_than_the_site_allows(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        wanted = Input(url=origin.serve("/a.mp4", DATA), chunk_bytes=100_000)
        first = await network.fetcher.open(wanted, tmp_path / "part")
        await first.wait_for(0, 500_000)
        await first.close()

        data = await whole(await network.fetcher.open(wanted, tmp_path / "part"))

        assert data == DATA
        assert _longest(origin.asked("/a.mp4")) <= 100_000

    play(scene)


def test_the_smallest_chunk_that_can_be_set_is_enough_to_go_on_with(tmp_path: Path) -> None:
    [least] = [each.ge for each in Settings.model_fields["chunk_bytes"].metadata if hasattr(each, "ge")]
    policy = msgspec.structs.replace(QUICK, chunk_bytes=least)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA)

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        assert _longest(origin.asked("/a.mp4")) < least

    play(scene, policy)


@pytest.mark.parametrize("later", [Behaviour(), Behaviour(ranges=False)])
def test_a_source_that_tells_its_size_only_at_the_second_attempt_is_fetched_whole(
    tmp_path: Path, later: Behaviour
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, Behaviour(ranges=False, length=False, rate_bps=2_000_000))
        first = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await first.wait_for(0, 100_000)
        await first.close()
        origin.serve("/a.mp4", DATA, later)

        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")

        assert await whole(fetch) == DATA
        assert fetch.size == len(DATA)

    play(scene)


def test_a_part_of_a_source_of_unknown_size_is_never_taken_for_the_whole(tmp_path: Path) -> None:
    cut = Behaviour(ranges=False, length=False, cut_after=100_000, cuts=1)

    async def scene(origin: Origin, network: Network) -> None:
        origin.hold_after(50_000)
        fetch = await network.fetcher.open(Input(url=origin.serve("/a.mp4", DATA, cut)), tmp_path / "part")
        origin.serve("/a.mp4", DATA, Behaviour(most_range_bytes=300_000))
        await origin.release()

        assert (await end_of(fetch)).category is UNREACHABLE

    play(scene)


def test_an_object_without_a_file_is_fetched_by_ranges(tmp_path: Path) -> None:
    async def run() -> None:
        objects = FakeObjectStore()
        await objects.create("uploads/a.mp4", DATA)
        network = Network(QUICK, objects, SystemClock(), {})

        fetch = await network.fetcher.open(Input(url="uploads/a.mp4", protocol="object"), tmp_path / "part")

        assert await whole(fetch) == DATA
        await network.close()

    asyncio.run(run())


def test_a_file_is_its_own_part(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(DATA)

    async def run() -> None:
        network = Network(QUICK, FakeObjectStore(), SystemClock(), {})

        fetch = await network.fetcher.open(Input(url=str(path), protocol="file"), tmp_path / "part")

        assert fetch.path == path
        assert fetch.available(0, len(DATA))
        assert fetch.complete.done()
        assert not (tmp_path / "part").exists()
        await fetch.close()
        assert path.exists()

    asyncio.run(run())


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


def _longest(requests: list[Seen]) -> int:
    """Return how many bytes the longest of the ranges holds that were asked for."""
    return max(stop - start for start, stop in map(asked_range, requests))
