"""The fold is a join: any order and any repetition of the same events gives the same state."""

import random
from typing import Any

from cinelog_common.contract.commands import EncodeSegment, FetchSource, PublishOutput
from cinelog_common.contract.events import (
    Event,
    JobCancelRequested,
    JobDeleted,
    JobRetried,
    JobTicked,
    PlanRevised,
    SegmentEncoded,
    SegmentReady,
    TrackEnded,
)
from cinelog_common.contract.values import Loudness
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.state import MAX_DAMAGE, LedgerState, LogTime, decode_state, encode_state
from cinelog_merge.domain.wanting import warnings_of
from cinelog_merge.testing import JOB, Film, World, a_request, in_run, refusal
from hypothesis import given, settings
from hypothesis import strategies as st


def a_life() -> list[Event]:
    """Every kind of event that the life of a job holds."""
    world, film = World(), Film(units=4)
    world.append(a_request())
    world.settle()
    while world.waiting:
        world.append(*film.outcome(world.waiting.pop(0)))
        world.settle()
    fetch = next(command for command in world.sent if isinstance(command, FetchSource))
    encode = next(command for command in world.sent if isinstance(command, EncodeSegment))
    extra: list[Event] = [
        refusal(fetch),
        refusal(encode, category="damaged", permanent=True),
        JobTicked(job=JOB, tick=7, lost=("some-id",)),
        PlanRevised(job=JOB, revision=1, first=2, last=3, generation=1),
        PlanRevised(job=JOB, revision=1, first=2, last=4, generation=1, since=0),
        PlanRevised(job=JOB, revision=2, first=1, last=2, generation=1, since=0),
        *(measured(lufs) for lufs in (-20.0, None, -20.1)),
        *(damaged(n, f"at {n}", f"also at {n}") for n in (3, 1, 30, 2)),
        JobCancelRequested(job=JOB),
    ]
    return world.log + extra


def measured(lufs: float | None) -> TrackEnded:
    loudness = None if lufs is None else Loudness(integrated_lufs=lufs, range_lu=1.0, true_peak_dbtp=-1.0)
    return TrackEnded(job=JOB, track="a0", recipe="r", segments=1, end=1, loudness=loudness)


def damaged(n: int, *warnings: str) -> SegmentEncoded:
    return SegmentEncoded(job=JOB, n=n, recipe="r", parts=1, frames=1, renditions=(), warnings=warnings)


LIFE = a_life()


def folded(placed: list[tuple[int, Event]]) -> LedgerState | None:
    state = None
    for offset, event in placed:
        state = apply(state, event, LogTime(epoch=1, offset=offset, append_ms=1_000 + offset))
    return state


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_order_and_any_repetition_gives_the_same_state(data: Any) -> None:
    events = LIFE + [in_run(event, 2) for event in data.draw(st.lists(st.sampled_from(LIFE), max_size=4))]
    events += data.draw(
        st.lists(st.sampled_from([JobRetried(job=JOB, run=2), JobDeleted(job=JOB)]), max_size=2)
    )
    placed = list(enumerate(events))
    shuffled = placed + data.draw(st.lists(st.sampled_from(placed), max_size=12))
    random.Random(data.draw(st.integers(0, 1 << 30))).shuffle(shuffled)

    assert folded(shuffled) == folded(placed)


@given(st.sets(st.integers(0, len(LIFE) - 1)))
def test_any_part_of_a_life_folds_the_same_in_any_order(chosen: set[int]) -> None:
    placed = [(offset, LIFE[offset]) for offset in sorted(chosen)]

    assert folded(placed) == folded(placed[::-1]) == folded(placed + placed)


def test_the_state_survives_the_table() -> None:
    state = folded(list(enumerate(LIFE)))

    assert state is not None
    assert decode_state(encode_state(state)) == state


def test_what_belongs_to_an_older_run_changes_nothing_but_the_version() -> None:
    new = folded([(0, a_request()), (1, JobRetried(job=JOB, run=2))])
    assert new is not None

    later = apply(new, LIFE[3], LogTime(epoch=1, offset=9, append_ms=5_000))

    assert later.run == 2
    assert later.current == new.current
    assert later.version == (1, 9)


def test_the_first_request_in_the_log_holds_even_if_it_is_seen_last() -> None:
    first, second = a_request(profile="web"), a_request(profile="audio")

    state = folded([(5, second), (3, first)])

    assert state is not None
    assert state.request == first


def test_the_state_of_a_long_film_stays_small() -> None:
    state = folded([(0, a_request())])
    for n in range(3000):
        ready = SegmentReady(job=JOB, n=n, key="k", start=n, end=n + 1, frames=1, size_bytes=1)
        encoded = SegmentEncoded(job=JOB, n=n, recipe="r", parts=1, frames=1, renditions=())
        state = apply(state, ready, LogTime(epoch=1, offset=2 * n, append_ms=n))
        state = apply(state, encoded, LogTime(epoch=1, offset=2 * n + 1, append_ms=n))

    assert state is not None
    assert len(encode_state(state)) < 2_000


def test_what_transcode_warns_of_is_kept_by_place_up_to_a_bound() -> None:
    placed: list[tuple[int, Event]] = [(0, a_request())]
    placed += [(n + 1, damaged(n, f"damaged at {n} s")) for n in range(MAX_DAMAGE + 5)]

    state, reverse = folded(placed), folded(placed[::-1])

    assert state is not None
    assert reverse is not None
    assert state.current.damage == reverse.current.damage
    warned = warnings_of(state.current)
    assert warned[:MAX_DAMAGE] == tuple(f"damaged at {n} s" for n in range(MAX_DAMAGE))
    assert warned[MAX_DAMAGE:] == ("The source is damaged in more places than are named here.",)
    assert warnings_of(reverse.current) == warned


def test_the_loudness_of_a_track_goes_with_it_to_those_who_publish() -> None:
    world, film = World(), Film(units=2)
    world.append(a_request())
    world.settle()
    while world.waiting:
        world.append(*film.outcome(world.waiting.pop(0)), measured(-23.0))
        world.settle()

    published = next(command for command in world.sent if isinstance(command, PublishOutput))

    assert [track.loudness for track in published.tracks] == [measured(-23.0).loudness]
