"""Fakes of storage's ports, and what every adapter of them promises."""

# ruff: noqa: D102 - the tests' names are sentences
import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from cinelog_common.contract.commands import Extent, PublishOutput
from cinelog_common.contract.events import Event
from cinelog_common.contract.values import Output, Recipe, Rendition
from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.ports import ObjectStore
from cinelog_fastio import KEYFRAME, BundleWriter, Packet, StreamParameters
from msgspec.structs import replace

from cinelog_storage.domain.names import file_name, numbered
from cinelog_storage.ports import Gallerist, Gallery, GalleryOrder, ShelfMaker

JOB = "00000000-0000-5000-8000-000000000001"
RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 1000),
    frame_rate=(25, 1),
    renditions=(Rendition(name="360p", width=640, height=360, crf=23, max_rate_k=1000),),
    max_segment_s=8.0,
)
FILM = Output(
    kind="mp4", key=f"jobs/{JOB}/1/output/video.mp4", width=640, height=360, frames=50, duration_s=2.0
)


def a_publication(outcome: str = "completed") -> PublishOutput:
    """Return the order to end a small film's run."""
    if outcome != "completed":
        return PublishOutput(job=JOB, outcome=outcome, destination="shelf", title="A film")
    return PublishOutput(
        job=JOB,
        outcome=outcome,
        outputs=(FILM,),
        extent=Extent(units=2),
        recipe=RECIPE,
        destination="shelf",
        title="A film",
        source_url="https://example.org/film",
        duration_s=2.0,
    )


class RecordingAnnouncer:
    """Keeps what was announced."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def announce(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)


class FakeGallerist:
    """Writes three small files, or fails as often as it is told.

    Attributes:
        orders: What was asked for.
        failures: What the next calls raise.
    """

    def __init__(self, *failures: Exception) -> None:
        self.orders: list[GalleryOrder] = []
        self.failures = list(failures)

    async def make(self, order: GalleryOrder) -> Gallery:
        """Write the files, or raise."""
        self.orders.append(order)
        if self.failures:
            raise self.failures.pop(0)
        folder = Path(order.folder)
        for name in ("poster.jpg", "sprite.jpg", "sprite.vtt"):
            (folder / name).write_bytes(b"sprite.jpg#xywh=0,0,1,1" if name.endswith("vtt") else name.encode())
        return Gallery(poster="poster.jpg", sprite="sprite.jpg", vtt="sprite.vtt", width=320, height=180)


class FakeShelves:
    """Destinations in memory.

    Attributes:
        shown: What a user sees: object keys by path.
        staged: What is hidden, by destination and run.
        failure: What `stage` and `reveal` raise, if anything.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.objects = objects
        self.shown: dict[str, str] = {}
        self.staged: dict[tuple[str, str, int], dict[str, str]] = {}
        self.owners: dict[str, str] = {}
        self.failure: PermanentError | None = None

    def open(self, destination: str, *, job: str, run: int) -> "FakeShelf":
        """Return a shelf."""
        return FakeShelf(self, destination, job, run)


class FakeShelf:
    """One destination in memory, for one run of one job."""

    def __init__(self, shelves: FakeShelves, destination: str, job: str, run: int) -> None:
        self._shelves = shelves
        self._destination = destination
        self._job = job
        self._slot = (destination, job, run)

    async def stage(self, outputs: Sequence[Output], *, title: str) -> tuple[Output, ...]:
        """Keep what is to be shown."""
        if self._shelves.failure is not None:
            raise self._shelves.failure
        name = self._name(file_name(title))
        placed = tuple(
            replace(output, path=f"{self._destination}/{name}.{output.kind}") for output in outputs
        )
        for output in outputs:
            await self._shelves.objects.get(output.key)
        self._shelves.staged[self._slot] = {output.path or "": output.key for output in placed}
        return placed

    async def reveal(self, outputs: Sequence[Output]) -> tuple[Output, ...]:
        """Show what was kept."""
        if self._shelves.failure is not None:
            raise self._shelves.failure
        self._shelves.shown |= self._shelves.staged.pop(self._slot, {})
        await asyncio.sleep(0)
        return tuple(
            output if output.path in self._shelves.shown else replace(output, path=None) for output in outputs
        )

    async def discard(self) -> None:
        """Forget what was kept."""
        self._shelves.staged.pop(self._slot, None)

    def _name(self, wanted: str) -> str:
        count = 1
        while self._shelves.owners.setdefault(
            f"{self._destination}/{numbered(wanted, count)}", self._job
        ) != (self._job):
            count += 1
        return numbered(wanted, count)


OUTPUTS = (
    Output(kind="mp4", key="jobs/a/1/output/video.mp4"),
    Output(kind="poster", key="jobs/a/1/output/poster.jpg"),
)


