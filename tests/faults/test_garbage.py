"""Whatever is put on a topic: it ends in the dead letters with its reason, and jobs go on."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from cinelog_download.testing import Origin
from cinelog_testkit.deployments import Deployment
from cinelog_testkit.waiting import wait_until

pytestmark = pytest.mark.real

TOPICS = (
    "cinelog.jobs.requested",
    "cinelog.events",
    "cinelog.work.fetch",
    "cinelog.work.encode.cpu.normal",
    "cinelog.work.merge",
    "cinelog.work.publish",
    "cinelog.jobs.status",
)
"""Those that a group reads: each record has one reader that may put it aside."""
FOLLOWED = ("cinelog.jobs.control", "cinelog.progress", "cinelog.workers")
"""Those that everybody follows without a group; see docs/adr/0012."""
LIMIT = 1_048_588
"""Bytes of a batch that a topic takes (max.message.bytes)."""
NOISE = random.Random(3).randbytes(600).replace(b"\n", b"?")
GARBAGE = {
    "noise": NOISE,
    "half": b'{"source": "http://example.com/film.m',
    "list": b"[1, 2, 3]",
    "large": b'{"source": "' + b"x" * 950_000 + b'"}',
    # Nothing can be added to it: a letter with all of it would be refused.
    "at the limit": b'{"source": "' + b"x" * (LIMIT - 150) + b'"}',
    "deep": b"[" * 100_000,
}
WORDS = ("-k", "garbage", "-X", f"message.max.bytes={LIMIT}")


def letters(deployment: Deployment, topic: str) -> list[dict[str, Any]]:
    """The dead letters that came from `topic`."""
    found = deployment.records("cinelog.dlq")
    return [letter for letter in found if letter["headers"].get("dlq_topic") == topic]


@pytest.mark.parametrize("topic", TOPICS)
def test_garbage_is_put_aside_with_its_reason(deployment: Deployment, topic: str) -> None:
    before = len(letters(deployment, topic))

    for value in GARBAGE.values():
        deployment.produce(topic, value, *WORDS)

    wait_until(
        lambda: len(letters(deployment, topic)) >= before + len(GARBAGE),
        deadline_s=30,
        what=f"{len(GARBAGE)} letters from {topic}",
    )
    for letter in letters(deployment, topic)[before:]:
        said = letter["headers"]
        assert said["dlq_reason"]
        assert "\n" not in said["dlq_reason"]
        assert said["dlq_category"] in {"invalid_request", "internal", "damaged"}
        assert int(said["dlq_offset"]) >= 0
        assert int(said["dlq_times"]) >= 1


def test_what_does_not_fit_into_a_letter_is_cut_and_its_size_is_told(deployment: Deployment) -> None:
    topic, value = "cinelog.jobs.requested", GARBAGE["at the limit"]
    before = len(letters(deployment, topic))

    deployment.produce(topic, value, *WORDS)

    wait_until(lambda: len(letters(deployment, topic)) > before, deadline_s=30, what="a letter")
    (letter,) = letters(deployment, topic)[before:]
    assert int(letter["headers"]["dlq_cut_from_bytes"]) == len(value)
    assert value.decode().startswith(letter["payload"])


def test_garbage_that_everybody_reads_is_left_out_by_everybody_and_put_aside_by_nobody(
    deployment: Deployment, film: Path, origin: Origin
) -> None:
    starts = {label: process.starts for label, process in deployment.services.items()}

    for topic in FOLLOWED:
        for value in GARBAGE.values():
            deployment.produce(topic, value, *WORDS)
    url = origin.serve("/after-garbage.mp4", film.read_bytes())
    job = deployment.gateway.submit(url, preset="ultrafast", segment_s=1.0)

    assert deployment.gateway.await_job(job)["state"] == "completed"
    assert deployment.gateway.ready()
    assert {label: process.starts for label, process in deployment.services.items()} == starts
    assert [letter for topic in FOLLOWED for letter in letters(deployment, topic)] == []


def test_who_starts_on_topics_with_garbage_works_all_the_same(
    deployment: Deployment, film: Path, origin: Origin
) -> None:
    for topic in FOLLOWED:
        deployment.produce(topic, GARBAGE["noise"], *WORDS)
    restarted = [deployment.services[label] for label in ("gateway", "merge", "download")]
    starts = [process.starts for process in restarted]
    for process in restarted:
        process.kill()
    for process in restarted:
        process.start()
    for process, before in zip(restarted, starts, strict=True):
        process.await_ready(before + 1)

    url = origin.serve("/restarted.mp4", film.read_bytes())
    job = deployment.gateway.submit(url, preset="ultrafast", segment_s=1.0)

    assert deployment.gateway.await_job(job)["state"] == "completed"


def test_a_request_that_cannot_be_is_put_aside_with_the_sentence_that_its_sender_needs(
    deployment: Deployment,
) -> None:
    before = len(letters(deployment, "cinelog.jobs.requested"))
    request = {
        "source": "https://example.com/film.mp4",
        "codec": "vp9",
        "container": "hls",
        "containers": ["hls"],
    }

    deployment.produce("cinelog.jobs.requested", json.dumps(request).encode())

    wait_until(
        lambda: len(letters(deployment, "cinelog.jobs.requested")) > before, deadline_s=30, what="a letter"
    )
    (letter,) = letters(deployment, "cinelog.jobs.requested")[before:]
    assert letter["headers"]["dlq_category"] == "invalid_request"
    assert "vp9 cannot be put into hls" in letter["headers"]["dlq_reason"]


def test_jobs_go_on_amid_garbage(deployment: Deployment, large: Path, origin: Origin, whole: Any) -> None:
    url = origin.serve("/amid-garbage.mp4", large.read_bytes())

    job = deployment.gateway.submit(url, preset="ultrafast", segment_s=1.0)
    for topic in (*TOPICS, *FOLLOWED):
        deployment.produce(topic, GARBAGE["noise"], "-k", job)

    deployment.gateway.await_job(job)
    whole(job)
