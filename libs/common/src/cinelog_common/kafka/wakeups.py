"""Lets a waiting fetch end at once when this process appends to its in-process log.

librdkafka's in-process broker answers a fetch either at once or when its wait is over; an append meanwhile
does not end the wait, so that a record lay there for half the wait on average (250 ms measured), and a wait
short enough to hide that costs several per cent of a core. Here the wait is ours: the broker is asked
without a wait, and if it has nothing, we wait for an append of this process. What others append
is found when the wait is over. Where the last answer said that the log ends where the fetch would begin,
and this process appended nothing since, the broker is not even asked: that was every other request. Real
brokers are left alone.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest

_Send = Callable[..., Awaitable[Any]]
_Wanted = Iterable[tuple[str, Iterable[tuple[int, int, int]]]]
"""Topics, and of each the partitions with the offset to read from and the most bytes."""


class Wakeups:
    """The fetches that wait for one in-process log; safe to use from several threads and loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: set[_Waiter] = set()
        self._appends: Counter[str] = Counter()
        self._ends: dict[str, dict[int, int]] = {}

    def notify(self, topics: Collection[str]) -> None:
        """Wake every fetch that asked for one of these topics, whose ends are no longer known."""
        with self._lock:
            self._appends.update(topics)
            for topic in topics:
                self._ends.pop(topic, None)
            woken = [waiter for waiter in self._waiters if not waiter.topics.isdisjoint(topics)]
        for waiter in woken:
            waiter.wake()

    def is_read(self, wanted: "_Wanted") -> bool:
        """Tell whether each partition is known to end where it would be read from."""
        with self._lock:
            return all(
                self._ends.get(topic, {}).get(partition) == offset
                for topic, partitions in wanted
                for partition, offset, *_ in partitions
            )

    def appends(self, wanted: "_Wanted") -> dict[str, int]:
        """Return how often was appended to these topics, for `note_ends`."""
        with self._lock:
            return {topic: self._appends[topic] for topic, _ in wanted}

    def note_ends(self, response: Any, appends: dict[str, int]) -> None:
        """Remember where the partitions end, unless they were appended to since the broker was asked."""
        with self._lock:
            for topic, partitions in response.topics:
                if self._appends[topic] == appends.get(topic):
                    ends = {partition: end for partition, error, end, *_ in partitions if not error}
                    self._ends.setdefault(topic, {}).update(ends)

    @contextmanager
    def waiter(self, topics: Collection[str]) -> "Iterator[_Waiter]":
        """Watch these topics from now on, so that an append during the fetch itself is not missed."""
        waiter = _Waiter(frozenset(topics))
        with self._lock:
            self._waiters.add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                self._waiters.discard(waiter)


class _Waiter:
    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # its loop is closed: nobody waits any more
            return

    async def wait(self, timeout_s: float) -> bool:
        """Wait until woken, or return False when the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        return True


_LOGS: dict[str, Wakeups] = {}


def register(bootstrap: str) -> None:
    """Say that the broker at this address lives in this process."""
    _LOGS[bootstrap] = Wakeups()


def unregister(bootstrap: str) -> None:
    """Say that the broker at this address is gone."""
    _LOGS.pop(bootstrap, None)


def find(bootstrap: str) -> Wakeups | None:
    """Return the wake-ups of the in-process broker at this address; None for a broker elsewhere."""
    return _LOGS.get(bootstrap)


def fetch_wait_ms(bootstrap: str) -> int:
    """Return how long a fetch may wait for records.

    A resumed partition waits for the fetch that is on its way, so not long; where appends and resumptions
    end the wait, longer, as every fetch costs idle time (six consumers: 0.8 % of a core at 500 ms).
    """
    return 500 if find(bootstrap) is None else 1500


def attach(client: Any, bootstrap: str) -> None:
    """Give an `AIOKafkaClient`, a producer's or consumer's, the wake-ups of a broker in this process."""
    wakeups = find(bootstrap)
    if wakeups is None:
        return
    plain_send: _Send = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            return await _fetch(wakeups, request, lambda: plain_send(node_id, request, **options))
        response = await plain_send(node_id, request, **options)
        if isinstance(request, ProduceRequest):
            wakeups.notify({topic for topic, _ in request._topics})  # noqa: SLF001
        return response

    client.send = send


FETCHER_TIMER_MS = 1_000
"""How long aiokafka's fetcher sleeps when nothing wakes it; its default of 200 costs idle time."""

_NUDGE_S = 0.002


def nudge(consumer: Any) -> None:
    """Make a consumer's fetcher look again, after a seek or a resumption.

    If one of them comes in the same turn of the loop as the end of a request, the fetcher looks before its
    own callback has marked the broker as free, and then sleeps for its whole timer: up to a second at
    every start.
    """

    def look() -> None:
        fetcher = consumer._fetcher  # noqa: SLF001
        if fetcher is not None:
            fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001

    asyncio.get_running_loop().call_later(_NUDGE_S, look)


async def _fetch(wakeups: Wakeups, request: Any, ask: Callable[[], Awaitable[Any]]) -> Any:
    wait_s = request._max_wait_ms / 1000  # noqa: SLF001
    request._max_wait_ms = 0  # noqa: SLF001

    async def look() -> Any:
        appends = wakeups.appends(request.topics)
        response = await ask()
        wakeups.note_ends(response, appends)
        return response

    with wakeups.waiter([topic for topic, _ in request.topics]) as waiter:
        response = None if wakeups.is_read(request.topics) else await look()
        if response is not None and _has_something(response):
            return response
        woken = await waiter.wait(wait_s)
        return await look() if woken or response is None else response


def _has_something(response: Any) -> bool:
    return any(
        partition[1] or partition[-1]  # an error code, or records
        for _, partitions in response.topics
        for partition in partitions
    )
