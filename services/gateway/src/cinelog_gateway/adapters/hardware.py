"""The heartbeats of `cinelog.workers`, read without a group."""

from collections.abc import Mapping

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.contract import topics
from cinelog_common.contract.status import WorkerBeat
from cinelog_common.kafka.compacted import ReaderSettings
from cinelog_common.kafka.records import Record

from cinelog_gateway.adapters.jobs import ReaderMaker
from cinelog_gateway.domain import hardware

_MAX_WORKERS = 10_000


class LogHardware:
    """The port `Hardware` over the heartbeats."""

    def __init__(
        self, bootstrap: str, clock: Clock, *, declared: Mapping[str, int], reader: ReaderMaker
    ) -> None:
        self._clock = clock
        self._declared = dict(declared)
        self._beats: dict[str, WorkerBeat] = {}
        self._reader = reader(
            ReaderSettings(bootstrap=bootstrap, topics=(topics.WORKERS,), client_id="gateway-workers"),
            self._take,
        )

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            TransientError: No broker answers, or the topic is missing.
        """
        await self._reader.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._reader.stop()

    def vendors(self, codec: str) -> frozenset[str] | None:
        """Return the vendors that have proven an encoder of `codec`, or that can be woken."""
        if not self._reader.ready:
            return None
        now_ms = int(self._clock.now() * 1000)
        return hardware.vendors(self._beats.values(), codec, declared=self._declared, now_ms=now_ms)

    async def _take(self, record: Record) -> None:
        worker = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            self._beats.pop(worker, None)
            return
        self._beats[worker] = msgspec.json.decode(record.value, type=WorkerBeat)
        if len(self._beats) > _MAX_WORKERS:
            self._beats.pop(next(iter(self._beats)))
