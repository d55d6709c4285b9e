"""The whole service on the in-process log: a command goes in, an outcome comes out."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.contract import topics
from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import Event, SegmentEncoded, WorkFailed
from cinelog_common.contract.status import WorkerBeat
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.kafka.compacted import CompactedReader, ReaderSettings
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.kafka.records import Record
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.platform import Platform
from cinelog_transcode import main
from cinelog_transcode.adapters.encoder import ChildEncoder, RefusedError
from cinelog_transcode.domain.proof import Proof
from cinelog_transcode.main import build
from cinelog_transcode.settings import Settings
from loguru import logger

CFR = tuple(range(0, 50 * 512, 512))


class Site:
    """A platform, and ears on its log."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.events: list[Event] = []
        self.beats: list[WorkerBeat | None] = []
        self._news = asyncio.Condition()

    async def take(self, record: Record) -> None:
        async with self._news:
            if record.topic == topics.EVENTS:
                self.events.append(open_event(record.headers, record.value))
            else:
                value = record.value
                self.beats.append(None if value is None else msgspec.json.decode(value, type=WorkerBeat))
            self._news.notify_all()

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(60), self._news:
            await self._news.wait_for(met)

    async def order(self, command: EncodeSegment, *, pool: str = "cpu") -> None:
        announcer = self.platform.announcer("merge")
        await announcer.order(topics.work_encode(pool, command.priority), None, command)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    names = [(topic.name, 1) for topic in topics.topics(partitions=1, pools=topics.POOLS)]
    with EmbeddedBroker(names) as broker:
        producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
        await producer.start()
        platform = Platform(
            bootstrap=broker.bootstrap,
            epoch=1,
            producer=producer,
            objects=FolderObjectStore(folder / "objects", durable=False),
            documents=FakeDocumentStore([]),
            clock=SystemClock(),
            scratch=folder / "scratch",
            worker="w1",
            embedded=True,
            partitions=1,
        )
        place = Site(platform)
        reader = CompactedReader(
            ReaderSettings(bootstrap=broker.bootstrap, topics=(topics.EVENTS, topics.WORKERS)), place.take
        )
        await reader.start()
        try:
            yield place
        finally:
            await reader.stop()
            await producer.stop()


def run(folder: Path, scenario: Callable[[Site], Awaitable[None]]) -> Site:
    async def whole() -> Site:
        async with site(folder) as place:
            service = build(Settings(slots=2, beat_s=0.2), place.platform)
            await service.start()
            try:
                await scenario(place)
            finally:
                await service.stop(5.0)
            await place.until(lambda: place.beats[-1:] == [None])
        return place

    return asyncio.run(whole())


@pytest.fixture
def unit(studio: Any, tmp_path: Path) -> tuple[bytes, EncodeSegment]:
    footage = studio.make(studio.spec(pts=CFR))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=50 * 512))
    return bundle.read_bytes(), EncodeSegment(job="job", n=0, recipe=studio.recipe(footage))


def test_a_command_becomes_a_fact_and_a_second_one_finds_it_done(
    tmp_path: Path, unit: tuple[bytes, EncodeSegment]
) -> None:
    data, command = unit

    async def scenario(place: Site) -> None:
        await place.platform.objects.create("jobs/job/1/source/000000.g0.pkts", data)
        await place.order(command)
        await place.until(lambda: len(place.events) == 1)
        await place.order(msgspec.structs.replace(command, attempt=2))
        await place.until(lambda: len(place.events) == 2)

    place = run(tmp_path, scenario)

    first, second = place.events
    assert isinstance(first, SegmentEncoded)
    assert (first.frames, first.parts, first.worker) == (50, 1, "w1")
    assert msgspec.structs.replace(second, attempt=1) == first
    assert os.listdir(tmp_path / "scratch" / "transcode") == []  # noqa: PTH208


def test_a_damaged_bundle_ends_in_a_failure_that_names_the_damage(
    tmp_path: Path, unit: tuple[bytes, EncodeSegment]
) -> None:
    data, command = unit

    async def scenario(place: Site) -> None:
        await place.platform.objects.create("jobs/job/1/source/000000.g0.pkts", data[:-100])
        await place.order(command)
        await place.until(lambda: len(place.events) == 1)

    (event,) = run(tmp_path, scenario).events

    assert isinstance(event, WorkFailed)
    assert (event.failure.category, event.permanent, event.command) == ("damaged", True, "encode")


