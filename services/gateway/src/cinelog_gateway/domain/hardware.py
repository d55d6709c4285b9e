"""Which vendors' encoders can be had: proven by a worker that lives, or of a pool that can be woken."""

from collections.abc import Iterable, Mapping

from cinelog_common.contract.options import VENDORS
from cinelog_common.contract.status import WorkerBeat

SILENCE_MS = 15_000
"""A worker that was silent for longer is not counted; as the ledger sees it."""


def vendors(
    beats: Iterable[WorkerBeat], codec: str, *, declared: Mapping[str, int], now_ms: int
) -> frozenset[str]:
    """Return the vendors that can encode `codec` now, or would once their pool is scaled up."""
    live = {
        beat.pool
        for beat in beats
        if now_ms - beat.at_ms <= SILENCE_MS and any(proof.codec == codec for proof in beat.encoders)
    }
    woken = {pool for pool, slots in declared.items() if slots > 0}
    return frozenset((live | woken) & set(VENDORS))
