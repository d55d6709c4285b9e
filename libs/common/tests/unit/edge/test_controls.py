"""Which work may go on, whatever order and repetition controls come in."""

import asyncio

import msgspec
import pytest
from cinelog_common.contract import topics
from cinelog_common.contract.commands import Command, FetchSource, PublishOutput
from cinelog_common.contract.status import Control
from cinelog_common.contract.values import AudioRecipe, Source
from cinelog_common.controls import Controls
from cinelog_common.kafka.records import Record
from hypothesis import given
from hypothesis import strategies as st

STATES = ("run", "cancelled", "terminal", "deleted")


def a_control(state: str, run: int = 1, job: str = "j") -> Control:
    return Control(job=job, run=run, state=state)


def a_record(value: Control | bytes | None, key: bytes | None = b"j") -> Record:
    data = msgspec.json.encode(value) if isinstance(value, Control) else value
    return Record(
        topic=topics.CONTROL, partition=0, offset=0, timestamp_ms=0, key=key, value=data, headers=()
    )


def take(controls: Controls, *records: Record) -> None:
    async def work() -> None:
        for record in records:
            await controls.take(record)

    asyncio.run(work())


def fetch(run: int = 1, job: str = "j") -> Command:
    return FetchSource(job=job, run=run, source=Source(url="a"), audio=AudioRecipe())


def publish(outcome: str, run: int = 1) -> Command:
    return PublishOutput(job="j", run=run, outcome=outcome)


@pytest.mark.parametrize(
    ("control", "command", "permitted"),
    [
        (None, fetch(), True),
        (a_control("run"), fetch(), True),
        (a_control("cancelled"), fetch(), False),
        (a_control("cancelled"), publish("completed"), False),
        (a_control("cancelled"), publish("cancelled"), True),
        (a_control("cancelled"), publish("failed"), True),
        (a_control("terminal"), fetch(), False),
        (a_control("terminal"), publish("cancelled"), False),
        (a_control("deleted"), publish("cancelled"), False),
        (a_control("dreaming"), fetch(), True),
        (a_control("cancelled", run=1), fetch(run=2), True),
        (a_control("run", run=2), fetch(run=1), False),
        (a_control("run", run=2), publish("cancelled", run=1), False),
        (a_control("terminal", job="other"), fetch(), True),
    ],
)
def test_what_is_permitted(control: Control | None, command: Command, *, permitted: bool) -> None:
    controls = Controls()

    take(controls, *([a_record(control)] if control else []))

    assert controls.permits(command) is permitted


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(STATES)), min_size=1, max_size=8).flatmap(
        lambda all_of: st.tuples(st.just(all_of), st.permutations(all_of))
    )
)
def test_the_order_of_controls_does_not_matter(
    orders: tuple[list[tuple[int, str]], list[tuple[int, str]]],
) -> None:
    one, other = Controls(), Controls()

    for controls, order in zip((one, other), orders, strict=True):
        take(controls, *(a_record(a_control(state, run)) for run, state in order))

    for run in (1, 2, 3):
        for command in (fetch(run), publish("completed", run), publish("cancelled", run)):
            assert one.permits(command) == other.permits(command)


def test_a_run_that_was_cancelled_never_comes_back_to_life() -> None:
    controls = Controls()

    take(controls, a_record(a_control("cancelled")), a_record(a_control("run")))

    assert not controls.permits(fetch())


@pytest.mark.parametrize("value", [b"", b"garbage", b"[]", b"{}", b"\xff", b'{"x":' + b"[" * 100_000])
def test_garbage_changes_nothing(value: bytes) -> None:
    controls = Controls()

    take(controls, a_record(a_control("cancelled")), a_record(value), a_record(value, key=None))

    assert not controls.permits(fetch())


def test_what_compaction_removed_is_forgotten() -> None:
    controls = Controls()

    take(controls, a_record(a_control("terminal")), a_record(None))

    assert controls.permits(fetch())


def test_of_jobs_that_are_over_only_the_last_are_remembered_and_none_that_goes_on_is_forgotten() -> None:
    controls = Controls(ends=2)
    goes_on = a_record(a_control("cancelled", job="long"))

    take(controls, goes_on, *(a_record(a_control("terminal", job=f"job-{n}")) for n in range(4)))
    take(
        controls, a_record(a_control("run", run=2, job="job-3")), a_record(a_control("terminal", job="job-4"))
    )

    forbidden = [n for n in range(5) if not controls.permits(fetch(job=f"job-{n}"))]
    assert forbidden == [2, 3, 4]
    assert controls.permits(fetch(run=2, job="job-3"))
    assert not controls.permits(fetch(job="long"))


def test_watchers_hear_of_changes_and_not_of_what_is_old() -> None:
    controls = Controls()
    heard: list[str] = []
    controls.watch(lambda control: heard.append(control.state))

    take(controls, a_record(a_control("cancelled")), a_record(a_control("run")), a_record(b"garbage"))

    assert heard == ["cancelled"]
