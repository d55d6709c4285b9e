"""The demuxer as a child process: pipelined with a slow fetch, killed at will, never trusted."""

import asyncio
import contextlib
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.values import AudioRecipe
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_download.adapters.demuxer import ChildDemuxer, DemuxerPolicy
from cinelog_download.domain.demuxing import DemuxOrder, Finished, InputFile, Message, UnitCut


def order_for(fetch: Any, folder: Path) -> DemuxOrder:
    folder.mkdir(parents=True, exist_ok=True)
    file = InputFile(path=str(fetch.path), size_bytes=fetch.size)
    return DemuxOrder(
        job="job",
        run=1,
        inputs=(file,),
        audio=AudioRecipe(),
        folder=str(folder),
        segment_s=1.0,
        max_segment_s=2.0,
    )


async def all_of(demuxer: ChildDemuxer, fetch: Any, folder: Path, stop_after: int = 1 << 30) -> list[Message]:
    told: list[Message] = []
    async with aclosing(demuxer.demux(order_for(fetch, folder), [fetch])) as messages:
        async for message in messages:
            told.append(message)
            if len(told) == stop_after:
                break
    return told


@contextlib.asynccontextmanager
async def demuxing() -> Any:
    demuxer = ChildDemuxer(DemuxerPolicy(idle_s=5))
    try:
        yield demuxer
    finally:
        await demuxer.close()


@pytest.mark.parametrize("size_known", [True, False])
def test_a_child_takes_a_film_apart_while_it_arrives(
    films: Any, media: Any, tmp_path: Path, size_known: bool
) -> None:
    path = films.make("child.mp4", media.Film(frames=96))
    fetch = media.TricklingFetch(path, size_known=size_known)

    async def run() -> list[Message]:
        async with demuxing() as demuxer:
            return await all_of(demuxer, fetch, tmp_path)

    told = asyncio.run(run())

    assert isinstance(told[-1], Finished)
    assert media.in_units(told) == media.whole(path)
    assert fetch.waits > 3


def test_a_child_killed_in_the_middle_leaves_the_next_one_to_make_the_same(
    films: Any, media: Any, tmp_path: Path
) -> None:
    path = films.make("killed.mp4", media.Film(frames=96))

    async def run() -> list[Message]:
        async with demuxing() as demuxer:
            await all_of(demuxer, media.TricklingFetch(path), tmp_path / "first", stop_after=4)
            return await all_of(demuxer, media.TricklingFetch(path), tmp_path / "second")

    told = asyncio.run(run())

    first = {file.name: file.read_bytes() for file in (tmp_path / "first").glob("0*.pkts")}
    second = {file.name: file.read_bytes() for file in (tmp_path / "second").glob("0*.pkts")}
    assert len(media.units(told)) == len(second)
    assert first
    assert first.items() <= second.items()


def test_one_warm_child_serves_source_after_source(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("warm.mp4")

    async def run() -> list[list[Message]]:
        async with demuxing() as demuxer:
            return [await all_of(demuxer, media.TricklingFetch(path), tmp_path / str(n)) for n in range(3)]

    runs = asyncio.run(run())

    assert all(isinstance(told[-1], Finished) for told in runs)


def test_a_refusal_keeps_its_category(media: Any, tmp_path: Path) -> None:
    page = tmp_path / "film.mp4"
    page.write_bytes(b"<html>No film here</html>" * 100)

    async def run() -> None:
        async with demuxing() as demuxer:
            await all_of(demuxer, media.TricklingFetch(page), tmp_path / "made")

    with pytest.raises(PermanentError) as caught:
        asyncio.run(run())

    assert caught.value.category == Category.NOT_MEDIA


def test_a_fetch_that_fails_ends_the_child_with_its_error(films: Any, media: Any, tmp_path: Path) -> None:
    fetch = media.TricklingFetch(films.make("cut-line.mp4", media.Film(frames=96)))
    fetch.fails_after = 5

    async def run() -> None:
        async with demuxing() as demuxer:
            await all_of(demuxer, fetch, tmp_path)

    with pytest.raises(TransientError, match="the line is cut"):
        asyncio.run(run())


def test_random_bytes_end_in_an_error_never_in_silence(films: Any, media: Any, tmp_path: Path) -> None:
    data = bytearray(films.make("fuzzed.mkv").read_bytes())
    for seed in range(8):
        broken = bytearray(data)
        for n in range(200):
            broken[(n * 7919 + seed * 104_729) % len(broken)] ^= (n * 31 + seed) % 255 + 1
        path = tmp_path / f"{seed}.mkv"
        path.write_bytes(bytes(broken))

        async def run(path: Path = path, seed: int = seed) -> list[Message]:
            async with demuxing() as demuxer:
                return await all_of(demuxer, media.TricklingFetch(path), tmp_path / str(seed))

        try:
            told = asyncio.run(run())
        except (PermanentError, TransientError):
            continue
        assert isinstance(told[-1], Finished)
        assert sum(isinstance(message, UnitCut) for message in told) == told[-1].units


def test_a_child_that_is_stuck_is_ended(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("stuck.mp4")

    async def run() -> None:
        demuxer = ChildDemuxer(DemuxerPolicy(stall_s=0.001))
        try:
            await all_of(demuxer, media.TricklingFetch(path), tmp_path)
        finally:
            await demuxer.close()

    with pytest.raises(TransientError, match="stuck"):
        asyncio.run(run())
