"""`cinelog run` as its user sees it: exit codes, one JSON object, interrupts, odd names."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cinelog.commands import run
from cinelog.commands.run import Wanted
from cinelog.results import Result
from cinelog_common.contract.values import Failure, Output
from cinelog_common.errors import Category, PermanentError

Call = Callable[..., Any]
DONE = Result(
    job_id="j",
    state="completed",
    outputs=(
        Output(
            kind="mp4",
            key="k",
            path="/o/film.mp4",
            width=1280,
            height=720,
            frames=10,
            duration_s=1.5,
            size_bytes=9,
        ),
        Output(kind="hls", key="k", path="/o/film/master.m3u8"),
        Output(kind="thumbnails", key="k", path="/o/film.sprite.vtt"),
        Output(kind="metadata", key="k", path="/o/film.json"),
        Output(kind="manifest", key="k", path="/o/.cinelog/manifest.json"),
    ),
    warnings=("It is damaged at 3 s.",),
    timings_s={"ended": 1.0},
)
BROKEN = Result(
    job_id="j",
    state="failed",
    error=Failure(category="damaged", message="It is broken.", action="Get another."),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Let every run end at once as `DONE`; return what was asked for."""
    wanted: list[Wanted] = []

    async def work(what: Wanted, _: object) -> Result:
        wanted.append(what)
        return DONE

    monkeypatch.setattr(run, "_work", work)
    return wanted


def ending(monkeypatch: pytest.MonkeyPatch, how: Result | BaseException) -> None:
    async def work(*_: object) -> Result:
        if isinstance(how, Result):
            return how
        raise how

    monkeypatch.setattr(run, "_work", work)


def test_a_result_is_told_on_standard_error_alone(call: Call, asked: list[Wanted]) -> None:
    said = call("run", "film.mp4")

    assert said.code == 0
    assert said.out == ""
    assert "watch  /o/film.mp4  (1280×720, 1.5 s" in said.err
    assert "It is damaged at 3 s." in said.err


def test_json_is_one_object_on_standard_output_with_what_was_promised(
    call: Call, asked: list[Wanted]
) -> None:
    said = call("run", "film.mp4", "--json")

    document = json.loads(said.out)
    assert said.code == 0
    assert set(document) == {"job_id", "state", "error", "outputs", "warnings", "timings_s"}
    assert [output["kind"] for output in document["outputs"]] == ["mp4", "hls", "manifest"]
    assert document["outputs"][0] == {
        "kind": "mp4",
        "path": "/o/film.mp4",
        "width": 1280,
        "height": 720,
        "frames": 10,
        "duration_s": 1.5,
        "size_bytes": 9,
    }
    assert document["error"] is None
    assert document["timings_s"]["total"] >= 0


def test_a_failed_job_is_told_in_both_ways_and_exits_1(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    ending(monkeypatch, BROKEN)

    plain, machine = call("run", "film.mp4"), call("run", "film.mp4", "--json")

    assert plain.code == machine.code == 1
    assert "failed [damaged] It is broken." in plain.err
    assert "Get another." in plain.err
    document = json.loads(machine.out)
    assert (document["state"], document["outputs"]) == ("failed", [])
    assert document["error"] == {"category": "damaged", "message": "It is broken.", "action": "Get another."}


def test_an_error_before_there_is_a_job_is_the_same_object(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending(monkeypatch, PermanentError("Another cinelog is here.", category=Category.NOT_WRITABLE))

    said = call("run", "film.mp4", "--json")

    document = json.loads(said.out)
    assert said.code == 1
    assert (document["job_id"], document["state"], document["error"]["category"]) == (
        None,
        "failed",
        "not_writable",
    )


def test_wrong_use_with_json_is_the_same_object_and_exits_2(call: Call) -> None:
    said = call("run", "film.mp4", "--codec", "vp9", "--container", "hls", "--json")

    assert said.code == 2
    assert json.loads(said.out)["error"]["category"] == "invalid_request"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_work_and_exits_130(
    call: Call, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    cleaned: list[bool] = []

    async def work(*_: object) -> Result:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)
        return DONE

    monkeypatch.setattr(run, "_work", work)

    said = call("run", "film.mp4", "--json")

    assert said.code == 130
    assert said.out == ""
    assert "go on" in said.err
    assert cleaned == [True]


def test_what_breaks_while_the_user_leaves_is_not_told_any_more(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(*_: object) -> Result:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            raise PermanentError("The disk broke.")
        return DONE

    monkeypatch.setattr(run, "_work", work)

    said = call("run", "film.mp4")

    assert said.code == 130
    assert "The disk broke." not in said.err


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("film.mp4", "{cwd}/film.mp4"),
        ("./a/../film.mp4", "{cwd}/a/../film.mp4"),
        ("/films/film.mp4", "/films/film.mp4"),
        ("~/film.mp4", "{home}/film.mp4"),
        ("~nobody-at-all/film.mp4", "{cwd}/~nobody-at-all/film.mp4"),
        ("-film.mp4", "{cwd}/-film.mp4"),
        ("日本語 🎬.mp4", "{cwd}/日本語 🎬.mp4"),
        ("C:film.mp4", "{cwd}/C:film.mp4"),
        ("https://example.org/a b", "https://example.org/a b"),
        ("file:///films/film.mp4", "file:///films/film.mp4"),
        ("here://film.mp4", "{cwd}/here:/film.mp4"),
    ],
)
def test_a_source_is_what_the_user_means_wherever_it_is_read(
    call: Call,
    asked: list[Wanted],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    source: str,
    expected: str,
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    (tmp_path / "here:").mkdir()
    (tmp_path / "here:" / "film.mp4").touch()

    said = call("run", "--", source)

    assert said.code == 0
    assert asked[0].source.url == expected.format(cwd=tmp_path, home=home)


def test_the_same_words_in_the_same_folder_are_the_same_job(
    call: Call, asked: list[Wanted], tmp_path: Path
) -> None:
    for words in (
        ("film.mp4",),
        ("./film.mp4",),
        (str(tmp_path / "film.mp4"), "--out", "out"),
        ("film.mp4", "--crf", "20"),
        ("film.mp4", "--out", "elsewhere"),
        ("other.mp4",),
        ("film.mp4", "--slots", "7"),
    ):
        call("run", *words)

    first, *others = [wanted.job for wanted in asked]
    assert [job == first for job in others] == [True, True, False, False, False, True]


def test_the_outs_home_is_expanded_and_given_whole_to_those_who_store(
    call: Call, asked: list[Wanted], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    call("run", "film.mp4", "--out=~/films")

    assert asked[0].options.destination == str(tmp_path / "films") == str(asked[0].out)


def test_an_out_that_is_a_file_is_wrong_use(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert call("run", "film.mp4", "--out", "file").code == 2


@pytest.mark.parametrize(
    "words", [("\udcff.mp4",), ("film.mp4", "--out", "\udcff"), ("film.mp4", "--title", "\udcff")]
)
def test_names_that_are_no_text_are_refused_and_no_traceback(call: Call, words: tuple[str, ...]) -> None:
    said = call("run", *words)

    assert said.code == 2
    assert "Unicode" in said.err


def test_strangers_words_do_not_reach_the_terminal_raw(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = Result(job_id="j", state="completed", warnings=("\x1b]0;owned\x07",))
    ending(monkeypatch, evil)

    said = call("run", "film.mp4")

    assert "\x1b]0;" not in said.err