class ShelfConformance:
    """What every shelf promises. A subclass opens its shelves and tells what a user sees there."""

    def open_shelves(self) -> AbstractAsyncContextManager[tuple[ShelfMaker, ObjectStore]]:
        """Return a maker of shelves over an empty destination, and the store it takes objects from."""
        raise NotImplementedError

    destination = "shelf"

    def seen(self) -> set[str]:
        """Return the paths that a user sees."""
        raise NotImplementedError

    def hidden(self) -> bool:
        """Whether anything staged is left."""
        raise NotImplementedError

    async def _filled(self, store: ObjectStore) -> None:
        for output in OUTPUTS:
            await store.create(output.key, output.key.encode())

    def test_nothing_is_seen_before_it_is_revealed(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await self._filled(store)
                shelf = shelves.open(self.destination, job="a", run=1)

                staged = await shelf.stage(OUTPUTS, title="A film")

                assert self.seen() == set()
                assert len({output.path for output in staged}) == 2
                assert all(output.path for output in staged)

        asyncio.run(work())

    def test_what_was_revealed_is_seen_under_the_paths_that_were_told(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await self._filled(store)
                shelf = shelves.open(self.destination, job="a", run=1)
                staged = await shelf.stage(OUTPUTS, title="A film")

                shown = await shelf.reveal(staged)

                assert shown == staged
                assert self.seen() == {output.path for output in staged}
                assert not self.hidden()

        asyncio.run(work())

    def test_another_attempt_reveals_what_a_dead_one_staged_and_again_changes_nothing(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await self._filled(store)
                staged = await shelves.open(self.destination, job="a", run=1).stage(OUTPUTS, title="A film")
                another = shelves.open(self.destination, job="a", run=1)

                first = await another.reveal(staged)
                second = await another.reveal(staged)

                assert first == second == staged
                assert self.seen() == {output.path for output in staged}

        asyncio.run(work())

    def test_what_is_discarded_is_never_seen(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await self._filled(store)
                shelf = shelves.open(self.destination, job="a", run=1)
                staged = await shelf.stage(OUTPUTS, title="A film")

                await shelf.discard()
                await shelf.discard()
                shown = await shelf.reveal(staged)

                assert self.seen() == set()
                assert not self.hidden()
                assert all(output.path is None for output in shown)

        asyncio.run(work())

    def test_two_jobs_of_one_title_get_two_names_and_each_keeps_its_own(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await self._filled(store)
                one, other = (shelves.open(self.destination, job=job, run=1) for job in "ab")

                first, second = await asyncio.gather(
                    one.stage(OUTPUTS, title="A film"), other.stage(OUTPUTS, title="A film")
                )
                again = await shelves.open(self.destination, job="a", run=1).stage(OUTPUTS, title="A film")

                assert {output.path for output in first}.isdisjoint({output.path for output in second})
                assert again == first

        asyncio.run(work())

    def test_an_output_without_its_object_is_refused_and_leaves_nothing(self) -> None:
        async def work() -> None:
            async with self.open_shelves() as (shelves, store):
                await store.create(OUTPUTS[0].key, b"film")
                shelf = shelves.open(self.destination, job="a", run=1)

                with pytest.raises(PermanentError):
                    await shelf.stage(OUTPUTS, title="A film")

                assert self.seen() == set()
                assert not self.hidden()

        asyncio.run(work())


def picture_bundle(path: Path, times_s: Sequence[int], *, jpeg: bytes) -> Path:
    """Write a bundle of small pictures, shown at `times_s`, as transcode does; return its path."""
    parameters = StreamParameters(codec="mjpeg", time_base=(1, 1000))
    with BundleWriter(path, parameters) as bundle:
        for at_s in times_s:
            bundle.add(Packet(data=jpeg, pts=at_s * 1000, dts=at_s * 1000, flags=KEYFRAME))
    return path


class GalleristConformance:
    """What every gallerist promises. A subclass opens its own."""

    def open_gallerist(self) -> AbstractAsyncContextManager[Gallerist]:
        """Return a gallerist."""
        raise NotImplementedError

    def jpeg(self) -> bytes:
        """Return a small picture."""
        raise NotImplementedError

    def test_pictures_become_files_in_the_folder(self, tmp_path: Path) -> None:
        async def work() -> None:
            bundle = picture_bundle(tmp_path / "0.pkts", [0, 2, 4], jpeg=self.jpeg())
            async with self.open_gallerist() as gallerist:
                gallery = await gallerist.make(
                    GalleryOrder(bundles=(str(bundle),), folder=str(tmp_path), duration_s=6.0)
                )

            assert gallery.poster is not None
            assert gallery.width > 0
            for name in (gallery.poster, gallery.sprite, gallery.vtt):
                assert name is not None
                assert (tmp_path / name).stat().st_size > 0

        asyncio.run(work())


def broken(sentence: str = "a bundle is broken") -> PermanentError:
    """Return what a gallerist says of damaged pictures."""
    return PermanentError(sentence, category=Category.DAMAGED)
