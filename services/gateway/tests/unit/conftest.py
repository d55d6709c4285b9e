"""One gateway on a log, documents and objects in memory, for each test that asks for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cinelog_common.announcer import Announcer
from cinelog_common.clock import ManualClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.journal import Journal
from cinelog_common.kafka.testing import FakeLog, FakeProducer, FakeReader
from cinelog_common.metrics import Metrics
from cinelog_common.objects.ports import ObjectStore
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_gateway.adapters.files import ObjectFiles
from cinelog_gateway.adapters.hardware import LogHardware
from cinelog_gateway.adapters.health import Check, Checks
from cinelog_gateway.adapters.jobs import LogJobs, Reader
from cinelog_gateway.adapters.promises import JournalPromises, LogPromises
from cinelog_gateway.api.app import create_app
from cinelog_gateway.api.edge import EdgeSettings
from cinelog_gateway.api.parts import Parts
from cinelog_gateway.domain.origins import policy
from cinelog_gateway.handlers import Desk, Reach
from cinelog_gateway.testing import WAIT_S, LittleLedger, Socket
from starlette.types import ASGIApp

TOPICS = {topic.name: topic.partitions for topic in topics.topics(partitions=2)}


class Wishes(msgspec.Struct, kw_only=True):
    """How a test wants its gateway."""

    journalled: bool = False
    ledger: bool = True
    patience_s: float = 2.0
    capacity: int = 1000
    max_watchers: int = 8
    objects: ObjectStore | None = None
    declared: Mapping[str, int] = {}
    checks: dict[str, Check] | None = None
    origins: frozenset[str] = frozenset()


class Gateway:
    """A running gateway, and everything round it."""

    def __init__(self, wishes: Wishes) -> None:
        self.log = FakeLog(TOPICS)
        self.clock = ManualClock()
        self.documents = FakeDocumentStore(COLLECTIONS)
        self.objects = wishes.objects or FakeObjectStore()
        self.journal = Journal(self.documents)
        self.metrics = Metrics()
        self.producer = FakeProducer(self.log)

        def reader(settings: Any, take: Any) -> Reader:
            return FakeReader(self.log, settings, take)

        self.ledger = LittleLedger(FakeProducer(self.log), reader)
        self.jobs = LogJobs("", self.documents, capacity=wishes.capacity, reader=reader)
        self.hardware = LogHardware("", self.clock, declared=wishes.declared, reader=reader)
        self.desk = Desk(
            Reach(
                jobs=self.jobs,
                promises=JournalPromises(self.journal) if wishes.journalled else LogPromises(),
                announcer=Announcer(self.producer, service="gateway", clock=self.clock),
                hardware=self.hardware,
                clock=self.clock,
                account="local",
                patience_s=wishes.patience_s,
            )
        )
        checks = {"log": self.answer} if wishes.checks is None else wishes.checks
        parts = Parts(
            desk=self.desk,
            jobs=self.jobs,
            files=ObjectFiles(self.objects),
            health=Checks(self.clock, checks, timeout_s=0.1),
            metrics=self.metrics,
            max_watchers=wishes.max_watchers,
        )
        edge = EdgeSettings(
            policy=policy("127.0.0.1", frozenset({"films.example"}), wishes.origins),
            max_body_bytes=64 << 10,
            body_timeout_s=0.2,
        )
        self.app: ASGIApp = create_app(parts, edge, clock=self.clock)
        # Errors that the application re-raises for the server's log are not what a client sees.
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")

    async def answer(self) -> None:
        pass

    def socket(self, job: str, **headers: str) -> Socket:
        return Socket(self.app, f"/api/v1/jobs/{job}/events", headers)

    async def submit(self, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        document = {"source": "https://films.example/a.mp4", **body}
        return await self.http.post("/api/v1/jobs", json=document, headers=headers)

    async def job(self, **fields: Any) -> str:
        """Submit a job, bring it into a state, and wait until the gateway knows."""
        answer = await self.submit(**fields.pop("body", {}))
        job = str(answer.json()["job"])
        if fields:
            told = await self.ledger.change(job, **fields)
            await self.seen(job, lambda status: status["version"] == list(told.version))
        return job

    async def seen(self, job: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the job's public snapshot is as wanted."""
        async with asyncio.timeout(WAIT_S):
            while True:
                answer = await self.http.get(f"/api/v1/jobs/{job}")
                if answer.status_code == 200 and holds(answer.json()):
                    document: dict[str, Any] = answer.json()
                    return document
                await asyncio.sleep(0)

    async def gone(self, job: str) -> None:
        """Wait until the gateway knows nothing of the job."""
        async with asyncio.timeout(WAIT_S):
            while True:
                if (await self.http.get(f"/api/v1/jobs/{job}")).status_code == 404:
                    return
                await asyncio.sleep(0)

    def announced(self) -> list[str]:
        """Return the ids of the events that the gateway wrote, in order."""
        return [
            dict(record.headers)["ce_id"].decode()
            for record in self.producer.sent
            if record.topic == topics.EVENTS
        ]


@asynccontextmanager
async def running(wishes: Wishes | None = None) -> AsyncIterator[Gateway]:
    """Run a gateway while the context is open."""
    wishes = wishes or Wishes()
    gateway = Gateway(wishes)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(gateway.http.aclose)
        for part in (gateway.jobs, gateway.hardware, *([gateway.ledger] if wishes.ledger else [])):
            await part.start()
            stack.push_async_callback(part.stop)
        yield gateway


@pytest.fixture(name="gateway")
def _gateway() -> Callable[..., contextlib.AbstractAsyncContextManager[Gateway]]:
    """`async with gateway(journalled=True) as g:`"""
    return lambda **wishes: running(Wishes(**wishes))


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"
