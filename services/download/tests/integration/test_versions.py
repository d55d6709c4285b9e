"""Sources that change: a fetch never joins bytes of two versions, and asks so that it would hear of it."""

from pathlib import Path

import pytest
from cinelog_common.errors import Category, PermanentError
from cinelog_download.adapters.network import Network
from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.ports import Input
from cinelog_download.testing import Behaviour, Origin
from cinelog_testkit.scenes import DATA, asked_range, end_of, failure, play, whole
from msgspec.structs import replace

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
STRONG = Behaviour(etag='"1"', last_modified=DATE)
WEAK = Behaviour(etag='W/"1"', last_modified=DATE)
DATED = Behaviour(etag=None, last_modified=DATE)


@pytest.mark.parametrize(
    ("behaviour", "condition"),
    [
        (STRONG, '"1"'),
        (WEAK, DATE),
        (DATED, DATE),
        (Behaviour(etag='W/"1"'), None),
        (Behaviour(etag=None), None),
    ],
)
def test_after_a_break_it_goes_on_under_the_condition_that_the_version_is_the_same(
    tmp_path: Path, behaviour: Behaviour, condition: str | None
) -> None:
    broken = replace(behaviour, cut_after=50_000, cuts=1)

    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, broken)

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        first, *later = origin.asked("/a.mp4")
        assert first.sent == 50_000
        assert asked_range(later[0])[0] == 50_000
        assert "If-Range" not in first.headers
        assert {seen.headers.get("If-Range") for seen in later} == {condition}
        assert {seen.status for seen in later} == {206}
        assert origin.sent_twice("/a.mp4") == 0

    play(scene)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STRONG, Behaviour(etag='"2"', last_modified=DATE)),
        (STRONG, Behaviour(etag='"2"', last_modified=DATE, ranges=False)),
        (STRONG, Behaviour(etag=None)),
        (DATED, Behaviour(etag=None, last_modified="Tue, 14 Nov 2023 22:13:21 GMT")),
    ],
)
def test_an_answer_with_the_whole_of_another_version_ends_the_fetch_and_adds_nothing(
    tmp_path: Path, before: Behaviour, after: Behaviour
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, replace(before, cut_after=50_000, cuts=1))
        origin.hold_after(40_000)
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        origin.serve("/a.mp4", DATA[::-1], after)
        await origin.release()

        error = await end_of(fetch)

        assert error.category is Category.SOURCE_CHANGED
        assert isinstance(error, PermanentError)
        _, second = origin.asked("/a.mp4")
        assert (second.status, second.headers["If-Range"]) == (200, before.etag or before.last_modified)
        assert fetch.bytes_fetched == 50_000
        assert fetch.path.read_bytes()[:50_000] == DATA[:50_000]
        assert not any(fetch.path.read_bytes()[50_000:])

    play(scene)


@pytest.mark.parametrize("behaviour", [STRONG, WEAK, DATED])
def test_a_server_that_never_takes_the_condition_is_asked_without_one(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, replace(behaviour, conditions=False))

        data = await whole(await network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert data == DATA
        first, refused, *later = origin.asked("/a.mp4")
        assert (first.status, refused.status) == (206, 200)
        assert {(seen.status, seen.headers.get("If-Range")) for seen in later} == {(206, None)}

    play(scene)


def test_a_server_that_never_takes_the_condition_sends_a_resumed_fetch_only_what_is_missing(
    tmp_path: Path,
) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, replace(DATED, conditions=False))
        first = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await first.wait_for(0, 1_000_000)
        await first.close()
        there, before = first.bytes_fetched, len(origin.requests)

        second = await network.fetcher.open(Input(url=url), tmp_path / "part")

        assert second.accepts_ranges
        assert await whole(second) == DATA
        refused, *later = origin.requests[before:]
        assert refused.status == 200
        assert {seen.status for seen in later} == {206}
        # What is there may have holes: one request begins while another ends.
        sent = IntervalSet((seen.start, seen.start + seen.sent) for seen in later)
        assert sent.total == len(DATA) - there

    play(scene)


def test_a_resumed_fetch_is_not_joined_to_the_whole_of_a_version_without_a_name(tmp_path: Path) -> None:
    async def scene(origin: Origin, network: Network) -> None:
        url = origin.serve("/a.mp4", DATA, STRONG)
        first = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await first.wait_for(0, 1_000_000)
        await first.close()
        origin.serve("/a.mp4", DATA[::-1], Behaviour(etag=None))

        error = await failure(network.fetcher.open(Input(url=url), tmp_path / "part"))

        assert error.category is Category.SOURCE_CHANGED

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
        slow = replace(before, rate_bps=2_000_000, cut_after=200_000)
        url = origin.serve("/a.mp4", DATA, slow)
        fetch = await network.fetcher.open(Input(url=url), tmp_path / "part")
        await fetch.wait_for(0, 70_000)

        origin.serve("/a.mp4", data, after)

        assert (await end_of(fetch)).category is Category.SOURCE_CHANGED

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
