"""A fact that never arrived, or that nobody can keep, holds no job up for ever."""

from typing import Any

import pytest
from cinelog_common.contract.commands import EncodeSegment, FetchSource, ProbeQuality, PublishOutput
from cinelog_common.contract.events import (
    Event,
    JobTicked,
    PlanRevised,
    PlaylistExtended,
    SegmentReady,
    SourceEnded,
    WorkFailed,
)
from cinelog_common.contract.values import AudioRecipe, Hold
from cinelog_merge.domain.deciding import decide
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.retrying import MAX_LOSSES
from cinelog_merge.domain.state import MAX_TRACKS, MAX_UNITS, Encoded, LogTime
from cinelog_merge.testing import JOB, POOLS, Film, World, a_request, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace


def lose_all(world: World) -> None:
    """Say that every command that is under way was committed past without an outcome."""
    assert world.state is not None
    flights = world.state.current.in_flight.values()
    world.now_ms += 61_000
    world.append(JobTicked(job=JOB, tick=world.now_ms, lost=tuple(flight.command_id for flight in flights)))


def outcome_of(world: World) -> str | None:
    assert world.state is not None
    ending = world.state.current.ending
    return ending.outcome if ending else None


def run_out(world: World, film: Film, *, drop: Any = lambda event: False) -> None:
    """Let workers do everything; what `drop` picks never reaches the log, and is missed in due time."""
    for _ in range(400):
        world.settle()
        if outcome_of(world) is not None:
            return
        if world.waiting:
            told = film.outcome(world.waiting.pop(0))
            world.append(*(event for event in told if not drop(event)))
        else:
            lose_all(world)
    pytest.fail("The job does not end.")


@settings(max_examples=150, deadline=None)
@given(st.sets(st.integers(0, 25), max_size=6), st.integers(1, 4), st.integers(0, 4))
def test_whatever_workers_said_in_vain_is_asked_for_again(lost: set[int], units: int, fragments: int) -> None:
    world, film, said = World(), Film(units=units, fragments=fragments), [0]
    world.append(a_request())

    def drop(_: Event) -> bool:
        said[0] += 1
        return said[0] - 1 in lost

    run_out(world, film, drop=drop)

    assert outcome_of(world) == "completed"
    assert world.state is not None
    assert len(world.state.current.encoded) == units


def test_a_piece_whose_announcement_was_lost_is_fetched_again() -> None:
    world, film, dropped = World(), Film(units=3, fragments=0), []
    world.append(a_request())

    def drop(event: Event) -> bool:
        gone = isinstance(event, SegmentReady) and event.n == 1 and not dropped
        dropped.extend([event] if gone else [])
        return gone

    run_out(world, film, drop=drop)

    assert outcome_of(world) == "completed"
    assert [command.attempt for command in world.sent if isinstance(command, FetchSource)] == [1, 2]


def test_work_that_is_lost_again_and_again_ends_the_job() -> None:
    world = World()
    world.append(a_request())
    for _ in range(MAX_LOSSES + 2):
        world.settle()
        world.waiting = [command for command in world.waiting if isinstance(command, PublishOutput)]
        lose_all(world)
    world.settle()

    (end,) = {command.outcome for command in world.sent if isinstance(command, PublishOutput)}
    assert end == "failed"
    assert sum(isinstance(command, FetchSource) for command in world.sent) == MAX_LOSSES


def test_a_tombstone_is_written_for_ever_however_often_it_is_lost() -> None:
    world = World()
    world.append(a_request(profile="no such profile"))
    for _ in range(3 * MAX_LOSSES):
        world.settle()
        lose_all(world)

    assert len(world.sent) == 3 * MAX_LOSSES
    assert all(isinstance(command, PublishOutput) for command in world.sent)


def test_a_quality_probe_that_is_lost_again_and_again_is_done_without() -> None:
    world, film = World(), Film(units=2, fragments=0)
    world.append(a_request(target_ssim=0.95))
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    for _ in range(MAX_LOSSES):
        world.settle()
        world.waiting = [command for command in world.waiting if not isinstance(command, ProbeQuality)]
        lose_all(world)

    run_out(world, film)

    assert outcome_of(world) == "completed"
    assert sum(isinstance(command, ProbeQuality) for command in world.sent) == MAX_LOSSES


def test_a_live_playlist_that_is_lost_again_and_again_is_done_without() -> None:
    world, film = World(), Film(units=1, fragments=0)
    world.append(a_request())

    run_out(world, film, drop=lambda event: isinstance(event, PlaylistExtended))

    assert outcome_of(world) == "completed"


