"""Units that show too few pictures: mended by decoding from earlier on, or damage; never withdrawn."""

from collections.abc import Iterator

import pytest
from cinelog_common.contract.commands import (
    AssembleOutput,
    Command,
    EncodeSegment,
    ExtendPlaylist,
    Extent,
    FetchSource,
)
from cinelog_common.contract.events import Event, JobTicked, PlanRevised, SegmentReady
from cinelog_common.contract.values import Hold
from cinelog_merge.domain.state import MAX_REVISIONS
from cinelog_merge.testing import JOB, Film, World, a_request, refusal
from hypothesis import given, settings
from hypothesis import strategies as st


class Uneven(Film):
    """A film that cannot be decoded from where units in `closed` begin, and not at all in `damaged` ones."""

    def __init__(self, units: int, *, closed: set[int], damaged: set[int] | None = None) -> None:
        super().__init__(units=units, fragments=0)
        self._closed = closed
        self._damaged = damaged or set()
        self._stored: dict[tuple[int, int], Hold] = {}

    def outcome(self, command: Command) -> tuple[Event, ...]:
        match command:
            case FetchSource():
                for hold in command.holds:
                    # Whoever stores it first has made the object.
                    self._stored.setdefault((hold.n, command.regenerate[str(hold.n)]), hold)
            case EncodeSegment() if not self._decodes(command):
                return (refusal(command, category="damaged", permanent=True),)
        return super().outcome(command)

    def pictures(self, n: int, generation: int) -> range:
        """Return the first-planned units whose pictures unit `n` shows."""
        hold = self._stored.get((n, generation), Hold(n=n, last=n, since=n))
        return range(n, hold.last + 1)

    def _decodes(self, command: EncodeSegment) -> bool:
        plain = Hold(n=command.n, last=command.n, since=command.n)
        hold = self._stored.get((command.n, command.generation), plain)
        assert hold.since <= command.n <= hold.last
        held = self.pictures(command.n, command.generation)
        return hold.since not in self._closed and not self._damaged & {*held}


def play(world: World, film: Uneven, pick: st.DataObject | None = None) -> None:
    """Let workers do everything in any order; some say things twice, some facts come late."""
    for _ in range(2000):
        world.settle()
        assert world.state is not None
        if world.state.current.ending is not None:
            return
        if not world.waiting:
            world.now_ms += 61_000
            world.append(JobTicked(job=JOB, tick=world.now_ms))
            continue
        at = pick.draw(st.integers(0, len(world.waiting) - 1)) if pick else 0
        told = film.outcome(world.waiting.pop(at))
        world.append(*told)
        if pick and pick.draw(st.booleans()):
            world.append(pick.draw(st.sampled_from(world.log)))
    pytest.fail("The job does not end.")


def ended(world: World) -> str:
    assert world.state is not None
    assert world.state.current.ending is not None
    return world.state.current.ending.outcome


def shown(film: Uneven, extent: Extent) -> Iterator[tuple[int, int]]:
    """Yield the units of an extent with their generations."""
    for n in range(extent.units):
        if n not in extent.absent:
            yield n, extent.generations.get(str(n), 0)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 14), st.data())
def test_every_picture_comes_once_and_nothing_published_is_withdrawn(units: int, data: st.DataObject) -> None:
    closed = data.draw(st.sets(st.integers(1, units - 1)))
    world, film = World(), Uneven(units, closed=closed)
    world.append(a_request())

    play(world, film, data)

    assert ended(world) == "completed"
    [joined] = [c.extent for c in world.sent if isinstance(c, AssembleOutput)]
    pictures = [n for unit in shown(film, joined) for n in film.pictures(*unit)]
    assert pictures == list(range(units))
    published: list[tuple[int, int]] = []
    for command in world.sent:
        if isinstance(command, ExtendPlaylist):
            extended = list(shown(film, command.extent))
            assert extended[: len(published)] == published
            published = extended


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10), st.data())
def test_damage_ends_the_run_after_one_revision_of_each_place(units: int, data: st.DataObject) -> None:
    damaged = data.draw(st.sets(st.integers(0, units - 1), min_size=1))
    world, film = World(), Uneven(units, closed=set(), damaged=damaged)
    world.append(a_request())

    play(world, film, data)

    assert ended(world) == "failed"
    assert max(c.generation for c in world.sent if isinstance(c, EncodeSegment)) <= 1
    fetches = [c for c in world.sent if isinstance(c, FetchSource) and c.regenerate]
    assert len(fetches) <= len(damaged)


def test_a_film_that_cannot_be_entered_any_more_runs_on_whole_after_few_revisions() -> None:
    world, film = World(), Uneven(200, closed=set(range(20, 200)))
    world.append(a_request())

    play(world, film)

    assert ended(world) == "completed"
    revisions = {event.first: event for event in world.log if isinstance(event, PlanRevised)}
    assert 1 <= len(revisions) < MAX_REVISIONS
    # All of it is decoded from where it last could be.
    assert {event.since for event in revisions.values()} == {19}


def test_what_was_revised_is_told() -> None:
    world, film = World(), Uneven(6, closed={2, 3})
    world.append(a_request())

    play(world, film)

    (said,) = {c.warnings for c in world.sent if c.kind == "publish"}  # type: ignore[attr-defined]
    assert said == ("Segments 3 and 4 could not be decoded alone: the source is not split there.",)


def test_more_places_than_may_be_revised_are_damage() -> None:
    places = set(range(1, 4 * MAX_REVISIONS, 2))
    world, film = World(), Uneven(4 * MAX_REVISIONS, closed=set())
    world.append(a_request())
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    for first in sorted(places)[:MAX_REVISIONS]:
        world.append(PlanRevised(job=JOB, revision=first + 1, first=first, last=first, generation=1))
    world.settle()
    broken = next(c for c in world.waiting if isinstance(c, EncodeSegment) and c.n not in places)

    world.append(refusal(broken, category="damaged", permanent=True))
    world.settle()

    (end,) = [c for c in world.sent if c.kind == "publish"]
    assert end.failure is not None  # type: ignore[attr-defined]
    assert end.failure.category == "damaged"  # type: ignore[attr-defined]


def test_a_revision_that_is_lost_is_told_again_and_one_told_twice_counts_once() -> None:
    world, film = World(), Uneven(4, closed={1})
    world.append(a_request())
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    world.settle()
    for command in [c for c in world.waiting if isinstance(c, EncodeSegment)]:
        world.waiting.remove(command)
        world.append(*film.outcome(command))
    while world.read < len(world.log) and not isinstance(world.log[-1], PlanRevised):
        world.step()
    lost = world.log.pop()

    world.append(SegmentReady(job=JOB, n=0, key="k", start=0, end=51200, frames=100, size_bytes=1))
    play(world, film)

    told = [event for event in world.log if isinstance(event, PlanRevised)]
    assert {event.id for event in told} == {lost.id}
    assert ended(world) == "completed"
    assert len([c for c in world.sent if isinstance(c, FetchSource) and c.regenerate]) == 1
