"""The ledger's view of who can work: pools that are live, or declared and so can be woken."""

import math
from collections.abc import Iterable, Mapping

from cinelog_common.contract.options import VENDORS
from cinelog_common.contract.status import WorkerBeat
from cinelog_common.contract.values import Value


class Pool(Value, frozen=True, kw_only=True):
    """One vendor's pool of encoders."""

    live_slots: int = 0
    max_slots: int = 0
    """What the pool may scale to; more than zero makes it eligible even while nobody is there."""
    encoders: dict[str, str] = {}
    """Proven encoders and their versions."""
    shallow: frozenset[str] = frozenset()
    """Those of them that some worker proved for 8 bit only: 10-bit work might reach that one."""

    @property
    def eligible(self) -> bool:
        """Whether work sent here will be done."""
        return self.live_slots > 0 or self.max_slots > 0


class Pools(Value, frozen=True, kw_only=True):
    """All pools, and how many jobs share them."""

    pools: dict[str, Pool] = {}
    active_jobs: int = 1

    def window(self, name: str) -> int:
        """Return how many segments of one job may be in flight: 1.5 × slots / active jobs, at least 2."""
        pool = self.pools.get(name, Pool())
        slots = pool.live_slots or pool.max_slots
        return max(2, math.ceil(1.5 * slots / max(1, self.active_jobs)))


def view(
    beats: Iterable[WorkerBeat], *, declared: dict[str, int], now_ms: int, silence_ms: int = 15_000
) -> Pools:
    """Return the pools as the latest heartbeats tell.

    Args:
        beats: The latest heartbeat of each worker.
        declared: By pool: the slots it may scale to.
        now_ms: The time, in milliseconds since the Unix epoch.
        silence_ms: A worker that was silent for longer is not counted.
    """
    slots = dict.fromkeys(declared, 0)
    encoders: dict[str, dict[str, str]] = {name: {} for name in declared}
    shallow: dict[str, set[str]] = {}
    active = 0
    for beat in beats:
        if now_ms - beat.at_ms > silence_ms:
            continue
        active += beat.active_jobs if beat.role == "ledger" else 0
        if beat.pool:
            slots[beat.pool] = slots.get(beat.pool, 0) + beat.slots
            proven = encoders.setdefault(beat.pool, {})
            proven.update({proof.encoder: proof.version for proof in beat.encoders})
            weak = shallow.setdefault(beat.pool, set())
            weak.update(proof.encoder for proof in beat.encoders if not proof.ten_bit)
    pools = {
        name: Pool(
            live_slots=live,
            max_slots=declared.get(name, 0),
            encoders=encoders[name],
            shallow=frozenset(shallow.get(name, ())),
        )
        for name, live in slots.items()
    }
    return Pools(pools=pools, active_jobs=max(1, active))


def vendors(
    beats: Iterable[WorkerBeat], codec: str, *, declared: Mapping[str, int], oldest_ms: int
) -> frozenset[str] | None:
    """Return the vendors that have proven an encoder of `codec` since `oldest_ms`, or that can be woken.

    None while no encoder is heard of at all: then nobody knows yet.
    """
    heard = [beat for beat in beats if beat.encoders and beat.at_ms >= oldest_ms]
    if not heard:
        return None
    live = {beat.pool for beat in heard if any(proof.codec == codec for proof in beat.encoders)}
    woken = {name for name, slots in declared.items() if slots > 0}
    return frozenset((live | woken) & set(VENDORS))
