"""A gateway on the in-process broker, a SQLite file and a folder, over real sockets."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.documents.sqlite import SqliteDocumentStore
from cinelog_common.journal import Journal
from cinelog_common.kafka.compacted import CompactedReader
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.platform import Platform
from cinelog_gateway.main import GatewayService, build
from cinelog_gateway.settings import Settings
from cinelog_gateway.testing import LittleLedger
from msgspec.structs import replace

TOPICS = [(topic.name, 2) for topic in topics.topics(partitions=2)]


class Node:
    """A platform with a gateway on it."""

    def __init__(self, platform: Platform, settings: Settings) -> None:
        self.platform = platform
        self.journal = Journal(platform.documents)
        built = build(settings, replace(platform, journal=self.journal))
        assert isinstance(built, GatewayService)
        self.gateway = built
        self.ledger = LittleLedger(platform.producer, CompactedReader, bootstrap=platform.bootstrap)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.gateway.port}"

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{self.address}", timeout=10)


@contextlib.asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[Platform]:
    async with contextlib.AsyncExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(TOPICS))
        documents = await SqliteDocumentStore.open(folder / "documents.sqlite", COLLECTIONS)
        stack.push_async_callback(documents.close)
        producer = Producer(ProducerSettings(bootstrap=broker.bootstrap))
        await producer.start()
        stack.push_async_callback(producer.stop)
        yield Platform(
            bootstrap=broker.bootstrap,
            epoch=1,
            producer=producer,
            objects=FolderObjectStore(folder / "objects", durable=False),
            documents=documents,
            clock=SystemClock(),
            scratch=folder / "scratch",
            worker="test",
            embedded=True,
            partitions=2,
        )


@contextlib.asynccontextmanager
async def running(folder: Path, **settings: object) -> AsyncIterator[Node]:
    async with platform(folder) as ground:
        node = Node(ground, Settings(port=0, **settings))
        await node.ledger.start()
        try:
            await node.gateway.start()
            yield node
        finally:
            await node.gateway.stop(1)
            await node.ledger.stop()


@pytest.fixture(name="node")
def _node(tmp_path: Path):
    """`async with node() as n:`"""
    return lambda **settings: running(tmp_path, **settings)


@pytest.fixture(name="ground")
def _ground(tmp_path: Path):
    """`async with ground() as platform:`"""
    return lambda: platform(tmp_path)
