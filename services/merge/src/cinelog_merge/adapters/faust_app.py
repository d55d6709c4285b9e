"""The ledger's stream and table: the one place where Faust runs, inside our own event loop.

Faust gives the partitions of `cinelog.events` together with their share of the
table, and recovers that share from its changelog. Everything else is ours, for
reasons that were measured on faust-streaming 0.15.3:

- Acknowledging: Faust acknowledges an event when its body raises or is cancelled,
  and commits past it. Here an event is acknowledged only after its body returned.
- Holes: a batch that Faust throws away in a rebalance it takes for compacted records, and commits
  past it. Here no event is handled before the ones before it (`contiguity`).
- Writing the changelog: Faust buffers it and may commit without it. Here the record
  is awaited, through the same idempotent producer as everything else.
- Reading it: each value carries the log place it is at, and an older value never
  replaces a newer one, so that a worker that was frozen, lost its partitions and
  wakes up in the middle of a body cannot take a job back in time.
"""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import faust
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.kafka.producer import Producer
from cinelog_common.kafka.records import Record
from loguru import logger

from cinelog_merge.adapters.contiguity import Contiguity
from cinelog_merge.adapters.faust_client import FaustSettings, build_app
from cinelog_merge.adapters.faust_recovery import check_pin
from cinelog_merge.adapters.table_values import frame, unframe
from cinelog_merge.domain.state import Place

Body = Callable[[Record], Awaitable[None]]


