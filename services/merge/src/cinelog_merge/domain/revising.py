"""Where the plan is revised: units whose packets do not yield the pictures that they should. Pure.

Either the store gave back other bytes, or the source cannot be decoded from where the unit begins,
or it is damaged there. The first two are mended in one way: the unit is stored again, in a new
generation, with all packets from where decoding is known to show everything: where that of the unit
before it began, once that one is encoded. Whoever decodes from there passes through the unit before,
which came out right, so what is missing then is missing in a decode of the whole source too: damage,
and the run fails with what transcode said of it. So a unit is revised once.

What is published stays. Neighbours that are broken too are held by the first of them, and after some
revisions ever more of those that follow; but never one that was encoded, and only what is encoded is
ever published.
"""

from collections.abc import Iterable, Iterator

from cinelog_common.contract.events import PlanRevised
from cinelog_common.contract.values import Failure, Hold
from cinelog_common.errors import Category

from cinelog_merge.domain import outcomes
from cinelog_merge.domain.state import MAX_REVISIONS, LedgerState, RunState

FREE_REVISIONS = 4
"""So many hold no more than what is broken; each further one may hold twice as many units."""
_NOT_ALONE = "could not be decoded alone: the source is not split there."
FAILURE = Failure(
    category=Category.DAMAGED,
    message=f"The source cannot be decoded from more than {MAX_REVISIONS} of the places where it was cut.",
    action="Check that the source plays to its end, or get it again.",
)


def due(state: LedgerState) -> tuple[PlanRevised, ...]:
    """Return the revisions that are to be told: told again, they say the same or change nothing."""
    run = state.current
    return tuple(
        PlanRevised(
            job=state.job,
            run=state.run,
            # One for each unit, so that whoever tells it again gives it the same number.
            revision=first + 1,
            first=first,
            last=last,
            generation=run.wanted_generations[str(first)],
            since=_begin(run, first - 1) if first else 0,
        )
        for first, last in _due(run)
    )


def is_exhausted(run: RunState) -> bool:
    """Whether more of the plan would have to be revised than may be."""
    return len(run.revisions) >= MAX_REVISIONS and bool(_unrevised(run))


def to_store_again(run: RunState) -> dict[str, int]:
    """Return the units that a revision wants to be stored: their number and generation."""
    return {n: generation for n, generation in outcomes.broken_units(run).items() if n in run.revisions}


def holds(run: RunState, units: Iterable[str]) -> tuple[Hold, ...]:
    """Return what each of `units` is to hold."""
    revised = ((int(n), run.revisions[n]) for n in sorted(units, key=int))
    return tuple(Hold(n=n, last=one.last, since=one.since) for n, one in revised)


def warnings_of(run: RunState) -> tuple[str, ...]:
    """Return what the user should know of the revisions that count."""
    absent = outcomes.absent_units(run)
    held = [first for first in sorted(map(int, run.revisions)) if first not in absent]
    if not held:
        return ()
    named = [_named(first, run.revisions[str(first)].last) for first in held]
    if len(held) == 1 and run.revisions[str(held[0])].last == held[0]:
        return (f"Segment {named[0]} {_NOT_ALONE}",)
    listed = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
    return (f"Segments {listed} {_NOT_ALONE}",)


def _named(first: int, last: int) -> str:
    return str(first + 1) if first == last else f"{first + 1} to {last + 1}"


def _due(run: RunState) -> Iterator[tuple[int, int]]:
    """Yield the first and the last unit of each revision."""
    if not outcomes.is_fetched(run) or len(run.revisions) >= MAX_REVISIONS:
        return
    broken = _unrevised(run)
    held = -1
    for first in sorted(broken):
        if first <= held:
            continue
        held = _last(run, first, broken)
        if not first or outcomes.is_encoded(run, _holder(run, first - 1)):
            yield first, held


def _unrevised(run: RunState) -> frozenset[int]:
    return frozenset(int(n) for n in outcomes.broken_units(run) if n not in run.revisions)


def _last(run: RunState, first: int, broken: frozenset[int]) -> int:
    assert run.source is not None
    if first in run.encoded:
        return first
    reach = first + (1 << max(0, len(run.revisions) - FREE_REVISIONS))
    absent = outcomes.absent_units(run)
    last = first
    while last + 1 < run.source.units and (last + 1 in broken or last + 1 < reach):
        if last + 1 in run.encoded or last + 1 in absent or str(last + 1) in run.revisions:
            break
        last += 1
    return last


def _holder(run: RunState, n: int) -> int:
    """Return the unit that holds the pictures of unit `n`."""
    firsts = (int(first) for first, one in run.revisions.items() if int(first) <= n <= one.last)
    return min(firsts, default=n)


def _begin(run: RunState, n: int) -> int:
    """Return the unit with whose packets the decoding of unit `n` begins."""
    holder = _holder(run, n)
    revision = run.revisions.get(str(holder))
    return holder if revision is None else revision.since
