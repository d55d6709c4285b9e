"""Which work has its outcome, and what is still to be done: read off the state alone."""

import re
from collections.abc import Iterator

from cinelog_common.contract.values import Failure
from cinelog_common.errors import Category
from msgspec.structs import replace

from cinelog_merge.domain import succession
from cinelog_merge.domain.intervals import IntervalSet
from cinelog_merge.domain.retrying import MAX_LOSSES, exhausted, is_tombstone
from cinelog_merge.domain.state import Encoded, RunState, kind_and_work

_UNIT = re.compile(r"(\d{1,9})\.g(\d{1,4})(?:\.(?P<recipe>.*)|$)")


def unit_of(work: str) -> tuple[int, int] | None:
    """Return (unit, generation) of an encode command's `work`, or None if it names none."""
    match = _UNIT.match(work)
    return (int(match[1]), int(match[2])) if match else None


def recipe_in(work: str) -> str:
    """Return the recipe's hash in an encode command's `work`."""
    match = _UNIT.match(work)
    return (match["recipe"] or "") if match else ""


def generation_wanted(run: RunState, n: int) -> int:
    """Return the generation of unit `n` that counts."""
    return run.wanted_generations.get(str(n), 0)


def is_ready(run: RunState, n: int) -> bool:
    """Whether the packets of unit `n` are stored in the generation that counts."""
    return n in run.ready and run.ready_generations.get(str(n), 0) >= generation_wanted(run, n)


def is_encoded(run: RunState, n: int) -> bool:
    """Whether unit `n` is encoded in the generation and by the recipe that count for it."""
    recipe = succession.recipe_of(run, n)
    return recipe is not None and is_made(run, n, recipe.hash)


def is_made(run: RunState, n: int, recipe: str) -> bool:
    """Whether the recipe of this hash has made unit `n` in the generation that counts."""
    made = run.encoded_as.get(recipe)
    if made is None or n not in made.units:
        return False
    return made.generations.get(str(n), 0) >= generation_wanted(run, n)


def absent_units(run: RunState) -> frozenset[int]:
    """Return the units that a revision merged into an earlier one."""
    return frozenset(n for first, one in run.revisions.items() for n in range(int(first) + 1, one.last + 1))


def encoded_prefix(run: RunState) -> int:
    """Return how many units from the first on can be shown without a hole."""
    absent = absent_units(run)
    end = _filled(succession.watched(run), absent)
    again = (int(n) for n in run.wanted_generations)
    return min((n for n in again if n < end and n not in absent and not is_encoded(run, n)), default=end)


def _filled(units: IntervalSet, absent: frozenset[int]) -> int:
    """Return how many units from the first on are among `units` or absent."""
    n = 0
    while (end := units.reach(n)) > n or n in absent:
        n = max(end, n + (n in absent))
    return n


def is_fetched(run: RunState) -> bool:
    """Whether the source has ended and all of it is known here.

    Everything is announced before the end is, so whatever is missing then was lost on the way: it is
    announced again by another attempt.
    """
    if run.source is None or run.probed is None:
        return False
    # Whatever is settled once must stay so: later generations of a unit are another fetch's matter.
    return _filled(run.ready, absent_units(run)) >= run.source.units and tracks_complete(run)


def all_encoded(run: RunState) -> bool:
    """Whether the source has ended and every unit of it is encoded."""
    return run.source is not None and encoded_prefix(run) >= run.source.units


def unlike(run: RunState) -> Iterator[int]:
    """Yield the units to be watched that the recipe of the result has not made yet."""
    last = succession.last_span(run)
    if last is None or not last.first:
        return
    absent = absent_units(run)
    made = run.encoded_as.get(last.recipe.hash, Encoded()).units
    again = sorted(int(n) for n in run.wanted_generations if int(n) < min(last.first, _filled(made, absent)))
    for n in (*again, *range(_filled(made, absent), last.first)):
        if n not in absent and not is_made(run, n, last.recipe.hash):
            yield n


def all_alike(run: RunState) -> bool:
    """Whether every unit is encoded by the one recipe that the result is made of."""
    return next(unlike(run), None) is None


def tracks_complete(run: RunState) -> bool:
    """Whether the source has ended and every fragment of every track is stored."""
    return run.source is not None and all(
        name in run.tracks and run.tracks[name].complete for name in run.source.tracks
    )


def broken_units(run: RunState) -> dict[str, int]:
    """Return the units whose stored packets do not yield what they should: their number and generation."""
    absent = absent_units(run)
    return {
        n: generation
        for n, generation in run.wanted_generations.items()
        if int(n) not in absent and not is_ready(run, int(n))
    }


def has_outcome(run: RunState, kind: str, work: str) -> bool:
    """Whether this work is done, or nobody wants it any more."""
    match kind:
        case "fetch":
            return is_fetched(run) if not work else _stored_again(run, work)
        case "encode":
            unit = unit_of(work)
            if unit is None:
                return True
            done = is_made(run, unit[0], recipe_in(work)) or generation_wanted(run, unit[0]) > unit[1]
            return done or unit[0] in absent_units(run)
        case "probe":
            return run.recipe is not None
        case "extend":
            return work.isdigit() and int(work) <= run.extended.version
        case "assemble":
            return run.assembled is not None
        case _:
            return run.ending is not None


def forget_settled(run: RunState) -> RunState:
    """Drop setbacks and in-flight commands whose work has its outcome: the state stays small."""
    setbacks = {slot: one for slot, one in run.setbacks.items() if not _settled(run, slot)}
    in_flight = {slot: one for slot, one in run.in_flight.items() if not _settled(run, slot)}
    if len(setbacks) == len(run.setbacks) and len(in_flight) == len(run.in_flight):
        return run
    return replace(run, setbacks=setbacks, in_flight=in_flight)


def _settled(run: RunState, slot: str) -> bool:
    return has_outcome(run, *kind_and_work(slot))


def _stored_again(run: RunState, work: str) -> bool:
    units = [unit_of(part) for part in work.split(",")]
    absent = absent_units(run)
    return all(
        unit is None or unit[0] in absent or run.ready_generations.get(str(unit[0]), 0) >= unit[1]
        for unit in units
    )


def under_way(run: RunState, slot: str) -> bool:
    """Whether an attempt later than the last failed one was sent and is not lost."""
    flight = run.in_flight.get(slot)
    if flight is None or flight.command_id in run.lost:
        return False
    setback = run.setbacks.get(slot)
    return setback is None or setback.attempt < flight.attempt


def is_wanted(run: RunState, slot: str) -> bool:
    """Whether anybody still waits for this work: what a recipe that was replaced would make is not missed."""
    kind, work = kind_and_work(slot)
    unit = unit_of(work)
    return kind != "encode" or unit is None or succession.wants(run, unit[0], recipe_in(work))


def given_up(run: RunState, slot: str) -> Failure | None:
    """Return why no further attempt will be made at this work; None if one is under way or may follow."""
    if under_way(run, slot) or not is_wanted(run, slot):
        return None
    kind, work = kind_and_work(slot)
    setback, flight = run.setbacks.get(slot), run.in_flight.get(slot)
    if setback is not None and exhausted(kind, work, setback):
        return setback.failure
    if flight is not None and flight.attempt >= MAX_LOSSES and not is_tombstone(kind, work):
        return Failure(
            category=Category.INTERNAL,
            message=f"The work {kind} was taken {flight.attempt} times and never answered.",
            action="Look at the workers' logs and the dead letters, then retry the job.",
        )
    return None
