"""When an encoder stops working in the middle of a run: what takes its place, and from where on. Pure."""

from cinelog_common.contract.events import RecipeChosen
from cinelog_common.contract.options import Settled
from cinelog_common.contract.values import Failure, Recipe, VideoInfo
from cinelog_common.errors import Category
from msgspec.structs import replace

from cinelog_merge.domain import outcomes, succession
from cinelog_merge.domain.pools import Pools
from cinelog_merge.domain.recipes import choose_recipe
from cinelog_merge.domain.state import MAX_STEPS, LedgerState, RunState, kind_and_work

_Made = tuple[str, str, str]


_ANY_ENCODER = frozenset({Category.ENCODER_UNAVAILABLE})
_DEVICES = _ANY_ENCODER | {Category.INTERNAL, Category.POISON}
"""A device also hangs or kills its user; what does that to the processor's encoders is the film."""


def has_stopped(run: RunState, slot: str, failure: Failure) -> bool:
    """Whether it is the encoder that does not work, and not the film."""
    kind, work = kind_and_work(slot)
    if kind != "encode":
        return False
    recipe = succession.by_hash(run, outcomes.recipe_in(work))
    device = recipe is not None and recipe.family != "cpu"
    return failure.category in (_DEVICES if device else _ANY_ENCODER)


def stopped(run: RunState) -> dict[int, tuple[Failure, str]]:
    """Return the units that wait for an encoder that does not work any more: why, and the recipe's hash."""
    found = {}
    for slot in sorted(run.setbacks.keys() | run.in_flight.keys()):
        kind, work = kind_and_work(slot)
        unit = outcomes.unit_of(work)
        failure = outcomes.given_up(run, slot) if kind == "encode" else None
        if unit is not None and failure is not None and has_stopped(run, slot, failure):
            found[unit[0]] = (failure, outcomes.recipe_in(work))
    return found


def successor(
    state: LedgerState, settled: Settled, video: VideoInfo, pools: Pools
) -> RecipeChosen | Failure | None:
    """Return the recipe that goes on where an encoder stopped; a failure if none can; None if all work."""
    run = state.current
    units = stopped(run)
    last = succession.current(run)
    if not units or last is None:
        return None
    since = min(units)
    failure, _ = units[since]
    step = 1 + max(map(int, run.successors), default=0)
    failed = succession.recipe_of(run, since)
    broken = any(recipe == last.hash for _, recipe in units.values())
    # Where its place was taken behind this unit already, the same one does this one too.
    follower = _another(run, settled, video, pools) if broken else last
    if follower is None or failed is None or step > MAX_STEPS:
        return failure
    warning = (
        f"The encoder {failed.encoder} stopped working in segment {since}: {failure.message} "
        f"{follower.encoder} goes on from there, and encodes the result as a whole."
    )
    return RecipeChosen(
        job=state.job, run=state.run, recipe=follower, step=step, since=since, warnings=(warning,)
    )


def _another(run: RunState, settled: Settled, video: VideoInfo, pools: Pools) -> Recipe | None:
    """Return a recipe of an encoder that has not failed; None if there is none."""
    tried = [span.recipe for span in succession.spans(run)]
    tried += [one.event.recipe for one in run.successors.values()]
    failed = frozenset(recipe.family for recipe in tried)
    others = Pools(
        pools={name: pool for name, pool in pools.pools.items() if name not in failed},
        active_jobs=pools.active_jobs,
    )
    # Workers of another version may have come; else it is another family's turn.
    for choice in (choose_recipe(settled, video, pools), choose_recipe(settled, video, others)):
        if isinstance(choice, Failure):
            continue
        found = choice.recipe
        renewed = bool(found.version) and _maker(found) not in map(_maker, tried)
        if renewed or found.family not in failed:
            # The same sizes, caps and quality, whatever was found for them.
            return replace(found, renditions=tried[0].renditions)
    return None


def _maker(recipe: Recipe) -> _Made:
    return (recipe.family, recipe.encoder, recipe.version)
