"""The whole handler on a real origin, a real child and a folder of objects."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.events import Event, SegmentReady, SourceEnded, SourceProbed, TrackEnded
from cinelog_common.contract.status import Progress
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.errors import Category, CinelogError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_download.adapters import pages
from cinelog_download.adapters.demuxer import ChildDemuxer, DemuxerPolicy
from cinelog_download.adapters.network import Network
from cinelog_download.adapters.scratch import Scratch
from cinelog_download.children import decoding
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.handlers import FetchHandler, Tools
from cinelog_download.testing import Behaviour, Origin, video_page
from cinelog_fastio import BundleReader
from cinelog_testkit.scenes import KNOWN_SITE, serve_watch_page
from cinelog_testkit.waiting import eventually


class Told:
    """What was announced, and how much of the source the origin had sent by then."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.events: list[Event] = []
        self.sent: list[int] = []

    async def announce(self, event: Event) -> None:
        self.events.append(event)
        self.sent.append(self._origin.sent("/film.mp4"))

    async def progress(self, progress: Progress) -> None:
        assert progress.stage == "fetch"

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Place:
    """An origin, and a handler beside it."""

    def __init__(self, origin: Origin, handler: FetchHandler, told: Told, folder: Path) -> None:
        self.origin = origin
        self.handler = handler
        self.told = told
        self.store = folder / "store"
        self.scratch = folder / "scratch"

    async def fetch(self, url: str, **fields: Any) -> None:
        await self.handler(
            FetchSource(job="job", source=Source(url=url), audio=AudioRecipe(), segment_s=1.0, **fields)
        )

    def pictures(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for event in self.told.of(SegmentReady):
            with BundleReader.open(self.store / event.key) as reader:
                pictures = decoding.pictures(reader.parameters, list(reader))
            found |= {pts: digest for pts, digest in pictures.items() if event.start <= pts < event.end}
        return found


@contextlib.asynccontextmanager
async def place(folder: Path, chunk_bytes: int = FetchPolicy().chunk_bytes) -> AsyncIterator[Place]:
    addresses = AddressPolicy(allow_private=True)
    policy = FetchPolicy(addresses=addresses, reserve_bytes=0, chunk_bytes=chunk_bytes)
    objects = FolderObjectStore(folder / "store", durable=False)
    network = Network(policy, objects, SystemClock(), {})
    demuxer = ChildDemuxer(DemuxerPolicy())
    async with Origin() as origin, asyncio.timeout(60):
        told = Told(origin)
        tools = Tools(
            resolver=network.resolver,
            fetcher=network.fetcher,
            demuxer=demuxer,
            texts=network.texts,
            objects=objects,
            announcer=told,
            clock=SystemClock(),
            folder=Scratch(folder / "scratch").folder,
        )
        try:
            yield Place(origin, FetchHandler(tools), told, folder)
        finally:
            await demuxer.close()
            await network.close()


@pytest.fixture(scope="module")
def film(films: Any, media: Any) -> Path:
    made: Path = films.make("served.mp4", media.Film(frames=240, size=(320, 240)))
    return made


def test_a_film_over_http_arrives_exactly(media: Any, film: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with place(tmp_path) as at:
            await at.fetch(at.origin.serve("/film.mp4", film.read_bytes()))

            assert at.pictures() == media.whole(film)
            assert len(at.told.of(TrackEnded)) == 1
            assert at.told.of(SourceEnded)[0].size_bytes == film.stat().st_size
            assert list(at.scratch.iterdir()) == []

    asyncio.run(run())


def test_work_begins_long_before_a_slow_film_is_there(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()

    async def run() -> None:
        async with place(tmp_path) as at:
            url = at.origin.serve("/film.mp4", data, Behaviour(rate_bps=len(data) // 30))
            fetching = asyncio.create_task(at.fetch(url))
            await eventually(lambda: bool(at.told.of(SegmentReady)))
            at.origin.serve("/film.mp4", data)  # the rest at once
            await fetching

            first = at.told.events.index(at.told.of(SegmentReady)[0])
            assert at.told.sent[first] < len(data) * 0.5

    asyncio.run(run())


@pytest.mark.parametrize("behaviour", [Behaviour(ranges=False), Behaviour(length=False, ranges=False)])
def test_a_server_without_ranges_or_length_serves_too(
    media: Any, film: Path, tmp_path: Path, behaviour: Behaviour
) -> None:
    async def run() -> None:
        async with place(tmp_path) as at:
            await at.fetch(at.origin.serve("/film.mp4", film.read_bytes(), behaviour))

            assert at.pictures() == media.whole(film)

    asyncio.run(run())


def test_a_file_of_this_machine_is_read_where_it_lies(media: Any, film: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with place(tmp_path) as at:
            await at.fetch(str(film))

            assert at.pictures() == media.whole(film)
            assert film.exists()

    asyncio.run(run())


def test_a_page_with_a_film_has_its_title(media: Any, film: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with place(tmp_path) as at:
            at.origin.serve("/film.mp4", film.read_bytes())

            await at.fetch(at.origin.serve_page("/page", video_page("/film.mp4", "A fine film")))

            assert at.told.of(SourceProbed)[0].title == "A fine film"
            assert at.pictures() == media.whole(film)

    asyncio.run(run())


def test_an_address_of_a_page_that_expires_is_looked_up_again_and_goes_on_where_it_stood(
    media: Any, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_CHILD", KNOWN_SITE)
    data, chunk = film.read_bytes(), 256 * 1024

    async def run() -> None:
        async with place(tmp_path, chunk) as at:
            origin = at.origin
            old = {"url": origin.serve("/old.mp4", data), "http_headers": {"X-Session": "old"}}
            fetching = asyncio.create_task(at.fetch(serve_watch_page(origin, old)))
            origin.hold_after(len(data) // 2)
            await origin.until_sent("/old.mp4", len(data) // 3)
            new = {"url": origin.serve("/new.mp4", data), "http_headers": {"X-Session": "new"}}
            origin.serve("/old.mp4", data, Behaviour(status=403))
            serve_watch_page(origin, new)
            await origin.release()

            await fetching

            assert at.pictures() == media.whole(film)
            assert {seen.headers["X-Session"] for seen in origin.asked("/old.mp4")} == {"old"}
            assert {seen.headers["X-Session"] for seen in origin.asked("/new.mp4")} == {"new"}
            assert 403 in {seen.status for seen in origin.asked("/old.mp4")}
            assert 0 <= origin.sent("/old.mp4") + origin.sent("/new.mp4") - len(data) < chunk

    asyncio.run(run())


def test_stopped_at_any_point_and_run_again_it_ends_the_same(media: Any, film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()

    async def run() -> None:
        async with place(tmp_path) as at:
            url = at.origin.serve("/film.mp4", data, Behaviour(rate_bps=len(data)))
            for reached in (0.2, 0.6):
                fetching = asyncio.create_task(at.fetch(url))
                await at.origin.until_sent("/film.mp4", int(len(data) * reached))
                fetching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await fetching
            before = {file: file.read_bytes() for file in at.store.rglob("*.*") if file.is_file()}
            at.told.events.clear()

            await at.fetch(url)

            assert at.pictures() == media.whole(film)
            assert all(file.read_bytes() == content for file, content in before.items())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("behaviour", "category"),
    [
        (Behaviour(status=404), Category.SOURCE_NOT_FOUND),
        (Behaviour(status=403), Category.SOURCE_FORBIDDEN),
        (Behaviour(status=503), Category.SOURCE_UNAVAILABLE),
    ],
)
def test_what_a_server_refuses_is_refused(
    film: Path, tmp_path: Path, behaviour: Behaviour, category: Category
) -> None:
    async def run() -> None:
        async with place(tmp_path) as at:
            with pytest.raises(CinelogError) as caught:
                await at.fetch(at.origin.serve("/film.mp4", film.read_bytes(), behaviour))

            assert caught.value.category == category
            assert at.told.events == []

    asyncio.run(run())


def test_a_film_that_is_cut_off_is_damaged(film: Path, tmp_path: Path) -> None:
    data = film.read_bytes()

    async def run() -> None:
        async with place(tmp_path) as at:
            with pytest.raises(CinelogError) as caught:
                await at.fetch(at.origin.serve("/film.mp4", data[: len(data) // 2]))

            assert caught.value.category == Category.DAMAGED

    asyncio.run(run())


def test_a_film_that_changes_between_attempts_is_another_run(
    films: Any, media: Any, film: Path, tmp_path: Path
) -> None:
    other = films.make("other-served.mp4", media.Film(frames=100))

    async def run() -> None:
        async with place(tmp_path) as at:
            await at.fetch(at.origin.serve("/film.mp4", film.read_bytes()))
            with pytest.raises(CinelogError) as caught:
                await at.fetch(at.origin.serve("/film.mp4", other.read_bytes()), attempt=2)

            assert caught.value.category == Category.SOURCE_CHANGED
            at.told.events.clear()
            await at.fetch(at.origin.url("/film.mp4"), run=2)

            assert at.pictures() == media.whole(other)

    asyncio.run(run())