def test_broken_packets_are_fetched_again_only_when_nobody_fetches_any_more() -> None:
    world, film = World(), Film(units=4, fragments=0)
    world.append(a_request())
    world.settle()
    fetch = world.waiting.pop()
    assert isinstance(fetch, FetchSource)
    *pieces, ended = film.fetched(fetch)
    world.append(*pieces)
    world.settle()
    encodes = [command for command in world.waiting if isinstance(command, EncodeSegment)]
    world.waiting.clear()

    world.append(refusal(encodes[0], category="damaged", permanent=True))
    world.settle()
    early = [command for command in world.sent if isinstance(command, FetchSource)]
    world.append(ended)
    world.settle()
    world.append(refusal(encodes[1], category="damaged", permanent=True))
    world.settle()
    fetches = [command for command in world.sent if isinstance(command, FetchSource)]

    assert early == [fetch]
    # Both would work in one folder, and each empties it first.
    assert [command.regenerate for command in fetches] == [{}, {"0": 1}]
    again = fetches[-1]
    world.append(*film.outcome(again))
    world.settle()
    # What is before a unit must have come out right: with that its decoding begins.
    assert [command for command in world.sent if isinstance(command, FetchSource)] == [fetch, again]
    world.append(*film.outcome(world.waiting.pop()))
    world.settle()
    last = world.waiting[-1]
    assert isinstance(last, FetchSource)
    assert (last.regenerate, last.holds) == ({"1": 1}, (Hold(n=1, last=1, since=0),))


def test_what_failed_on_a_unit_that_was_merged_into_another_fails_no_job() -> None:
    world, film = World(), Film(units=3, fragments=0)
    world.append(a_request())
    world.settle()
    fetch = world.waiting.pop()
    assert isinstance(fetch, FetchSource)
    *pieces, ended = film.fetched(fetch)
    world.append(*pieces)
    world.settle()
    encode = next(c for c in world.waiting if isinstance(c, EncodeSegment) and c.n == 1)
    world.waiting.remove(encode)

    world.append(
        PlanRevised(job=JOB, revision=1, first=0, last=1, generation=1),
        refusal(encode, category="unsupported_media", permanent=True),
        film.segment(fetch, 0, 1),
        ended,
    )
    run_out(world, film)

    assert outcome_of(world) == "completed"


@pytest.mark.parametrize(
    "ended",
    [
        SourceEnded(job=JOB, units=MAX_UNITS + 1, tracks=(), size_bytes=1, duration_s=1.0),
        SourceEnded(
            job=JOB,
            units=1,
            tracks=tuple(f"a{n}" for n in range(MAX_TRACKS + 1)),
            size_bytes=1,
            duration_s=1.0,
        ),
    ],
)
def test_a_source_of_more_pieces_than_can_be_kept_fails(ended: SourceEnded) -> None:
    world = World()
    world.append(a_request(), ended)

    world.settle()

    (end,) = [command for command in world.sent if isinstance(command, PublishOutput)]
    assert end.failure is not None
    assert end.failure.category == "limit_exceeded"


def test_two_extensions_under_one_version_fold_the_same_in_any_order() -> None:
    short = PlaylistExtended(job=JOB, version=1, units=5, tracks={"a0": 6}, key="k")
    long = PlaylistExtended(job=JOB, attempt=2, version=1, units=9, tracks={"a0": 4}, key="k", ended=True)
    places = [(0, short), (1, long)]

    def folded(events: list[tuple[int, PlaylistExtended]]) -> Any:
        state = None
        for offset, event in events:
            state = apply(state, event, LogTime(epoch=1, offset=offset, append_ms=1_000 + offset))
        return state

    assert folded(places) == folded(places[::-1])
    extended = folded(places).current.extended
    assert (extended.units, extended.tracks, extended.ended) == (9, {"a0": 6}, True)


def test_a_decision_costs_the_same_at_the_end_of_a_long_film_as_at_its_start() -> None:
    state = apply(None, a_request(), LogTime(epoch=1, offset=0, append_ms=0))
    fetch = FetchSource(job=JOB, source=a_request().source, audio=AudioRecipe())
    probed = Film().fetched(fetch)[0]
    state = apply(state, probed, LogTime(epoch=1, offset=1, append_ms=0))
    choice = decide(state, POOLS, 0).events[0]
    state = apply(state, choice, LogTime(epoch=1, offset=2, append_ms=0))
    many = 100_000
    run = replace(
        state.current,
        ready=type(state.current.ready)(runs=((0, many + 1),)),
        encoded=type(state.current.encoded)(runs=((0, many),)),
    )
    looked = []

    class Counted(type(run.encoded)):  # type: ignore[misc]
        def __contains__(self, n: int) -> bool:
            looked.append(n)
            return super().__contains__(n)

    made = Encoded(units=Counted(runs=run.encoded.runs))
    run = replace(run, encoded_as={choice.recipe.hash: made})

    decision = decide(replace(state, current=run), Pools(pools={"cpu": Pool(live_slots=2)}), 0)

    assert [o.command.n for o in decision.orders if isinstance(o.command, EncodeSegment)] == [many]
    assert len(looked) < 50


def test_a_failure_of_a_command_that_was_never_sent_is_forgotten_with_its_work() -> None:
    world, film = World(), Film(units=1, fragments=0)
    world.append(a_request())
    run_out(world, film)
    assert world.state is not None

    failed = WorkFailed(
        job=JOB,
        command="fetch",
        work="",
        attempt=9,
        failure=refusal(world.sent[0]).failure,
        permanent=True,
    )
    world.append(failed)
    world.settle()

    assert world.state.current.setbacks == {}
