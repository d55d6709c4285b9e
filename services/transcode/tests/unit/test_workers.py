"""Proofs and heartbeats."""

import asyncio
import os
from pathlib import Path

import pytest
from cinelog_common.contract.status import WorkerBeat
from cinelog_transcode.adapters.machine import available_cores
from cinelog_transcode.adapters.proofs import ProofBook
from cinelog_transcode.adapters.scratch import sweep
from cinelog_transcode.domain.proof import Proof, told_proofs
from cinelog_transcode.heartbeat import Heartbeat
from cinelog_transcode.testing import RecordingHeartbeats, proofs_of

X264 = Proof(encoder="libx264", codec="h264", pool="cpu", usable=True, version="1")
X265 = Proof(encoder="libx265", codec="hevc", pool="cpu", usable=False, reason="it crashed")


def test_who_asks_early_waits_for_the_proof() -> None:
    async def scenario() -> tuple[Proof, Proof, Proof]:
        book = ProofBook()
        asked = [asyncio.create_task(book.of(name)) for name in ("libx264", "libx265", "h264_nvenc")]
        await asyncio.sleep(0)
        assert not any(task.done() for task in asked)
        await book.fill(proofs_of(X264, X265))
        first, second, third = await asyncio.gather(*asked)
        return first, second, third

    first, second, third = asyncio.run(scenario())

    assert (first, second) == (X264, X265)
    assert not third.usable


def test_only_what_works_is_told() -> None:
    assert [proof.encoder for proof in told_proofs([X264, X265])] == ["libx264"]


def test_a_worker_beats_through_an_outage_and_says_goodbye() -> None:
    async def scenario() -> RecordingHeartbeats:
        heartbeats = RecordingHeartbeats(fail=2, enough=3)
        beat = WorkerBeat(worker="w", role="transcode", at_ms=0)
        heart = Heartbeat(heartbeats, lambda: beat, interval_s=0.001)
        running = asyncio.create_task(heart.run())
        async with asyncio.timeout(10):
            await heartbeats.heard.wait()
        heart.stop()
        await running
        return heartbeats

    heartbeats = asyncio.run(scenario())

    assert heartbeats.left == ["w"]


@pytest.mark.parametrize(("quota", "most"), [("max 100000", 10**6), ("150000 100000", 2), ("rubbish", 10**6)])
def test_a_container_quota_bounds_the_cores(tmp_path: Path, quota: str, most: int) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota)

    assert 1 <= available_cores(path) <= most


def test_what_dead_workers_left_is_swept_and_the_living_keep_theirs(tmp_path: Path) -> None:
    for name, age in (("dead", 100), ("living", 900), ("own.cpu", 100)):
        (tmp_path / name / "unit-1").mkdir(parents=True)
        os.utime(tmp_path / name, (age, age))

    assert sweep(tmp_path, before=500, keep="own.") == 1
    assert {folder.name for folder in tmp_path.iterdir()} == {"living", "own.cpu"}
    assert sweep(tmp_path / "missing", before=500, keep="own.") == 0
