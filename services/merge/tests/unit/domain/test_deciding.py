"""Whatever is lost, late, twice or dead: no command is missing, and every job ends."""

from typing import Any

import pytest
from cinelog_common.contract.commands import (
    Command,
    EncodeSegment,
    ExtendPlaylist,
    FetchSource,
    ProbeQuality,
    PublishOutput,
)
from cinelog_common.contract.events import JobCancelRequested, JobRetried, JobTicked, PlanRevised
from cinelog_merge.domain.deciding import decide, due_ms
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.wanting import warnings_of
from cinelog_merge.testing import JOB, Film, World, a_request, refusal
from hypothesis import given, settings
from hypothesis import strategies as st


def run_out(world: World, film: Film) -> None:
    """Let workers do everything that is asked of them."""
    for _ in range(1000):
        world.settle()
        if not world.waiting:
            return
        world.append(*film.outcome(world.waiting.pop(0)))
    pytest.fail("The job does not end.")


def outcome_of(world: World) -> str | None:
    assert world.state is not None
    ending = world.state.current.ending
    return ending.outcome if ending else None


@pytest.mark.parametrize(
    ("film", "profile"),
    [
        (Film(), "web"),
        (Film(fragments=0), "web"),
        (Film(has_picture=False), "web"),
        (Film(has_picture=False), "audio"),
        (Film(units=1, fragments=1), "ladder"),
        (Film(units=40, fragments=38), "web"),
    ],
)
def test_a_job_without_bad_luck_completes_and_every_unit_is_encoded_once(film: Film, profile: str) -> None:
    world = World()
    world.append(a_request(profile=profile))

    run_out(world, film)

    assert outcome_of(world) == "completed"
    encoded = [command.n for command in world.sent if isinstance(command, EncodeSegment)]
    assert encoded == list(range(film.units))


def test_a_unit_is_told_how_many_follow_once_the_source_has_ended() -> None:
    world, film = World(), Film(units=40)
    world.append(a_request(profile="web"))

    run_out(world, film)

    told = [
        (one.n, one.rest) for one in world.sent if isinstance(one, EncodeSegment) and one.rest is not None
    ]
    assert told
    assert all(rest == film.units - n - 1 for n, rest in told)
    assert told[-1] == (39, 0)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_command_is_missing_after_any_crash_loss_failure_or_repetition(data: Any) -> None:
    world, film = World(), Film(units=data.draw(st.integers(1, 5)), fragments=data.draw(st.integers(0, 4)))
    world.append(a_request())
    luck = st.sampled_from(["done", "done", "done", "done twice", "failed", "lost", "late"])
    for _ in range(400):
        while world.read < len(world.log):
            if data.draw(st.integers(0, 9)) == 0:
                world.step(crash_after=data.draw(st.integers(0, 3)))
            world.step()
        if outcome_of(world) is not None:
            break
        if not world.waiting:
            world.now_ms += 61_000
            world.append(JobTicked(job=JOB, tick=world.now_ms))
            continue
        command = world.waiting.pop(data.draw(st.integers(0, len(world.waiting) - 1)))
        fate = data.draw(luck) if command.attempt < 3 else "done"
        match fate:
            case "failed":
                world.append(refusal(command))
            case "lost":
                world.append(JobTicked(job=JOB, tick=world.now_ms, lost=(command.id,)))
                world.now_ms += 1
            case "late":
                world.waiting.append(command)
            case "done twice":
                world.append(*film.outcome(command), *film.outcome(command))
            case _:
                world.append(*film.outcome(command))

    assert outcome_of(world) == "completed"
    assert world.state is not None
    assert len(world.state.current.encoded) == film.units


def test_queued_work_is_never_issued_again() -> None:
    world = World()
    world.append(a_request())
    world.settle()
    for tick in range(20):
        world.now_ms += 60_000
        world.append(JobTicked(job=JOB, tick=tick))
        world.settle()

    assert len(world.sent) == 1


def test_a_long_film_has_only_a_window_of_segments_in_flight() -> None:
    world, film = World(), Film(units=50, fragments=0)
    world.append(a_request())
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))

    world.settle()

    assert [command.n for command in world.waiting if isinstance(command, EncodeSegment)] == [0, 1, 2]


def test_the_window_shrinks_with_the_number_of_active_jobs() -> None:
    pools = Pools(pools={"cpu": Pool(live_slots=16)}, active_jobs=4)

    assert pools.window("cpu") == 6
    assert pools.window("nvidia") == 2


def test_a_failed_attempt_is_repeated_after_its_delay_and_not_before() -> None:
    world = World()
    world.append(a_request())
    world.settle()
    world.append(refusal(world.waiting.pop()))
    world.settle()
    assert world.state is not None
    due = due_ms(world.state)
    assert due is not None
    early = decide(world.state, Pools(), due - 1)
    late = decide(world.state, Pools(), due)

    assert early.orders == ()
    assert [order.command.attempt for order in late.orders] == [2]


def test_the_other_side_may_ask_for_a_longer_delay() -> None:
    world = World()
    world.append(a_request())
    world.settle()
    failed = refusal(world.waiting.pop())
    world.append(type(failed)(**{**_fields(failed), "retry_after_s": 120.0}))
    world.settle()

    assert world.state is not None
    assert due_ms(world.state) == world.now_ms + 120_000


