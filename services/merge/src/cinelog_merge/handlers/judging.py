"""Gathers what was measured while the result was encoded."""

from cinelog_common.contract.commands import AssembleOutput
from cinelog_common.contract.quality import RenditionQuality

from cinelog_merge.domain.judging import Measured, judged, warnings_of
from cinelog_merge.domain.presentation import strands
from cinelog_merge.handlers.library import Library


async def judgement(
    library: Library, command: AssembleOutput
) -> tuple[tuple[RenditionQuality, ...], tuple[str, ...]]:
    """Return how each rendition turned out, and warnings; nothing if nobody asked.

    Raises:
        TransientError: A sidecar is not there yet, or the store does not answer.
        PermanentError: A sidecar is broken.
    """
    goal = command.quality
    if goal is None or command.recipe is None:
        return (), ()
    measured = [
        Measured(
            name=strand.name,
            sidecars=tuple(await library.sidecars(strand, command.extent, job=command.job, run=command.run)),
        )
        for strand in strands(command.recipe, ())
    ]
    found = judged(measured, goal, command.source_bytes)
    return found, warnings_of(found, [one.name for one in measured], goal)
