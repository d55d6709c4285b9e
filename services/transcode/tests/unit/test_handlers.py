"""What encode and probe commands do, with doubles for everything outside."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cinelog_common.contract.commands import ProbeQuality
from cinelog_common.contract.events import RecipeChosen, SegmentEncoded
from cinelog_common.contract.sidecars import Sidecar, UnitSidecar, decode_document
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_fastio import checksum
from cinelog_transcode.handlers import MissingEncoderError, OtherEncoderError
from cinelog_transcode.testing import FakeQualityMeter, FakeUnitEncoder


async def stored(bench: Any) -> dict[str, bytes]:
    return {info.key: await bench.objects.get(info.key) async for info in bench.objects.list("jobs/job/")}


def test_a_unit_is_stored_rendition_by_rendition_and_announced(bench: Any) -> None:
    async def scenario() -> dict[str, bytes]:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())
        return await stored(bench)

    objects = asyncio.run(scenario())

    base = f"jobs/job/1/encoded/{bench.recipe.hash}"
    assert set(objects) == {
        "jobs/job/1/source/000003.g0.pkts",
        *(
            f"{base}/{name}/{file}"
            for name in ("720p", "480p")
            for file in ("init-feed.mp4", "000003-000.g0.m4s", "000003.g0.json")
        ),
        f"{base}/unit/000003.g0.json",
    }
    sidecar = decode_document(Sidecar, objects[f"{base}/480p/000003.g0.json"])
    segment = objects[f"{base}/480p/000003-000.g0.m4s"]
    assert sidecar.parts[0].checksum == checksum(segment)
    assert sidecar.timescale == 12800
    (event,) = bench.announcer.events
    assert isinstance(event, SegmentEncoded)
    assert (event.n, event.frames, event.parts, event.worker) == (3, 2, 1, "w1")
    assert [(r.name, r.size_bytes) for r in event.renditions][1] == ("480p", len(segment))
    assert event.renditions[1].peak_bps == len(segment) * 8 * 12800 // 1024


def test_a_unit_that_is_done_is_announced_again_without_work(bench: Any) -> None:
    async def scenario() -> None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())
        await bench.handlers.encode_segment(bench.command())

    asyncio.run(scenario())

    assert len(bench.encoder.tasks) == 1
    first, second = bench.announcer.events
    assert first == second
    assert first.id == second.id


def test_two_workers_on_one_unit_describe_the_same_objects(make_bench: Any, tmp_path: Path) -> None:
    one = make_bench(tmp_path / "1", encoder=FakeUnitEncoder(b"one"), worker="w1")
    two = make_bench(tmp_path / "2", encoder=FakeUnitEncoder(b"second"), worker="w2", objects=one.objects)

    async def scenario() -> dict[str, bytes]:
        await one.put_bundle()

        async def race() -> None:
            # While the second is still encoding, the first finishes.
            await one.handlers.encode_segment(one.command())

        two.encoder.during = race
        await two.handlers.encode_segment(two.command())
        return await stored(one)

    objects = asyncio.run(scenario())

    assert one.announcer.events[0].renditions == two.announcer.events[0].renditions
    sidecar = decode_document(Sidecar, objects[f"jobs/job/1/encoded/{one.recipe.hash}/720p/000003.g0.json"])
    winner = objects[sidecar.parts[0].key]
    assert b"one" in winner
    assert (sidecar.parts[0].size_bytes, sidecar.parts[0].checksum) == (len(winner), checksum(winner))


def test_a_worker_that_died_half_way_is_continued_with_what_it_stored(
    make_bench: Any, tmp_path: Path
) -> None:
    dead = make_bench(tmp_path / "1", encoder=FakeUnitEncoder(b"dead", parts=2))
    heir = make_bench(tmp_path / "2", encoder=FakeUnitEncoder(b"heir!", parts=2), objects=dead.objects)

    async def scenario() -> dict[str, bytes]:
        await dead.put_bundle()
        await dead.handlers.encode_segment(dead.command())
        for lost in ("unit/000003.g0.json", "720p/000003.g0.json", "720p/000003-001.g0.m4s"):
            await dead.objects.delete(f"jobs/job/1/encoded/{dead.recipe.hash}/{lost}")
        await heir.handlers.encode_segment(heir.command())
        return await stored(dead)

    objects = asyncio.run(scenario())

    sidecar = decode_document(Sidecar, objects[f"jobs/job/1/encoded/{dead.recipe.hash}/720p/000003.g0.json"])
    first, second = (objects[part.key] for part in sidecar.parts)
    assert b"dead" in first
    assert b"heir!" in second
    assert [part.checksum for part in sidecar.parts] == [checksum(first), checksum(second)]


def test_a_damaged_object_of_another_worker_is_not_built_upon(bench: Any) -> None:
    async def scenario() -> None:
        await bench.put_bundle()
        key = f"jobs/job/1/encoded/{bench.recipe.hash}/720p/000003-000.g0.m4s"
        await bench.objects.create(key, b"not a fragment at all")
        await bench.handlers.encode_segment(bench.command())

    with pytest.raises(PermanentError) as caught:
        asyncio.run(scenario())

    assert caught.value.category == Category.DAMAGED
    assert bench.announcer.events == []


def test_a_bundle_that_is_gone_is_damage(bench: Any) -> None:
    with pytest.raises(PermanentError, match="packets of unit 3 are gone") as caught:
        asyncio.run(bench.handlers.encode_segment(bench.command()))

    assert caught.value.category == Category.DAMAGED


def test_an_unproven_encoder_is_refused_before_any_work(bench: Any) -> None:
    command = bench.command(recipe=type(bench.recipe)(**{**_fields(bench.recipe), "encoder": "h264_nvenc"}))

    with pytest.raises(MissingEncoderError, match="nobody proved it") as caught:
        asyncio.run(bench.handlers.encode_segment(command))

    assert caught.value.category == Category.ENCODER_UNAVAILABLE
    assert bench.encoder.tasks == []


def test_another_version_of_the_encoder_leaves_the_work_to_other_workers(bench: Any) -> None:
    command = bench.command(recipe=type(bench.recipe)(**{**_fields(bench.recipe), "version": "v2"}))

    with pytest.raises(OtherEncoderError, match="wants libx264 v2, and this worker has v1"):
        asyncio.run(bench.handlers.encode_segment(command))


def test_a_failed_attempt_leaves_nothing_on_the_scratch_volume(bench: Any) -> None:
    bench.encoder.failure = TransientError("the child died")

    async def scenario() -> None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())

    with pytest.raises(TransientError):
        asyncio.run(scenario())

    assert list(bench.scratch.iterdir()) == []


def test_a_cancelled_encode_clears_its_folder(bench: Any) -> None:
    async def scenario() -> None:
        await bench.put_bundle()
        begun = asyncio.Event()

        async def forever() -> None:
            begun.set()
            await asyncio.Event().wait()

        bench.encoder.during = forever
        work = asyncio.create_task(bench.handlers.encode_segment(bench.command()))
        await begun.wait()
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(scenario())

    assert list(bench.scratch.iterdir()) == []


def test_progress_that_nobody_hears_does_not_fail_the_work(bench: Any) -> None:
    bench.announcer.deaf = True

    async def scenario() -> None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())

    asyncio.run(scenario())

    assert len(bench.announcer.events) == 1


@pytest.mark.parametrize(("in_hand", "threads"), [(1, 12), (2, 6), (4, 3), (9, 3)])
def test_the_units_that_are_there_share_every_core(bench: Any, in_hand: int, threads: int) -> None:
    bench.in_hand = in_hand

    async def scenario() -> None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())

    asyncio.run(scenario())

    assert bench.encoder.tasks[0].threads == threads


def test_a_stored_unit_of_garbage_is_damage(bench: Any) -> None:
    async def scenario() -> None:
        await bench.objects.create(f"jobs/job/1/encoded/{bench.recipe.hash}/unit/000003.g0.json", b"{]")
        await bench.handlers.encode_segment(bench.command())

    with pytest.raises(PermanentError) as caught:
        asyncio.run(scenario())

    assert caught.value.category == Category.DAMAGED


def test_the_probe_announces_the_recipe_with_the_quality_it_found(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, meter=FakeQualityMeter(at_zero=1.0, per_crf=0.002))
    command = ProbeQuality(job="job", recipe=bench.recipe, units=(0, 1), target_ssim=0.94)

    async def scenario() -> None:
        await bench.put_bundle(0)
        await bench.put_bundle(1)
        await bench.handlers.probe_quality(command)

    asyncio.run(scenario())

    (event,) = bench.announcer.events
    assert isinstance(event, RecipeChosen)
    assert [rendition.crf for rendition in event.recipe.renditions] == [30, 30]
    assert event.warnings == ()


def test_a_target_out_of_reach_is_said(make_bench: Any, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, meter=FakeQualityMeter(at_zero=0.9, per_crf=0.002))
    command = ProbeQuality(job="job", recipe=bench.recipe, units=(0,), target_ssim=0.99)

    async def scenario() -> None:
        await bench.put_bundle(0)
        await bench.handlers.probe_quality(command)

    asyncio.run(scenario())

    (event,) = bench.announcer.events
    assert event.recipe.renditions[0].crf == 10
    assert "not reached" in event.warnings[0]


def _fields(recipe: Any) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in recipe.__struct_fields__}


def test_unit_sidecar_says_what_the_event_says(bench: Any) -> None:
    async def scenario() -> UnitSidecar | None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())
        unit: UnitSidecar | None = await bench.units.find(bench.command())
        return unit

    unit = asyncio.run(scenario())

    assert unit is not None
    (event,) = bench.announcer.events
    assert (unit.renditions, unit.parts, unit.frames) == (event.renditions, event.parts, event.frames)


def test_a_unit_is_decoded_on_the_devices_that_are_proven_by_now(make_bench: Any, tmp_path: Path) -> None:
    proven: dict[str, str] = {}
    bench = make_bench(tmp_path, decoders=proven)

    async def scenario() -> None:
        await bench.put_bundle()
        await bench.handlers.encode_segment(bench.command())
        await bench.objects.delete(f"jobs/job/1/encoded/{bench.recipe.hash}/unit/000003.g0.json")
        proven["h264"] = "cuda"
        await bench.handlers.encode_segment(bench.command())

    asyncio.run(scenario())

    assert [task.decoders for task in bench.encoder.tasks] == [{}, {"h264": "cuda"}]