@pytest.mark.parametrize("permanent", [True, False])
def test_a_source_that_cannot_be_fetched_ends_in_a_tombstone_with_the_reason(permanent: bool) -> None:
    world, film = World(), Film()
    world.append(a_request())
    for _ in range(8):
        world.settle()
        fetches = [command for command in world.waiting if isinstance(command, FetchSource)]
        if not fetches:
            break
        world.waiting.clear()
        world.append(refusal(fetches[0], category="source_not_found", permanent=permanent))
        world.settle()
        world.now_ms += 61_000
        world.append(JobTicked(job=JOB, tick=world.now_ms))
    run_out(world, film)

    assert outcome_of(world) == "failed"
    assert world.state is not None
    assert world.state.current.ending is not None
    assert world.state.current.ending.failure is not None
    assert world.state.current.ending.failure.category == "source_not_found"
    assert sum(isinstance(command, FetchSource) for command in world.sent) == (1 if permanent else 5)


def test_cancelling_asks_for_a_tombstone_and_nothing_else() -> None:
    world, film = World(), Film()
    world.append(a_request())
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)), JobCancelRequested(job=JOB))
    world.settle()
    before = len(world.sent)

    world.append(JobTicked(job=JOB, tick=1))
    world.settle()

    assert len(world.sent) == before
    assert isinstance(world.sent[-1], PublishOutput)
    assert world.sent[-1].outcome == "cancelled"


def test_a_retry_runs_the_whole_way_again_under_a_new_run() -> None:
    world, film = World(), Film()
    world.append(a_request())
    run_out(world, film)
    world.append(JobRetried(job=JOB, run=2))

    run_out(world, film)

    assert outcome_of(world) == "completed"
    assert {command.run for command in world.sent} == {1, 2}
    assert (
        sum(isinstance(command, EncodeSegment) and command.run == 2 for command in world.sent) == film.units
    )


def test_packets_that_prove_broken_are_stored_again_under_the_next_generation() -> None:
    world, film = World(), Film(units=2)
    world.append(a_request())
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    world.settle()
    broken = next(
        command for command in world.waiting if isinstance(command, EncodeSegment) and command.n == 1
    )
    world.waiting.remove(broken)
    world.append(refusal(broken, category="damaged", permanent=True))

    run_out(world, film)

    assert outcome_of(world) == "completed"
    assert any(isinstance(command, FetchSource) and command.regenerate == {"1": 1} for command in world.sent)
    assert any(isinstance(command, EncodeSegment) and command.generation == 1 for command in world.sent)


def test_packets_broken_twice_fail_the_run() -> None:
    world, film = World(), Film(units=1)
    world.append(a_request())

    def answer(command: Command) -> None:
        if isinstance(command, EncodeSegment):
            world.append(refusal(command, category="damaged", permanent=True))
        else:
            world.append(*film.outcome(command))

    world.settle()
    while world.waiting:
        answer(world.waiting.pop(0))
        world.settle()

    assert outcome_of(world) == "failed"


def test_units_merged_by_a_revision_are_not_waited_for() -> None:
    world, film = World(), Film(units=4)
    world.append(a_request())
    world.settle()
    fetch = world.waiting.pop(0)
    assert isinstance(fetch, FetchSource)
    world.append(*film.outcome(fetch))
    world.append(PlanRevised(job=JOB, revision=1, first=1, last=2, generation=1), film.segment(fetch, 1, 1))

    run_out(world, film)

    assert outcome_of(world) == "completed"
    extents = [command.extent for command in world.sent if isinstance(command, ExtendPlaylist)]
    assert extents[-1].units == 4
    assert extents[-1].absent == (2,)


def test_a_tombstone_is_tried_until_it_is_written() -> None:
    world, film = World(), Film()
    world.append(a_request(), JobCancelRequested(job=JOB))
    for _ in range(20):
        world.settle()
        world.append(refusal(world.waiting.pop(), permanent=True))
        world.settle()
        world.now_ms += 61_000
        world.append(JobTicked(job=JOB, tick=world.now_ms))
    run_out(world, film)

    assert outcome_of(world) == "cancelled"


def test_a_target_quality_is_found_on_the_first_units_before_anything_is_encoded() -> None:
    world, film = World(), Film(units=3)
    world.append(a_request(target_ssim=0.95))

    run_out(world, film)

    assert outcome_of(world) == "completed"
    kinds = [command.kind for command in world.sent if command.kind in {"probe", "encode"}]
    assert kinds == ["probe", "encode", "encode", "encode"]
    encodes = [command for command in world.sent if isinstance(command, EncodeSegment)]
    assert {command.recipe.renditions[0].crf for command in encodes} == {30}


def test_a_quality_that_cannot_be_measured_is_replaced_by_the_default_with_a_warning() -> None:
    world, film = World(), Film(units=2)
    world.append(a_request(target_ssim=0.95))
    for _ in range(60):
        world.settle()
        if not world.waiting:
            break
        command = world.waiting.pop(0)
        failed = isinstance(command, ProbeQuality)
        world.append(*((refusal(command, permanent=True),) if failed else film.outcome(command)))

    assert outcome_of(world) == "completed"
    assert world.state is not None
    assert any("was not measured" in warning for warning in warnings_of(world.state.current))


def test_required_hardware_that_is_not_there_fails_with_what_to_do() -> None:
    world, film = World(), Film()
    world.append(a_request(hardware="require", vendor="nvidia"))

    run_out(world, film)

    assert outcome_of(world) == "failed"
    assert world.state is not None
    assert world.state.current.ending is not None
    assert world.state.current.ending.failure is not None
    assert "doctor" in world.state.current.ending.failure.action


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
