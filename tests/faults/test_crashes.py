"""Processes killed, frozen and cancelled in the middle of a job: it ends once, and whole."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Origin
from cinelog_testkit.deployments import Deployment

pytestmark = pytest.mark.real

QUICK = {"preset": "ultrafast", "segment_s": 1.0}


@pytest.mark.parametrize("name", ["download", "transcode-0", "merge", "storage", "gateway"])
def test_a_service_killed_in_the_middle_costs_nothing_but_time(
    deployment: Deployment, slow_film: Any, whole: Any, name: str
) -> None:
    job = deployment.gateway.submit(slow_film.url, **QUICK)
    deployment.gateway.await_snapshot(
        job, lambda status: status["units_encoded"] >= 3, deadline_s=60, what="three units"
    )

    deployment.services[name].crash_and_restart()

    slow_film.hurry()
    deployment.gateway.await_job(job, deadline_s=120)
    whole(job)


def test_a_transcoder_that_was_frozen_and_comes_back_does_no_harm(
    deployment: Deployment, slow_film: Any, whole: Any
) -> None:
    frozen = deployment.services["transcode-1"]
    job = deployment.gateway.submit(slow_film.url, **QUICK)
    deployment.gateway.await_snapshot(
        job, lambda status: status["units_encoded"] >= 2, deadline_s=60, what="two units"
    )

    frozen.pause()
    try:
        slow_film.hurry()
        deployment.gateway.await_job(job, deadline_s=120)
    finally:
        frozen.resume()

    whole(job)
    # It is back among the workers, and what it still had in hand changed nothing.
    later = deployment.gateway.submit(slow_film.url, key="after the thaw", **QUICK)
    deployment.gateway.await_job(later, deadline_s=120)
    whole(later)
    whole(job)


def test_a_ledger_that_was_frozen_past_its_session_finds_its_successor_and_does_no_harm(
    deployment: Deployment, slow_film: Any, whole: Any
) -> None:
    zombie = deployment.services["merge"]
    successor = deployment.start("merge", "merge-successor")
    try:
        successor.await_ready()
        job = deployment.gateway.submit(slow_film.url, **QUICK)
        deployment.gateway.await_snapshot(
            job, lambda status: status["units_encoded"] >= 2, deadline_s=60, what="two units"
        )

        zombie.pause()
        slow_film.hurry()
        deployment.gateway.await_job(job, deadline_s=120)
    finally:
        zombie.resume()
        successor.stop()
        del deployment.services["merge-successor"]

    whole(job)
    again = deployment.gateway.submit(slow_film.url, key="after the zombie", **QUICK)
    deployment.gateway.await_job(again, deadline_s=120)
    whole(again)


def test_a_cancelled_job_leaves_a_tombstone_and_stops_its_work(
    deployment: Deployment, slow_film: Any, film: Path, origin: Origin
) -> None:
    job = deployment.gateway.submit(slow_film.url, **QUICK)
    deployment.gateway.await_snapshot(
        job, lambda status: status["units_encoded"] >= 2, deadline_s=60, what="two units"
    )

    deployment.gateway.cancel(job)

    assert deployment.gateway.await_job(job)["state"] == "cancelled"
    manifest = deployment.object(f"jobs/{job}/1/output/manifest.json")
    assert b"cancelled" in manifest
    sent, encoded = slow_film.sent, len(deployment.events(job, "segment.encoded"))
    # Another job's whole life is time enough for work that had not stopped.
    other = deployment.gateway.submit(origin.serve("/meanwhile.mp4", film.read_bytes()), **QUICK)
    assert deployment.gateway.await_job(other)["state"] == "completed"
    assert slow_film.sent == sent
    assert len(deployment.events(job, "segment.encoded")) == encoded
    assert slow_film.sent < slow_film.path.stat().st_size
