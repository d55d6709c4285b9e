"""An encoder stops in the middle: another goes on, what was watched stays, the result is of one piece."""

import random
from typing import Any

import pytest
from cinelog_common.contract.commands import (
    AssembleOutput,
    Command,
    EncodeSegment,
    ExtendPlaylist,
    PublishOutput,
)
from cinelog_common.contract.events import Event, JobFailed, JobTicked, RecipeChosen, SegmentEncoded
from cinelog_merge.domain import succession
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.intervals import IntervalSet
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.snapshots import snapshot
from cinelog_merge.domain.state import LedgerState, LogTime, decode_state, encode_state
from cinelog_merge.testing import JOB, Film, World, a_request, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

CPU = Pool(live_slots=2, encoders={"libx264": "165"})
NVIDIA = Pool(live_slots=2, encoders={"h264_nvenc": "13"})
AMD = Pool(live_slots=1, encoders={"h264_amf": "1"})
BOTH = Pools(pools={"cpu": CPU, "nvidia": NVIDIA})


class Broken:
    """A film whose units are refused by some encoders, from some unit on."""

    def __init__(self, film: Film, *, category: str = "encoder_unavailable", **stops: int) -> None:
        self._film = film
        self._category = category
        self._stops = stops

    def outcome(self, command: Command) -> tuple[Event, ...]:
        if isinstance(command, EncodeSegment) and command.n >= self._stops.get(
            command.recipe.family, 1 << 30
        ):
            return (refusal(command, category=self._category, permanent=True),)
        return self._film.outcome(command)


def run_out(world: World, film: Any, order: random.Random | None = None) -> None:
    for _ in range(2000):
        world.settle()
        if not world.waiting:
            return
        at = order.randrange(len(world.waiting)) if order else 0
        world.append(*film.outcome(world.waiting.pop(at)))
    pytest.fail("The job does not end.")


def started(pools: Pools = BOTH, **options: Any) -> World:
    world = World(pools)
    world.append(a_request(**options))
    return world


def encoded(world: World) -> list[tuple[str, int]]:
    return [(c.recipe.family, c.n) for c in world.sent if isinstance(c, EncodeSegment)]


def chosen(world: World) -> list[RecipeChosen]:
    """The choices that hold: of each step the first."""
    found: dict[int, RecipeChosen] = {}
    for event in world.log:
        if isinstance(event, RecipeChosen):
            found.setdefault(event.step, event)
    return list(found.values())


def ending(world: World) -> Any:
    assert world.state is not None
    return world.state.current.ending


def test_another_family_goes_on_and_the_result_is_of_one_piece() -> None:
    world = started()

    run_out(world, Broken(Film(units=6, fragments=6), nvidia=3))

    assert ending(world).outcome == "completed"
    choices = chosen(world)
    assert [(one.step, one.since, one.recipe.family) for one in choices] == [(0, 0, "nvidia"), (1, 3, "cpu")]
    cpu = [n for family, n in encoded(world) if family == "cpu"]
    # First what can be watched, then what the result needs made again.
    assert sorted(cpu) == [0, 1, 2, 3, 4, 5]
    assert cpu[:3] == [3, 4, 5]
    last = [command for command in world.sent if isinstance(command, ExtendPlaylist)][-1]
    assert last.ended
    assert last.extent.recipes == {"0": choices[0].recipe.hash, "3": choices[1].recipe.hash}
    (assembled,) = (command for command in world.sent if isinstance(command, AssembleOutput))
    assert assembled.recipe == choices[1].recipe
    assert assembled.extent.recipes == {}
    (published,) = (command for command in world.sent if isinstance(command, PublishOutput))
    assert published.recipe == choices[1].recipe


def test_the_user_is_told_and_the_job_is_not_failing() -> None:
    world = started()
    film = Broken(Film(units=4), nvidia=1)
    states = set()

    for _ in range(200):
        world.settle()
        assert world.state is not None
        states.add(snapshot(world.state).state)
        if not world.waiting:
            break
        world.append(*film.outcome(world.waiting.pop(0)))

    assert world.state is not None
    status = snapshot(world.state)
    assert "failing" not in states
    assert status.state == "completed"
    (warning,) = status.warnings
    assert warning.startswith("The encoder h264_nvenc stopped working in segment 1: It did not work.")
    assert "libx264 goes on" in warning


