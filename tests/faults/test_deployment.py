"""The whole way through five services as processes, on real Kafka, MongoDB and S3."""

import json
from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Origin
from cinelog_testkit.commands import cinelog
from cinelog_testkit.deployments import Deployment
from cinelog_testkit.viewing import view, view_hls
from cinelog_testkit.waiting import wait_until

pytestmark = pytest.mark.real


def job_of(deployment: Deployment, url: str) -> str:
    """Wait for a job with this source, and return its id."""
    found: list[str] = []

    def known() -> bool:
        found[:] = [job["job"] for job in deployment.gateway.jobs() if job["source_url"] == url]
        return bool(found)

    wait_until(known, deadline_s=30, what=f"a job for {url}")
    return found[0]


def test_one_line_by_kcat_becomes_a_film_that_two_transcoders_made(
    deployment: Deployment, large: Path, origin: Origin, whole: Any
) -> None:
    url = origin.serve("/by-kcat.mp4", large.read_bytes())
    line = json.dumps({"source": url, "profile": "web", "preset": "ultrafast", "segment_s": 1.0})

    deployment.produce("cinelog.jobs.requested", line.encode())

    job = job_of(deployment, url)
    deployment.gateway.await_job(job)
    whole(job)
    workers = {event["worker"] for event in deployment.events(job, "segment.encoded")}
    assert len(workers) == 2


def test_the_playlist_is_read_through_the_gateway(
    deployment: Deployment, film: Path, origin: Origin, tmp_path: Path
) -> None:
    url = origin.serve("/film.mp4", film.read_bytes())

    job = deployment.gateway.submit(url, preset="ultrafast", segment_s=1.0)

    deployment.gateway.await_job(job)
    for key in deployment.objects(f"jobs/{job}/1/"):
        inside = key.removeprefix(f"jobs/{job}/1/")
        if inside.split("/")[0] in {"output", "encoded"} and not inside.endswith((".json", ".pkts")):
            path = tmp_path / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(deployment.gateway.file(job, inside))
    (master,) = tmp_path.glob("output/master.m3u8")
    assert view_hls(master).numbers == view(film).numbers


def test_the_command_line_submits_watches_and_lists(
    deployment: Deployment, film: Path, origin: Origin
) -> None:
    url = origin.serve("/by-command.mp4", film.read_bytes())
    server = ("jobs", "--server", deployment.gateway.url)

    submitted = cinelog(*server, "submit", url, "--preset", "ultrafast", "--watch")
    listed = cinelog(*server, "list", "--limit", "1000")

    assert submitted.code == 0, submitted.err
    job = json.loads(submitted.out)
    assert job["state"] == "completed"
    assert job["job"] in listed.out


def test_the_same_request_under_the_same_key_is_one_job(
    deployment: Deployment, film: Path, origin: Origin
) -> None:
    url = origin.serve("/twice.mp4", film.read_bytes())

    jobs = {deployment.gateway.submit(url, key="twice", preset="ultrafast") for _ in range(3)}

    (job,) = jobs
    assert deployment.gateway.await_job(job)["state"] == "completed"
    assert len(origin.asked("/twice.mp4")) <= 3
