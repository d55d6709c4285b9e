import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cinelog_common.logging import configure_logging, job_context
from cinelog_common.tracing import continued
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loguru import logger

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    logger.remove()
    root.handlers[:], root.level = before


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_line_for_people_names_the_action_and_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(service="transcode")

    with job_context("0123456789abcdef", 2):
        logger.bind(action="segment.encoded", frames=48).info("segment {} is encoded", 7)

    [line] = lines_of(capsys)
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} INFO    segment\.encoded job=01234567: segment 7 is encoded frames=48", line
    )


def test_a_line_for_machines_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json", service="transcode")

    with job_context("job", 2), continued(TRACE):
        logger.bind(action="segment.encoded", frames=48, message="not this one").info("done")

    [line] = lines_of(capsys)
    entry = json.loads(line)
    assert entry.pop("time")
    assert entry.pop("logger")
    assert entry == {
        "service": "transcode",
        "action": "segment.encoded",
        "frames": 48,
        "job_id": "job",
        "run": 2,
        "level": "INFO",
        "message": "done",
        "traceparent": TRACE,
    }


def test_outside_of_a_job_no_job_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json")

    with job_context("job", 1):
        pass
    logger.info("idle")

    assert "job_id" not in json.loads(lines_of(capsys)[0])


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_hostile_title_cannot_forge_a_line_or_move_the_cursor(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(style=style)
    title = "film\n12:00:00.000 ERROR   all is lost\r\x1b[2J\u2028\x9b31m {0} {exception} <red>"

    logger.bind(action="source.\nprobed", title=title).info("{}", title)

    written = capsys.readouterr().err
    assert written.count("\n") == 1
    moving = "\r\x1b" if style == "json" else "\r\x1b\u2028\x9b"
    assert not set(moving) & set(written)


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exception_is_told_without_the_values_of_variables(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(style=style)

    def fail(password: str) -> None:
        raise ValueError("no such thing")

    secret = "hunter" + str(len("12"))
    try:
        fail(secret)
    except ValueError:
        logger.exception("it failed")

    written = capsys.readouterr().err
    assert "no such thing" in written
    assert "in fail" in written
    assert "hunter2" not in written


def test_what_libraries_log_has_our_form(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json")

    logging.getLogger("aiokafka.cluster").warning("no {braces} %s", "here")
    logging.getLogger("aiokafka.cluster").info("chatter")

    entries = [json.loads(line) for line in lines_of(capsys)]
    assert [(each["library"], each["level"], each["message"]) for each in entries] == [
        ("aiokafka.cluster", "WARNING", "no {braces} here")
    ]


@pytest.mark.parametrize(
    "value",
    ["\udce4", {1: {2, 3}}, object(), float("nan"), b"\xff"],
    ids=["surrogate", "set", "object", "nan", "bytes"],
)
def test_no_value_makes_a_line_disappear(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(style="json")

    logger.bind(action="odd", value=value).info("kept")

    assert json.loads(lines_of(capsys)[0])["message"] == "kept"


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    configure_logging()

    logger.bind(action=text, title=text).info("{}", text)

    assert len(lines_of(capsys)) == 1


def test_importing_the_module_configures_nothing() -> None:
    script = "import cinelog_common.logging, logging; print(logging.getLogger().handlers)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")
