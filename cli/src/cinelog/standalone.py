"""Everything in one process without a server: an in-process log, a SQLite file and a folder.

The same services, handlers and agents as in production; only the adapters
differ. The log dies with the process, so what was acknowledged is journalled in
the documents first, and asked for again at the next start under a new epoch.
"""

import asyncio
import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.documents.sqlite import SqliteDocumentStore
from cinelog_common.errors import Category, PermanentError
from cinelog_common.journal import Journal
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.platform import Platform, Service, worker_name

from cinelog.composition import DOOR, standalone_services, sure_maker
from cinelog.settings import StandaloneSettings

PARTITIONS = 2
"""Of every topic: the in-process broker keeps 5 MiB per partition, and one machine needs no more."""


class Standalone:
    """The whole of Cinelog in this process."""

    def __init__(self, settings: StandaloneSettings, *, resuming: bool = False) -> None:
        """`resuming` asks again for every job that was acknowledged and has not ended."""
        self._settings = settings
        self._resuming = resuming
        self._exit = contextlib.AsyncExitStack()
        self._services: Sequence[Service] = ()
        self.platform: Platform
        self.journal: Journal
        self.resumed = 0
        """Jobs that were asked for again."""

    async def start(self) -> None:
        """Start the log, open the stores, start every service, and ask again for what is unfinished.

        Raises:
            PermanentError: The data folder cannot be used, or another process uses it.
            TransientError: Something did not come up.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop(0)
            raise

    async def stop(self, deadline_s: float) -> None:
        """Stop every service within the deadline, then the stores and the log."""
        services, self._services = self._services, ()
        # Whoever gives orders stops first: nobody should begin what nobody will see end.
        ended = await asyncio.gather(
            *(service.stop(deadline_s) for service in services), return_exceptions=True
        )
        # Whatever one of them says, documents and log are closed.
        await self._exit.aclose()
        _raise_first(ended)

    def ready(self) -> bool:
        """Whether every service can do its work."""
        return bool(self._services) and all(service.ready() for service in self._services)

    async def _start(self) -> None:
        data = self._settings.data
        self._exit.enter_context(_only_user(data))
        broker = self._exit.enter_context(
            EmbeddedBroker([(topic.name, topic.partitions) for topic in _topics()])
        )
        documents = await SqliteDocumentStore.open(data / "documents.sqlite", COLLECTIONS)
        self._exit.push_async_callback(documents.close)
        objects = FolderObjectStore(data / "objects")
        self._exit.push_async_callback(objects.close)
        producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
        await asyncio.gather(producer.start(), objects.probe())
        self._exit.push_async_callback(producer.stop)
        self.journal = Journal(documents, sure_maker(self._settings))
        self.platform = Platform(
            bootstrap=broker.bootstrap,
            epoch=await documents.counter("log-epoch"),
            producer=producer,
            objects=objects,
            documents=documents,
            clock=SystemClock(),
            scratch=data / "scratch",
            worker=worker_name("standalone"),
            embedded=True,
            partitions=PARTITIONS,
            journal=self.journal,
        )
        services = standalone_services(self._settings, self.platform)
        await self._start_all([service for service in services if service.name != DOOR])
        if self._resuming:
            # When devices are found, whose work may go on; and before anybody can be asked: a client that
            # repeats its request comes after what was promised.
            self.resumed = await self._resume()
        await self._start_all([service for service in services if service.name == DOOR])

    async def _start_all(self, services: Sequence[Service]) -> None:
        # All have started or failed before the first failure is told: stop() finds none half-started.
        self._services = (*self._services, *services)
        _raise_first(await asyncio.gather(*(service.start() for service in services), return_exceptions=True))

    async def _resume(self) -> int:
        unfinished = await self.journal.unfinished()
        announcer = self.platform.announcer("journal")
        for events in unfinished:
            for event in events:
                await announcer.announce(event)
        return len(unfinished)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop(10)


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result


def _topics() -> tuple[topics.Topic, ...]:
    return topics.topics(partitions=PARTITIONS, pools=topics.POOLS)


@contextlib.contextmanager
def _only_user(data: Path) -> Iterator[IO[bytes]]:
    """Hold the data folder for this process: two would write over each other's documents."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = (data / "lock").open("ab")
    except OSError as error:
        raise PermanentError(
            f"The folder {data} cannot be written: {error.strerror}.",
            category=Category.NOT_WRITABLE,
            action="Choose another folder, or change its permissions.",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PermanentError(
                f"Another cinelog is using {data}.",
                category=Category.NOT_WRITABLE,
                action="Wait until it has finished, or choose another folder.",
            ) from error
        yield lock
