"""Recipes that follow each other in one run, when an encoder stops working in its middle. Pure.

What one recipe has made stays: a later one counts from a unit on. So which recipe counts for a unit
follows from the recipes alone, never from what happens to be encoded.
"""

from cinelog_common.contract.values import Recipe, Value

from cinelog_merge.domain.intervals import IntervalSet
from cinelog_merge.domain.state import Encoded, RunState


class Span(Value, frozen=True, kw_only=True):
    """The units from `first` on and before `end` (None: all that follow) are made by one recipe."""

    first: int
    end: int | None
    recipe: Recipe


def spans(run: RunState) -> tuple[Span, ...]:
    """Return which recipe counts where, in order; none while the first is not known."""
    if run.recipe is None:
        return ()
    begun: list[tuple[int, Recipe]] = [(0, run.recipe.recipe)]
    for step in sorted(run.successors, key=int):
        event = run.successors[step].event
        # A later one counts for all that follow, whatever was chosen for them before.
        begun = [one for one in begun if one[0] < event.since] + [(event.since, event.recipe)]
    ends = [first for first, _ in begun[1:]]
    return tuple(
        Span(first=first, end=end, recipe=recipe)
        for (first, recipe), end in zip(begun, [*ends, None], strict=True)
    )


def last_span(run: RunState) -> Span | None:
    """Return the span of what is still to come; None while no recipe is chosen."""
    return next(reversed(spans(run)), None)


def current(run: RunState) -> Recipe | None:
    """Return the recipe of what is still to come, and of the result; None while none is chosen."""
    last = last_span(run)
    return last.recipe if last is not None else None


def by_hash(run: RunState, recipe: str) -> Recipe | None:
    """Return the recipe of this hash, if it is one of the run's."""
    chosen = [run.recipe] if run.recipe else []
    chosen += [one.event for one in run.successors.values()]
    return next((one.recipe for one in chosen if one.recipe.hash == recipe), None)


def recipe_of(run: RunState, n: int) -> Recipe | None:
    """Return the recipe that counts for unit `n` while it is watched; None while none is chosen."""
    return next((span.recipe for span in reversed(spans(run)) if span.first <= n), None)


def wants(run: RunState, n: int, recipe: str) -> bool:
    """Whether unit `n` is wanted as the recipe of this hash makes it: to be watched, or for the result."""
    return any(one is not None and one.hash == recipe for one in (recipe_of(run, n), current(run)))


def watched(run: RunState) -> IntervalSet:
    """Return the units that are made by the recipe that counts for them."""
    found = IntervalSet()
    for span in spans(run):
        made = run.encoded_as.get(span.recipe.hash, Encoded()).units
        found = found.followed_by(made.between(span.first, span.end))
    return found


def recipes_by_unit(run: RunState) -> dict[str, str]:
    """Return the hash of each recipe by the unit it counts from; empty if there is but one."""
    found = spans(run)
    return {str(span.first): span.recipe.hash for span in found} if len(found) > 1 else {}
