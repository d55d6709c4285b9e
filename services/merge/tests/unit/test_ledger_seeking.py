"""Where nothing is committed yet the stream goes back to the log's start: what was lost comes again."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from cinelog_merge.adapters.contiguity import Contiguity
from cinelog_merge.adapters.faust_client import LedgerConsumer
from faust.types import TP

FRESH, KNOWN, CHANGELOG = TP("events", 0), TP("events", 1), TP("changelog", 0)


class Thread:
    def __init__(self) -> None:
        self.sought: dict[TP, int] = {}

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        self.sought.update(partitions)


class Consumer(LedgerConsumer):
    """The consumer without Faust round it."""

    def __init__(self, committed: dict[TP, int | None]) -> None:
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._read_offset: Any = defaultdict(lambda: None)
        self._committed_offset: Any = defaultdict(lambda: None)
        self._thread: Any = Thread()
        self._committed = committed
        self.contiguity = Contiguity()

    def assignment(self) -> set[TP]:
        return set(self._committed)

    def _is_changelog_tp(self, tp: TP) -> bool:
        return tp == CHANGELOG

    async def seek_to_committed(self) -> Mapping[TP, int | None]:
        return self._committed

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        return dict.fromkeys(partitions, 3)


def test_a_partition_without_a_commit_is_read_from_its_start_and_no_other_is_moved() -> None:
    consumer = Consumer({FRESH: None, KNOWN: 40, CHANGELOG: None})

    asyncio.run(consumer.perform_seek())

    assert consumer._thread.sought == {FRESH: 3}
    assert not consumer.contiguity.admits(FRESH, 4)
    assert consumer.contiguity.admits(KNOWN, 40)


def test_nothing_is_sought_while_a_fetch_is_under_way() -> None:
    async def scenario() -> None:
        consumer = Consumer({FRESH: None})
        consumer._quiet.clear()
        seeking = asyncio.create_task(consumer.perform_seek())
        await asyncio.sleep(0)

        assert consumer._thread.sought == {}

        consumer._quiet.set()
        await seeking
        assert consumer._thread.sought == {FRESH: 3}

    asyncio.run(scenario())
