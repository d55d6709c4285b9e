"""Exit codes, usage, and no traceback for anything a user can do."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from cinelog import main as command
from cinelog_common.errors import Category, PermanentError, TransientError

Call = Callable[..., Any]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | int | None], None]:
    def work(error: BaseException | int | None) -> None:
        def fail(**_: object) -> int | None:
            if isinstance(error, BaseException):
                raise error
            return error

        monkeypatch.setattr(command.cli, "main", fail)

    return work


@pytest.mark.parametrize("word", ["--help", "-h", "--version"])
def test_help_and_version_are_printed_and_are_no_failure(call: Call, word: str) -> None:
    said = call(word)

    assert said.code == 0
    assert said.out
    assert said.err == ""


@pytest.mark.parametrize("name", ["run", "serve", "service", "jobs", "topics", "doctor"])
def test_every_command_is_listed_and_explains_itself(call: Call, name: str) -> None:
    assert f"\n  {name} " in call("--help").out

    said = call(name, "--help")

    assert said.code == 0
    assert said.out.startswith("Usage: ")


@pytest.mark.parametrize(
    "words",
    [
        ("dance",),
        ("run",),
        ("run", "a", "b"),
        ("run", "a", "--dance"),
        ("run", "-film.mp4"),
        ("run", "a", "--profile", "cinema"),
        ("run", "a", "--crf", "low"),
        ("run", "a", "--height", "100"),
        ("run", "a", "--codec", "vp9", "--container", "hls"),
        ("run", "a", "--slots", "0"),
        ("run", ""),
        ("run", "ftp://a/b"),
        ("serve", "--port", "70000"),
        ("service",),
        ("service", "dancing"),
        ("jobs", "dance"),
        ("jobs", "submit"),
        ("jobs", "list", "--limit", "0"),
        ("topics", "dance"),
    ],
    ids=" ".join,
)
def test_wrong_use_prints_usage_and_exits_2_without_a_traceback(call: Call, words: tuple[str, ...]) -> None:
    said = call(*words)

    assert said.code == 2
    assert "Usage: " in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("words", [(), ("jobs",), ("topics",)])
def test_a_command_without_its_words_shows_what_there_is(call: Call, words: tuple[str, ...]) -> None:
    said = call(*words)

    assert said.code == 2
    assert "Commands" in said.err + said.out


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (0, 0),
        (1, 1),
        (None, 0),
        (PermanentError("It is wrong.", category=Category.INVALID_REQUEST), 2),
        (PermanentError("It is broken.", category=Category.DAMAGED), 1),
        (TransientError("Later.", category=Category.DEPENDENCY), 1),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (click.UsageError("No."), 2),
        (click.exceptions.Exit(3), 3),
    ],
    ids=repr,
)
def test_every_ending_has_its_code(
    call: Call, raising: Callable[[Any], None], ending: Any, code: int
) -> None:
    raising(ending)

    said = call("run")

    assert said.code == code
    assert "Traceback" not in said.err


def test_an_error_says_what_happened_and_what_to_do_without_moving_the_cursor(
    call: Call, raising: Callable[[Any], None]
) -> None:
    raising(PermanentError("The title is \x1b[2J evil.", category=Category.DAMAGED, action="Leave\rit."))

    said = call("run")

    assert "[damaged] The title is \ufffd[2J evil." in said.err
    assert "Leave\ufffdit." in said.err


def test_a_reader_that_has_left_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from cinelog.main import main; main()", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writer)

    assert done.returncode == 1
    assert done.stderr == b""


def test_the_command_starts_without_its_heavy_clients() -> None:
    heavy = "av yt_dlp faust aiokafka fastapi motor s3fs aiobotocore rich httpx"
    code = f"import sys, cinelog.commands.run; print([n for n in {heavy.split()!r} if n in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == "[]"
