"""Servers and whole machines that go away in the middle of a job, and come back."""

from collections.abc import Callable
from typing import Any

import pytest
from cinelog_testkit.deployments import Deployment, Servers

pytestmark = pytest.mark.real

QUICK = {"preset": "ultrafast", "segment_s": 1.0}


def in_the_middle(deployment: Deployment, slow_film: Any, **options: Any) -> str:
    """Submit the film, and return its job when a part of it is done."""
    job = deployment.gateway.submit(slow_film.url, **QUICK, **options)
    deployment.gateway.await_snapshot(
        job, lambda status: status["units_encoded"] >= 3, deadline_s=60, what="three units"
    )
    return job


def broker_dies(servers: Servers) -> None:
    servers.kafka.restart()


def documents_die(servers: Servers) -> None:
    servers.mongo.restart()


def objects_die(servers: Servers) -> None:
    servers.s3.restart()


@pytest.mark.parametrize("outage", [broker_dies, documents_die, objects_die])
def test_a_server_that_dies_and_comes_back_costs_nothing_but_time(
    deployment: Deployment, servers: Servers, slow_film: Any, whole: Any, *, outage: Callable[[Servers], None]
) -> None:
    job = in_the_middle(deployment, slow_film)

    outage(servers)

    slow_film.hurry()
    deployment.gateway.await_job(job, deadline_s=120)
    whole(job)


def test_everything_killed_at_once_and_started_again_goes_on(
    deployment: Deployment, slow_film: Any, whole: Any
) -> None:
    job = in_the_middle(deployment, slow_film)

    starts = {label: process.starts for label, process in deployment.services.items()}
    for process in deployment.services.values():
        process.kill()
    slow_film.hurry()
    for process in deployment.services.values():
        process.start()
    for label, process in deployment.services.items():
        process.await_ready(starts[label] + 1)

    deployment.gateway.await_job(job, deadline_s=120)
    whole(job)