def test_the_sizes_and_caps_stay_so_that_players_may_go_on() -> None:
    world = started(profile="ladder", target_ssim=0.95)

    run_out(world, Broken(Film(units=4), nvidia=2))

    first, second = [event.recipe for event in chosen(world)]
    assert ending(world).outcome == "completed"
    assert first.renditions == second.renditions
    assert first.renditions[0].crf == 30


def test_a_family_that_must_be_used_fails_the_job_clearly() -> None:
    world = started(hardware="require", vendor="nvidia")

    run_out(world, Broken(Film(units=4), nvidia=2))

    assert ending(world).outcome == "failed"
    failure = next(event.failure for event in world.log if isinstance(event, JobFailed))
    assert failure.category == "encoder_unavailable"


def test_when_everything_stops_the_job_fails() -> None:
    world = started()

    run_out(world, Broken(Film(units=5), nvidia=1, cpu=3))

    assert ending(world).outcome == "failed"
    assert [one.recipe.family for one in chosen(world)] == ["nvidia", "cpu"]


@pytest.mark.parametrize(
    ("category", "outcome"), [("internal", "completed"), ("poison", "completed"), ("damaged", "failed")]
)
def test_a_device_that_kills_its_user_is_replaced_and_a_broken_film_is_not(
    category: str, outcome: str
) -> None:
    world = started()

    run_out(world, Broken(Film(units=4), category=category, nvidia=2))

    assert ending(world).outcome == outcome


def test_a_film_that_kills_the_processors_encoder_fails_the_job() -> None:
    world = started(Pools(pools={"cpu": CPU}))

    run_out(world, Broken(Film(units=4), category="poison", cpu=2))

    assert ending(world).outcome == "failed"
    assert len(chosen(world)) == 1


def test_one_vendor_may_follow_another_before_the_processor_does() -> None:
    pools = Pools(pools={"cpu": CPU, "nvidia": NVIDIA, "amd": AMD})
    world = started(pools)

    run_out(world, Broken(Film(units=6), nvidia=1, amd=3))

    assert ending(world).outcome == "completed"
    choices = chosen(world)
    assert [(one.recipe.family, one.since) for one in choices] == [("nvidia", 0), ("amd", 1), ("cpu", 3)]


def test_workers_of_another_version_take_over_when_none_of_the_recipes_is_left() -> None:
    world = started(Pools(pools={"cpu": CPU}))
    film = Film(units=4)
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    world.settle()
    world.append(*film.outcome(world.waiting.pop(0)))
    world.settle()
    world._pools = Pools(pools={"cpu": Pool(live_slots=2, encoders={"libx264": "166"})})

    for _ in range(300):
        world.settle()
        if not world.waiting:
            world.now_ms += 61_000
            world.append(JobTicked(job=JOB, tick=world.now_ms))
            world.settle()
            if not world.waiting:
                break
        command = world.waiting.pop(0)
        old = isinstance(command, EncodeSegment) and command.recipe.version == "165"
        world.append(*((refusal(command, category="encoder_unavailable"),) if old else film.outcome(command)))

    assert ending(world).outcome == "completed"
    versions = [event.recipe.version for event in chosen(world)]
    assert versions == ["165", "166"]


@settings(max_examples=150, deadline=None)
@given(
    units=st.integers(1, 12),
    fragments=st.integers(0, 8),
    stop=st.integers(0, 12),
    seed=st.integers(0, 1 << 30),
)
def test_whatever_finishes_first_what_was_published_stays_and_the_job_ends(
    units: int, fragments: int, stop: int, seed: int
) -> None:
    world = started()

    run_out(world, Broken(Film(units=units, fragments=fragments), nvidia=stop), random.Random(seed))

    assert ending(world).outcome == "completed"
    extensions = [command for command in world.sent if isinstance(command, ExtendPlaylist)]
    known: dict[int, str] = {}
    for command in sorted(extensions, key=lambda one: one.version):
        assert command.recipe is not None
        recipes = command.extent.recipes or {"0": first_recipe(world).hash}
        for n in range(command.extent.units):
            made_by = recipes[str(max(int(first) for first in recipes if int(first) <= n))]
            # The published text names the recipe: another one would contradict it.
            assert known.setdefault(n, made_by) == made_by
    (assembled,) = {
        command.id: command for command in world.sent if isinstance(command, AssembleOutput)
    }.values()
    assert assembled.recipe is not None
    made = {(event.n, event.recipe) for event in world.log if isinstance(event, SegmentEncoded)}
    assert {(n, assembled.recipe.hash) for n in range(units)} <= made


