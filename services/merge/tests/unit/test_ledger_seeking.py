"""Seeks go back to what was lost and are held up by nobody, and a recovery that hangs says so."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from cinelog_merge.adapters.contiguity import Contiguity
from cinelog_merge.adapters.faust_client import LedgerConsumer
from cinelog_merge.adapters.faust_recovery import MendedRecovery
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.types import TP
from mode import Service

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


class Fetching(Consumer):
    """A consumer that fetches, with Faust's own flow and waits."""

    def __init__(self, committed: dict[TP, int | None]) -> None:
        super().__init__(committed)
        self.app: Any = SimpleNamespace(client_only=False)
        self.can_resume_flow, self.suspend_flow = asyncio.Event(), asyncio.Event()
        self.not_waiting_next_records = asyncio.Event()
        self._active_partitions = set(committed)
        Service.__init__(self)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        return {}


def _recovery() -> MendedRecovery:
    app: Any = SimpleNamespace(conf=SimpleNamespace(stream_recovery_delay=0.0))
    return MendedRecovery(app, {})


async def _let_others_run() -> None:
    """Give everybody as many turns as Faust's waits, which are several tasks deep, take to return."""
    for _ in range(20):
        await asyncio.sleep(0)


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


def test_a_flow_that_is_closed_as_soon_as_it_was_opened_holds_up_no_seek() -> None:
    async def scenario() -> None:
        consumer = Fetching({FRESH: None})
        consumer.stop_flow()
        fetching = asyncio.create_task(consumer._wait_next_records(1.0))
        await _let_others_run()

        consumer.resume_flow()
        await asyncio.sleep(0)
        consumer.stop_flow()
        await _let_others_run()
        async with asyncio.timeout(2.0):
            await consumer.perform_seek()

        assert consumer._thread.sought == {FRESH: 3}
        assert not fetching.done()
        consumer.resume_flow()
        assert await fetching == ({}, {FRESH})

    asyncio.run(scenario())


def test_a_step_of_the_recovery_that_hangs_is_an_error_and_not_its_silent_end() -> None:
    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await _recovery()._wait(asyncio.Event().wait(), timeout=0.01)

    asyncio.run(scenario())


def test_a_changelog_that_brings_nothing_is_given_up_and_one_that_does_is_read_to_its_end() -> None:
    async def scenario() -> None:
        recovery = _recovery()
        recovery.stall_s = 0.05
        ended = asyncio.Event()

        async def read() -> None:
            for offset in range(8):
                await asyncio.sleep(0.02)
                recovery.active_offsets[CHANGELOG] = offset
            ended.set()

        reading = asyncio.create_task(read())
        await recovery._wait(ended.wait())
        await reading
        with pytest.raises(TimeoutError, match="brought nothing"):
            await recovery._wait(asyncio.Event().wait())

    asyncio.run(scenario())


def test_what_a_step_without_a_time_raises_is_raised() -> None:
    async def fail() -> None:
        raise RebalanceAgain

    async def scenario() -> None:
        with pytest.raises(RebalanceAgain):
            await _recovery()._wait(fail())

    asyncio.run(scenario())


def test_a_recovery_that_is_stopped_ends_as_faust_means_it_to() -> None:
    async def scenario() -> None:
        recovery = _recovery()
        recovery._stopped.set()

        with pytest.raises(ServiceStopped):
            await recovery._wait(asyncio.Event().wait(), timeout=60.0)

    asyncio.run(scenario())


def test_a_rebalance_ends_a_step_of_the_recovery_before_its_time() -> None:
    async def scenario() -> None:
        recovery = _recovery()
        recovery.signal_recovery_start.set()

        with pytest.raises(RebalanceAgain):
            await recovery._wait(asyncio.Event().wait(), timeout=60.0)

    asyncio.run(scenario())
