"""`cinelog serve` killed with jobs in hand: started again, it ends them under the same ids."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.commands import Calling
from cinelog_testkit.gateways import GatewayClient
from cinelog_testkit.network import free_port
from cinelog_testkit.serving import Serve, served
from cinelog_testkit.viewing import Viewing, view
from cinelog_testkit.waiting import wait_until

QUICK = {"preset": "ultrafast", "segment_s": 1.0}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with served(tmp_path, "--allow-private-sources") as process:
        yield process


def test_killed_with_unfinished_jobs_and_started_again_it_ends_them_under_the_same_ids(
    serve: Serve, slow_film: Any, large_viewing: Viewing, tmp_path: Path
) -> None:
    jobs = [serve.gateway.submit(slow_film.url, title=f"Film {n}", **QUICK) for n in range(2)]
    wait_until(lambda: len(serve.segments(jobs[0])) >= 2, deadline_s=60, what="two segments")

    serve.kill()
    before = serve.segments(jobs[0])
    slow_film.hurry()
    serve.start()

    assert {job["job"] for job in serve.gateway.jobs()} == set(jobs)
    for job in jobs:
        status = serve.gateway.await_job(job, deadline_s=90)
        assert (status["state"], status["run"]) == ("completed", 1)
        viewing = view(serve.gateway.download(job, "mp4", tmp_path / f"{job}.mp4"))
        assert viewing.numbers == large_viewing.numbers
        assert viewing.times == large_viewing.times
    after = serve.segments(jobs[0])
    assert {name: after[name] for name in before} == before


def test_what_was_cancelled_stays_cancelled_over_a_crash(serve: Serve, slow_film: Any) -> None:
    job = serve.gateway.submit(slow_film.url, **QUICK)
    wait_until(lambda: len(serve.segments(job)) >= 1, deadline_s=60, what="a segment")
    serve.gateway.cancel(job)

    serve.kill()
    serve.start()

    assert serve.gateway.await_job(job)["state"] == "cancelled"


def test_a_finished_job_is_still_there_after_a_crash(serve: Serve, film: Path, origin: Any) -> None:
    job = serve.gateway.submit(origin.serve("/film.mp4", film.read_bytes()), **QUICK)
    before = serve.gateway.await_job(job)

    serve.kill()
    serve.start()

    # What was told just before the crash may have to be found out again, from what is there.
    after = serve.gateway.await_job(job)
    assert (after["state"], after["outputs"]) == ("completed", before["outputs"])
    assert serve.gateway.file(job, "output/master.m3u8")
    assert len(origin.asked("/film.mp4")) <= 3


def test_files_of_this_machine_are_refused_unless_a_setting_allows_them(tmp_path: Path, film: Path) -> None:
    with served(tmp_path) as serve:
        gateway = serve.gateway
        jobs = [gateway.submit(source) for source in (str(film), f"{gateway.url}/api/v1/jobs")]

        errors = [gateway.await_job(job)["error"] for job in jobs]

    assert [error["category"] for error in errors] == ["source_refused"] * 2
    assert all(error["action"] for error in errors)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_told_to_stop_has_not_failed(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with Calling("serve", "--port", str(port), "--data", tmp_path / "data") as call:
        wait_until(GatewayClient(f"http://127.0.0.1:{port}").ready, deadline_s=30, what="serve")

        os.killpg(call.pid, number)
        done = call.finish(deadline_s=30)

    assert done.code == 0
    assert "Traceback" not in done.err
