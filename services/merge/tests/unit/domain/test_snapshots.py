"""What the world sees of a job, while it goes on and when it has ended."""

import msgspec
import pytest
from cinelog_common.contract.events import JobCancelled, JobCancelRequested, JobDeleted, JobFailed
from cinelog_common.contract.status import TERMINAL, JobState, JobStatus
from cinelog_common.contract.values import Failure
from cinelog_merge.domain.snapshots import snapshot, state_of
from cinelog_merge.domain.state import LedgerState, decode_state
from cinelog_merge.testing import JOB, Film, World, a_request


def _shown(world: World) -> JobStatus:
    world.settle()
    assert world.state is not None
    return snapshot(world.state)


def _through(world: World, film: Film) -> list[JobStatus]:
    """Let the workers do everything; return what was seen each time the ledger had caught up."""
    seen = []
    for _ in range(500):
        world.settle()
        seen.append(_shown(world))
        if not world.waiting:
            return seen
        for event in film.outcome(world.waiting.pop(0)):
            world.append(event)
            seen.append(_shown(world))
    pytest.fail("The job does not end.")


def test_a_jobs_states_follow_each_other_and_its_fraction_only_grows() -> None:
    world = World()
    world.append(a_request())

    seen = _through(world, Film(units=4, fragments=4))

    states = list(dict.fromkeys(status.state for status in seen))
    assert states[0] == "queued"
    assert states[-1] == "completed"
    order = ["queued", "fetching", "encoding", "assembling", "publishing", "completed"]
    assert states == [state for state in order if state in states]
    assert all(0.0 <= status.fraction <= 1.0 for status in seen)
    assert seen[-1].fraction == 1.0
    versions = [status.version for status in seen]
    assert versions == sorted(versions)


def test_a_snapshot_carries_the_ledgers_whole_state_and_survives_the_log() -> None:
    world = World()
    world.append(a_request(title="A film"))
    _through(world, Film())

    status = _shown(world)
    back = msgspec.json.decode(msgspec.json.encode(status), type=JobStatus)

    assert back == status
    assert decode_state(bytes(back.ledger)) == world.state
    assert (back.job, back.title, back.account) == (JOB, "A film", "local")


def test_a_job_that_is_only_known_by_name_can_be_shown() -> None:
    status = snapshot(LedgerState(job="unknown"))

    assert (status.state, status.fraction, status.error) == ("queued", 0.0, None)


def test_whoever_cancels_sees_that_it_was_heard_and_then_that_it_is_done() -> None:
    world = World()
    world.append(a_request())

    world.append(JobCancelRequested(job=JOB))
    cancelling = _shown(world).state
    world.append(JobCancelled(job=JOB))

    assert cancelling == "cancelling"
    assert _shown(world).state == "cancelled"


def test_a_failed_job_says_why() -> None:
    world = World()
    world.append(a_request())
    failure = Failure(category="damaged", message="It is broken.", action="Get another.")

    world.append(JobFailed(job=JOB, failure=failure))

    status = _shown(world)
    assert (status.state, status.error) == ("failed", failure)


def test_an_impossible_request_is_failing_with_its_reason_before_its_tombstone() -> None:
    world = World()
    world.append(a_request(profile="nonsense"))

    status = _shown(world)

    assert status.state == "failing"
    assert status.error is not None
    assert "nonsense" in status.error.message


def test_a_deleted_job_is_deleted_whatever_else_is_known_of_it() -> None:
    world = World()
    world.append(a_request())
    _through(world, Film())

    world.append(JobDeleted(job=JOB))
    world.settle()

    assert world.state is not None
    assert state_of(world.state) is JobState.DELETED


def test_every_state_is_terminal_or_goes_on() -> None:
    assert set(JobState) - TERMINAL == {
        JobState.QUEUED,
        JobState.FETCHING,
        JobState.ENCODING,
        JobState.ASSEMBLING,
        JobState.PUBLISHING,
        JobState.CANCELLING,
        JobState.FAILING,
    }
