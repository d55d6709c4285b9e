"""`cinelog topics`, `service` and `doctor`: what they say and how they exit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cinelog import deployment
from cinelog.commands import doctor
from cinelog.commands.doctor import Finding
from cinelog.composition import SERVICES
from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka.admin import TopicsReport
from cinelog_transcode.adapters import devices
from cinelog_transcode.adapters.devices import Device

Call = Callable[..., Any]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Callable[[TopicsReport], list[bool]]:
    def work(found: TopicsReport) -> list[bool]:
        applied: list[bool] = []

        async def ensure(_: object, *, apply: bool) -> TopicsReport:
            applied.append(apply)
            return found

        monkeypatch.setattr(deployment, "ensure_topics", ensure)
        return applied

    return work


def a_report(**fields: Any) -> TopicsReport:
    return TopicsReport(**{"created": (), "extended": (), "drifted": (), **fields})


def test_topics_as_they_should_be_are_told_so(call: Call, report: Any) -> None:
    applied = report(a_report())

    assert (call("topics", "check").code, call("topics", "apply").code) == (0, 0)
    assert applied == [False, True]


def test_missing_topics_are_a_failure_of_check_and_the_work_of_apply(call: Call, report: Any) -> None:
    report(a_report(created=("cinelog.events",)))

    checked, made = call("topics", "check"), call("topics", "apply")

    assert (checked.code, made.code) == (1, 0)
    assert "missing   cinelog.events" in checked.out
    assert "created   cinelog.events" in made.out


def test_a_broker_that_does_not_answer_is_one_sentence(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ensure(*_: object, **__: object) -> TopicsReport:
        raise TransientError("Kafka does not answer.", category=Category.DEPENDENCY, action="Start it.")

    monkeypatch.setattr(deployment, "ensure_topics", ensure)

    said = call("topics", "check")

    assert said.code == 1
    assert "[dependency] Kafka does not answer." in said.err


@pytest.mark.parametrize("word", ["check", "apply"])
def test_a_broker_that_cannot_be_reached_is_told_once_and_plainly(
    call: Call, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("CINELOG_KAFKA", "127.0.0.1:1")

    said = call("topics", word)

    assert said.code == 1
    first, second = said.err.splitlines()
    assert first.startswith("error [dependency] Kafka at 127.0.0.1:1 does not answer")
    assert "CINELOG_KAFKA" in second


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_without_its_servers_says_which_one_it_lacks(
    call: Call, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def missing(*_: object) -> None:
        raise TransientError("Topics are missing.", category=Category.DEPENDENCY)

    monkeypatch.setattr(deployment, "require_topics", missing)

    said = call("service", name)

    assert said.code == 1
    assert "Topics are missing." in said.err
    assert "Traceback" not in said.err


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Let the doctor find these encoders."""
    found: list[Finding] = []

    async def prove() -> list[Finding]:
        return found

    monkeypatch.setattr(doctor, "_encoders", prove)
    return found


def test_a_sound_machine_is_told_in_one_object(call: Call, encoders: list[Finding]) -> None:
    encoders.append(
        Finding(topic="encoders", name="libx264 (cpu)", ok=True, detail="version 165", needed=True)
    )

    said = call("doctor", "--json")

    document = json.loads(said.out)
    assert said.code == 0
    assert document["ok"] is True
    topics = {finding["topic"] for finding in document["findings"]}
    assert topics == {"machine", "encoders", "pages", "disk", "servers"}


def test_something_needed_that_does_not_work_exits_1_and_says_why(
    call: Call, encoders: list[Finding]
) -> None:
    encoders.append(
        Finding(topic="encoders", name="libx264 (cpu)", ok=False, detail="it crashed", needed=True)
    )

    said = call("doctor")

    assert said.code == 1
    assert "libx264 (cpu): it crashed" in said.out


@pytest.mark.parametrize(
    ("version", "ok", "told"),
    [("v24.1.0", True, "node 24.1.0"), ("v20.1.0", False, "node 20.1.0 is too old for yt-dlp")],
)
def test_a_javascript_runtime_counts_if_ytdlp_can_use_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, version: str, ok: bool, told: str
) -> None:
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    (finding,) = (finding for finding in doctor._pages() if finding.name == "JavaScript runtime")

    assert finding.ok is ok
    assert told in finding.detail


def test_a_server_that_is_named_and_does_not_answer_is_told(
    call: Call, encoders: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINELOG_KAFKA", "127.0.0.1:1,127.0.0.1:2")
    monkeypatch.setenv("CINELOG_MONGO", "mongodb://u:p@127.0.0.1:3/db")

    findings = json.loads(call("doctor", "--json").out)["findings"]

    servers = [finding for finding in findings if finding["topic"] == "servers"]
    assert [finding["name"] for finding in servers] == [
        "CINELOG_KAFKA 127.0.0.1:1",
        "CINELOG_KAFKA 127.0.0.1:2",
        "CINELOG_MONGO 127.0.0.1:3",
    ]
    assert not any(finding["ok"] for finding in servers)
    assert "u:p" not in json.dumps(servers)


def test_a_folder_that_is_not_there_yet_is_measured_by_the_one_above(
    call: Call, encoders: list[Finding]
) -> None:
    said = call("doctor", "--json", "--out", "not/there/yet")

    findings = json.loads(said.out)["findings"]
    assert any(finding["name"].endswith("not/there/yet") and finding["detail"] for finding in findings)


def test_each_vendor_s_device_is_told_with_what_is_lacking(
    call: Call, encoders: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = Device(pool="intel", plausible=False, detail="/dev/dri/renderD128 may not be opened")
    found = Device(pool="nvidia", plausible=True, detail="/dev/nvidiactl is there")
    monkeypatch.setattr(devices, "look", lambda *_, **__: (found, lacking))

    said = call("doctor")

    assert "nvidia device: /dev/nvidiactl is there" in said.out
    assert "intel device: /dev/dri/renderD128 may not be opened" in said.out
    assert "`run` and `serve` offer cpu, nvidia, where they work" in said.out


def test_a_pool_that_the_environment_names_is_told_as_such(
    call: Call, encoders: list[Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINELOG_TRANSCODE_POOL", "amd")

    assert "offer amd, as CINELOG_TRANSCODE_POOL says" in call("doctor").out