def first_recipe(world: World) -> Any:
    return next(event.recipe for event in world.log if isinstance(event, RecipeChosen))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_command_is_missing_after_any_crash_loss_or_repetition(data: Any) -> None:
    world = started()
    film = Broken(Film(units=data.draw(st.integers(1, 5)), fragments=2), nvidia=data.draw(st.integers(0, 4)))
    for _ in range(600):
        while world.read < len(world.log):
            if data.draw(st.integers(0, 9)) == 0:
                world.step(crash_after=data.draw(st.integers(0, 3)))
            world.step()
        if ending(world) is not None:
            break
        if not world.waiting:
            world.now_ms += 61_000
            world.append(JobTicked(job=JOB, tick=world.now_ms))
            continue
        command = world.waiting.pop(data.draw(st.integers(0, len(world.waiting) - 1)))
        fate = (
            data.draw(st.sampled_from(["done", "done", "twice", "lost"])) if command.attempt < 3 else "done"
        )
        if fate == "lost":
            world.append(JobTicked(job=JOB, tick=world.now_ms, lost=(command.id,)))
            world.now_ms += 1
        else:
            world.append(*film.outcome(command) * (2 if fate == "twice" else 1))

    assert ending(world) is not None
    assert ending(world).outcome == "completed"


def a_life() -> list[Event]:
    world = started(Pools(pools={"cpu": CPU, "nvidia": NVIDIA, "amd": AMD}))
    run_out(world, Broken(Film(units=5, fragments=3), nvidia=2, amd=1), random.Random(7))
    rival = next(event for event in world.log if isinstance(event, RecipeChosen) and event.step)
    return [*world.log, *(_other(rival, since) for since in (0, 4))]


def _other(event: RecipeChosen, since: int) -> RecipeChosen:
    """What another member might have told of the same step, later."""
    return RecipeChosen(job=event.job, recipe=event.recipe, step=event.step, since=since)


LIFE = a_life()


def folded(placed: list[tuple[int, Event]]) -> LedgerState:
    state = None
    for offset, event in placed:
        state = apply(state, event, LogTime(epoch=1, offset=offset, append_ms=1_000 + offset))
    assert state is not None
    return state


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30), st.lists(st.integers(0, len(LIFE) - 1), max_size=10), st.data())
def test_the_fold_of_a_succession_is_a_join(seed: int, again: list[int], data: Any) -> None:
    chosen = sorted(data.draw(st.sets(st.integers(0, len(LIFE) - 1), min_size=1)) | set(again))
    placed = [(offset, LIFE[offset]) for offset in chosen]
    shuffled = placed + [(offset, LIFE[offset]) for offset in again]
    random.Random(seed).shuffle(shuffled)

    assert folded(shuffled) == folded(placed)
    assert decode_state(encode_state(folded(placed))) == folded(placed)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), max_size=6, unique_by=lambda one: one[0]))
def test_every_unit_has_the_recipe_of_the_last_step_that_counts_for_it(steps: list[tuple[int, int]]) -> None:
    first = next(event for event in LIFE if isinstance(event, RecipeChosen))
    events = [first]
    for step, since in steps:
        recipe = first.recipe.__class__(**{**_fields(first.recipe), "version": str(step)})
        events.append(RecipeChosen(job=JOB, recipe=recipe, step=step, since=since))
    run = folded(list(enumerate(events))).current

    for n in range(12):
        counting = [(0, first.recipe.version), *((step, str(step)) for step, since in steps if since <= n)]
        recipe = succession.recipe_of(run, n)
        assert recipe is not None
        assert recipe.version == max(counting)[1]


def _fields(recipe: Any) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in recipe.__struct_fields__}


@given(st.sets(st.integers(0, 40)), st.integers(0, 40), st.integers(0, 40))
def test_parts_of_a_set_are_the_set_again(members: set[int], start: int, cut: int) -> None:
    whole = IntervalSet()
    for n in sorted(members):
        whole = whole.add(n)
    first, second = sorted((start, cut))

    parts = [whole.between(0, first), whole.between(first, second), whole.between(second, None)]

    assert parts[0].followed_by(parts[1]).followed_by(parts[2]) == whole
    assert set(parts[1]) == {n for n in members if first <= n < second}