def test_a_worker_tells_its_slots_and_its_proven_encoders(tmp_path: Path) -> None:
    async def scenario(place: Site) -> None:
        await place.until(lambda: len(place.beats) >= 2)

    beats = run(tmp_path, scenario).beats

    beat = beats[0]
    assert beat is not None
    assert (beat.worker, beat.pool, beat.slots, beat.role) == ("w1.cpu", "cpu", 2, "transcode")
    assert {proof.encoder for proof in beat.encoders} >= {"libx264", "libx265"}


class RefusingDevice(ChildEncoder):
    """Has one session, and is played by the processor; refuses while that is open, as drivers do."""

    open = 0
    refusals = 0

    async def encode(self, task: Any, on_progress: Any) -> Any:
        """Encode one unit at a time."""
        if RefusingDevice.open:
            RefusingDevice.refusals += 1
            raise RefusedError("The encoder h264_nvenc cannot be used here: it does not open.")
        RefusingDevice.open += 1
        try:
            played = msgspec.structs.replace(task.recipe, family="cpu", encoder="libx264")
            return await super().encode(msgspec.structs.replace(task, recipe=played), on_progress)
        finally:
            RefusingDevice.open -= 1


def offer(monkeypatch: pytest.MonkeyPatch, *, usable: bool) -> None:
    async def proven(tables: Any) -> AsyncIterator[Proof]:
        for table in tables:
            works = usable and table.name == "h264_nvenc"
            yield Proof(encoder=table.name, codec=table.codec, pool=table.pool, usable=works, version="13")

    monkeypatch.setattr(main, "prove", proven)


def device_settings() -> Settings:
    return Settings(pool="nvidia", required=False, slots=3, beat_s=0.2)


def test_a_device_that_fails_its_proof_is_not_offered_and_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, usable=False)
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO")

    async def whole() -> Site:
        async with site(tmp_path) as place:
            service = build(device_settings(), place.platform)
            await service.start()
            assert service.ready()
            await service.stop(1.0)
        return place

    try:
        place = asyncio.run(whole())
    finally:
        logger.remove(sink)

    assert place.beats == []
    assert not [line for line in lines if "nvidia" in line or "nvenc" in line]


def test_a_device_whose_proof_hangs_does_not_hold_up_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(tables: Any) -> AsyncIterator[Proof]:
        await asyncio.Event().wait()
        yield Proof(encoder="", codec="", pool="", usable=False)

    monkeypatch.setattr(main, "prove", hanging)
    monkeypatch.setattr(main, "_OFFER_S", 0.05)

    async def whole() -> None:
        async with site(tmp_path) as place:
            service = build(device_settings(), place.platform)
            await service.start()
            assert service.ready()
            await service.stop(1.0)

    asyncio.run(whole())


def test_a_device_that_refuses_a_second_unit_gets_one_at_a_time_and_no_attempt_is_lost(
    tmp_path: Path, unit: tuple[bytes, EncodeSegment], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, command = unit
    offer(monkeypatch, usable=True)
    monkeypatch.setattr(main, "ChildEncoder", RefusingDevice)
    recipe = msgspec.structs.replace(command.recipe, family="nvidia", encoder="h264_nvenc", version="13")
    commands = [EncodeSegment(job=f"job{n}", n=0, recipe=recipe) for n in range(4)]

    async def whole() -> Site:
        async with site(tmp_path) as place:
            for each in commands:
                await place.platform.objects.create(f"jobs/{each.job}/1/source/000000.g0.pkts", data)
            service = build(device_settings(), place.platform)
            await service.start()
            try:
                for each in commands:
                    await place.order(each, pool="nvidia")
                await place.until(lambda: len(place.events) == len(commands))
                await place.until(lambda: (beat := place.beats[-1]) is not None and beat.slots == 1)
            finally:
                await service.stop(5.0)
        return place

    place = asyncio.run(whole())

    assert {type(event) for event in place.events} == {SegmentEncoded}
    assert RefusingDevice.refusals >= 1
    first = place.beats[0]
    assert first is not None
    assert (first.worker, first.slots) == ("w1.nvidia", 3)
