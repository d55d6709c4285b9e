"""Eight workers on ten minutes of film: times measured here, replayed through the real planner and ledger.

The film goes through the pipeline once, so units and what each took are real. Then the ledger decides anew,
event by event, for eight simulated workers who take the units in the order they were sent and need what was
measured. Efficiency is the work done over what eight workers could have done until the last one ended.
"""

import asyncio
import heapq
import time
from collections import deque
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition
from cinelog.settings import StandaloneSettings
from cinelog.standalone import PARTITIONS, Standalone
from cinelog_common.contract import topics
from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import (
    Event,
    JobCompleted,
    JobFailed,
    JobRequested,
    OutputAssembled,
    RecipeChosen,
    SegmentEncoded,
)
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from cinelog_merge.domain.deciding import Sent, decide, dispatched
from cinelog_merge.domain.folding import apply
from cinelog_merge.domain.pools import Pool, Pools
from cinelog_merge.domain.state import LedgerState, LogTime
from films import footage
from measuring import Row

WORKERS = 8
FILM_S = 600
NEWS_S = 0.02
"""From an encoded unit to the ledger's next decision: what a log on a network takes, generously."""


def workers(folder: Path, _: int) -> list[Row]:
    """Ten minutes of 720p."""
    facts = asyncio.run(_recorded(footage(folder, FILM_S), folder / "workers"))
    encoded = {fact.n: fact for fact in facts if isinstance(fact, SegmentEncoded)}
    told = [fact for fact in facts if not isinstance(fact, (SegmentEncoded, OutputAssembled, JobCompleted))]
    took = _replayed(told, encoded)
    worked = sum(fact.encode_s for fact in encoded.values())
    figure = f"{worked / (WORKERS * took) * 100:.0f} % ({len(encoded)} units, {worked:.0f} s of work)"
    return [(f"{WORKERS} simulated workers on {FILM_S // 60} minutes: efficiency", figure, "≥ 90 %")]


async def _recorded(film: Path, data: Path) -> list[Event]:
    """What the pipeline says of the film, in the order of the log."""
    settings = StandaloneSettings(data=data, allow_private_sources=True, nice=0)
    async with Standalone(settings) as node:
        while not node.ready():
            await asyncio.sleep(0.01)
        job = job_id_of_key("local", str(data))
        consumer = AIOKafkaConsumer(bootstrap_servers=node.platform.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(topics.EVENTS, n) for n in range(PARTITIONS)])
        request = JobRequested(
            job=job,
            source=Source(url=film.as_uri()),
            options=Options(preset="ultrafast", containers=("mp4",)),
        )
        await node.platform.announcer("benchmark").announce(request)
        facts: list[Event] = []
        try:
            async for record in consumer:
                facts.append(open_event(record.headers, record.value))
                assert not isinstance(facts[-1], JobFailed), facts[-1]
                if isinstance(facts[-1], JobCompleted):
                    return facts
        finally:
            await consumer.stop()
    raise AssertionError("the log ended")


class _Ledger:
    """The real `apply` and `decide`, with a log of its own."""

    def __init__(self, pools: Pools) -> None:
        self.state: LedgerState | None = None
        self._offset = 0
        self._pools = pools

    def take(self, fact: Event, now_s: float) -> list[EncodeSegment]:
        """Return the units that are sent because of `fact`."""
        self._offset += 1
        now_ms = int(now_s * 1000) + 1
        self.state = apply(self.state, fact, LogTime(epoch=0, offset=self._offset, append_ms=now_ms))
        decision = decide(self.state, self._pools, now_ms)
        sent = []
        for order in decision.orders:
            self._offset += 1
            sent.append(
                Sent(
                    command_id=order.command.id,
                    kind=order.command.kind,
                    work=order.command.work,
                    attempt=order.command.attempt,
                    topic=order.topic,
                    partition=0,
                    offset=self._offset,
                    at_ms=now_ms,
                )
            )
        self.state = dispatched(self.state, sent)
        units = [order.command for order in decision.orders if isinstance(order.command, EncodeSegment)]
        for event in decision.events:
            units += self.take(event, now_s)
        return units


def _replayed(told: list[Event], encoded: dict[int, SegmentEncoded]) -> float:
    """Return when the last unit is encoded, seconds after all of the source is there."""
    # The same encoder, to its version: the ledger then chooses the recipe that the units were encoded with.
    (recipe,) = [fact.recipe for fact in told if isinstance(fact, RecipeChosen)]
    pool = Pool(live_slots=WORKERS, encoders={recipe.encoder: recipe.version})
    ledger, waiting = _Ledger(Pools(pools={recipe.family: pool})), deque[EncodeSegment]()
    for fact in told:
        waiting += ledger.take(fact, 0.0)
    busy: list[tuple[float, int]] = []
    now, done, ended = 0.0, set[int](), 0.0
    while len(done) < len(encoded):
        while waiting and len(busy) < WORKERS:
            unit = waiting.popleft()
            heapq.heappush(busy, (now + encoded[unit.n].encode_s, unit.n))
        assert busy, "the ledger sends nothing although units are missing"
        now, n = heapq.heappop(busy)
        done.add(n)
        ended = max(ended, now)
        waiting += ledger.take(encoded[n], now + NEWS_S)
    return ended


if __name__ == "__main__":
    import tempfile

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        print(workers(Path(place), 1), f"{time.perf_counter() - began:.0f} s")
