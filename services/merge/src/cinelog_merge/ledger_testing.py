"""Fakes of the ledger's ports, for tests of whatever stands on them."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from cinelog_common.clock import SystemClock
from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka.producer import Producer
from cinelog_common.kafka.records import Partition
from cinelog_common.platform import Platform

from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.state import Place


class FakeJobTable:
    """A `JobTable` in memory.

    Attributes:
        kept: What survives this process, by job.
        ready: Whether its member is ready.
        generation: The group's generation.
        down: While true, nothing can be kept.
    """

    def __init__(self, kept: Mapping[str, bytes] | None = None) -> None:
        self.kept = dict(kept or {})
        self.places: dict[str, Place] = {}
        self.ready = True
        self.generation = 1
        self.down = False

    def get(self, job: str) -> bytes | None:
        """Return what is kept for a job."""
        return self.kept.get(job)

    async def put(self, job: str, state: bytes, *, partition: int, place: Place) -> None:  # noqa: ARG002
        """Keep a state."""
        if self.down:
            raise TransientError("The table is down.", category=Category.DEPENDENCY)
        self.kept[job] = state
        self.places[job] = place

    def owned(self) -> Iterator[tuple[str, bytes]]:
        """Yield every job."""
        yield from list(self.kept.items())


class FakeOffsets:
    """`Offsets` that are what a test says.

    Attributes:
        groups: By group: what it has committed.
        starts: Where the logs start.
        down: While true, nobody answers.
    """

    def __init__(self) -> None:
        self.groups: dict[str, dict[Partition, int]] = {}
        self.starts: dict[Partition, int] = {}
        self.down = False

    async def committed(self, group: str, topics: Collection[str]) -> dict[Partition, int]:
        """Return what a group has committed."""
        self._check_up()
        known = self.groups.get(group, {})
        return {partition: offset for partition, offset in known.items() if partition.topic in topics}

    async def log_starts(self, topics: Collection[str]) -> dict[Partition, int]:
        """Return where the logs of these topics start."""
        self._check_up()
        return {partition: start for partition, start in self.starts.items() if partition.topic in topics}

    def _check_up(self) -> None:
        if self.down:
            raise TransientError("The log is down.", category=Category.DEPENDENCY)


class FixedPools:
    """A view of the pools that never changes."""

    def __init__(self, slots: int = 2) -> None:
        self._pools = Pools(pools={"cpu": Pool(live_slots=slots)})

    def now(self) -> Pools:
        """Return the pools."""
        return self._pools


def bare_platform(bootstrap: str, producer: Producer, folder: Path) -> Platform:
    """Return a platform with a log and without stores, which the ledger never touches."""
    return Platform(
        bootstrap=bootstrap,
        epoch=0,
        producer=producer,
        objects=cast("Any", None),
        documents=cast("Any", None),
        clock=SystemClock(),
        scratch=folder,
        worker=folder.name,
        embedded=False,
        partitions=2,
        pools={"cpu": 1},
    )