class FaustLedger:
    """Feeds one body, one event at a time, and keeps the jobs' states.

    Implements the port `JobTable`.

    Args:
        settings: How to run.
        producer: Started; writes the changelog.
        body: Called for each event of the owned partitions, in the order of each partition. The event is
            acknowledged when it returns. What it raises stops the ledger: nothing is skipped.
    """

    def __init__(self, settings: FaustSettings, producer: Producer, body: Body) -> None:
        check_pin()
        self.settings = settings
        self._producer = producer
        self._body = body
        self._contiguity = Contiguity()
        self._app: Any = None
        self._table: Any = None
        self._starting: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._broken: asyncio.Future[None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to join the group; `ready` tells when events flow. After `stop` it may be called again.

        Raises:
            PermanentError: The folder cannot be made.
        """
        self._broken = asyncio.get_running_loop().create_future()
        self._draining = False
        try:
            self.settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.settings.folder, error) from error
        earlier = self._table
        self._app, self._table = build_app(self.settings, self._consume, self._contiguity)
        if earlier is not None:
            # A log that keeps little may have dropped what is known here; what is newer there replaces it.
            store, known = self._table.data, earlier.data
            store.data.update(known.data)
            store._key_partition.update(known._key_partition)  # noqa: SLF001
        self._app.loop = asyncio.get_running_loop()
        self._app.finalize()
        self._starting = asyncio.create_task(self._run(), name="ledger")

    async def stop(self, drain_s: float = 5.0) -> None:
        """Finish the event in hand within `drain_s`, commit and leave; what did not finish comes again."""
        if self._app is not None:
            self._draining = True
            try:
                async with asyncio.timeout(drain_s):
                    await self._idle.wait()
            except TimeoutError:
                logger.bind(action="ledger.stop").warning("The event in hand is cut off; it will come again.")
            app, self._app = self._app, None
            self._leaving = asyncio.create_task(self._leave(app), name="ledger-leave")
        if self._leaving is not None:
            # Half a departure would leave a thread behind that keeps the process alive.
            await asyncio.shield(self._leaving)

    async def broken(self) -> None:
        """Wait until the stream cannot go on.

        Raises:
            TransientError: It broke; stop it and start it again.
            PermanentError: The body refused an event that must not be skipped.
        """
        if self._broken is not None:
            await asyncio.shield(self._broken)

    @property
    def ready(self) -> bool:
        """Whether partitions are owned, their jobs recovered and their events flowing."""
        app = self._app
        return (
            app is not None
            and not self._draining
            and app.tables.recovery.completed.is_set()
            and not app.rebalancing
            and not self._failed
            and bool(self.partitions())
        )

    @property
    def generation(self) -> int:
        """The group's generation: it changes whenever partitions may have changed hands."""
        return int(self._app.consumer_generation_id) if self._app is not None else -1

    def partitions(self) -> frozenset[int]:
        """Return the partitions of the events that are owned now."""
        if self._app is None or self._app._consumer is None:  # noqa: SLF001
            return frozenset()
        try:
            assigned = self._app.consumer.assignment()
        except faust.exceptions.ConsumerNotStarted:
            return frozenset()
        return frozenset(tp.partition for tp in assigned if tp.topic == self.settings.events)

    def get(self, job: str) -> bytes | None:
        """Return the state kept for a job; see `JobTable`."""
        value = self._table.data.get(job.encode())
        return unframe(value) if value is not None else None

    async def put(self, job: str, state: bytes, *, partition: int, place: Place) -> None:
        """Keep the state of a job; see `JobTable`.

        Raises:
            TransientError: The log does not take it now.
            PermanentError: It is too large.
        """
        key, value = job.encode(), frame(place, state)
        await self._producer.send(self.settings.changelog, value, key=key, partition=partition)
        store = self._table.data
        store.data[key] = value
        # Faust notes the partition of recovered keys only, and so would keep ours when the partition goes.
        store._key_partition[key] = partition  # noqa: SLF001

    def owned(self) -> Iterator[tuple[str, bytes]]:
        """Yield the jobs of the partitions owned now; see `JobTable`."""
        store, mine = self._table.data, self.partitions()
        for key in list(store.data):
            # Read anew for each: events go on while somebody walks through the jobs.
            value = store.data.get(key)
            if value is not None and store._key_partition.get(key) in mine:  # noqa: SLF001
                yield key.decode(), unframe(value)

    @property
    def _failed(self) -> bool:
        return self._broken is not None and self._broken.done()

    async def _run(self) -> None:
        try:
            await self._app.start()
        except CinelogError as error:
            self._fail(error)
        except (OSError, RuntimeError, faust.exceptions.FaustError) as error:
            self._fail(_broken(error))
        await self._app._crashed.wait()  # noqa: SLF001
        self._fail(_broken(self._app.crash_reason))

    async def _consume(self, stream: Any) -> None:
        # Faust acknowledges in a `finally`, after an exception and after being cancelled too.
        stream.enable_acks = False
        async for event in stream.events():
            if self._draining or self._failed:
                await asyncio.Event().wait()
            message, generation = event.message, self.generation
            if not self._contiguity.admits(message.tp, message.offset):
                self._fail(_hole(message))
                continue
            # Acknowledged after the partition went to another member, it would be committed although that
            # member may have recovered the table without it.
            if await self._is_handled(_record(message)) and generation == self.generation:
                event.ack()

    async def _is_handled(self, record: Record) -> bool:
        self._idle.clear()
        try:
            await self._body(record)
        except CinelogError as error:
            self._fail(error)
            return False
        except Exception as error:  # noqa: BLE001 - the edge: Faust would go on with the next event
            logger.opt(exception=error).bind(action="ledger.defect").error("The body raised")
            self._fail(_broken(error))
            return False
        finally:
            self._idle.set()
        return True

    def _fail(self, error: CinelogError) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)
            self._broken.exception()  # nobody has to ask

    async def _leave(self, app: Any) -> None:
        # The event in hand was waited for, with a deadline; Faust would wait for ever.
        # It has read the setting before, in a rebalance, and reads it again when it stops.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", faust.exceptions.AlreadyConfiguredWarning)
            app.conf.stream_wait_empty = False
        stopping = asyncio.create_task(app.stop())
        done, _ = await asyncio.wait({stopping}, timeout=self.settings.leave_s)
        if not done:
            logger.bind(action="ledger.stop").warning("Leaving the group takes too long; it is given up.")
            stopping.cancel()
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait({self._starting, stopping})


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=round(message.timestamp * 1000) if message.timestamp is not None else 0,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
    )


def _unwritable(folder: Path, error: OSError) -> PermanentError:
    return PermanentError(
        f"The folder {folder} cannot be made: {error.strerror}.",
        category=Category.NOT_WRITABLE,
        action="Set the scratch folder to one that this process may write.",
    )


def _hole(message: Any) -> TransientError:
    return TransientError(
        f"Events are missing before {message.tp.topic}-{message.tp.partition} offset {message.offset}.",
        category=Category.DEPENDENCY,
        action="They are read again by themselves.",
    )


def _broken(reason: BaseException | None) -> TransientError:
    return TransientError(
        f"The ledger's stream broke: {reason!r}.",
        category=Category.DEPENDENCY,
        action="Check that the broker runs and has the topics (`cinelog topics check`); it is started again.",
    )
