"""The whole service over real sockets, on the in-process broker, a SQLite file and a folder."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
from cinelog_common.clock import SystemClock
from cinelog_common.collections import COLLECTIONS
from cinelog_common.contract import topics
from cinelog_common.contract.status import JobState, Progress
from cinelog_common.documents.sqlite import SqliteDocumentStore
from cinelog_common.errors import PermanentError, TransientError
from cinelog_common.journal import Journal
from cinelog_common.kafka.compacted import CompactedReader
from cinelog_common.kafka.embedded import EmbeddedBroker
from cinelog_common.kafka.producer import Producer, ProducerSettings
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.platform import Platform
from cinelog_gateway.main import GatewayService, build, build_with_journal
from cinelog_gateway.settings import Settings
from cinelog_gateway.testing import LittleLedger
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

TOPICS = [(topic.name, 2) for topic in topics.topics(partitions=2)]
SOURCE = {"source": "https://films.example/a.mp4"}


class Node:
    """A platform with a gateway on it."""

    def __init__(self, platform: Platform, settings: Settings) -> None:
        self.platform = platform
        self.journal = Journal(platform.documents)
        built = build_with_journal(settings, platform, self.journal)
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


def test_a_job_is_submitted_watched_and_its_result_read_in_parts(tmp_path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            submitted = await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})
            job = submitted.json()["job"]
            assert submitted.status_code == 201
            await node.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(1000) + b"end")

            async with connect(f"ws://{node.address}{submitted.json()['links']['events']}") as watch:
                told = [msgspec.json.decode(await watch.recv())]
                progress = Progress(
                    job=job, run=1, stage="fetch", done=1, total=2, unit="bytes", at_ms=1, subject=""
                )
                await node.ledger.progress(progress)
                told.append(msgspec.json.decode(await watch.recv()))
                await node.ledger.change(job, state=JobState.COMPLETED, fraction=1.0)
                told.append(msgspec.json.decode(await watch.recv()))
                with pytest.raises(ConnectionClosed):
                    await watch.recv()

            assert [(each["type"], each.get("state")) for each in told] == [
                ("status", "queued"),
                ("progress", None),
                ("status", "completed"),
            ]
            assert watch.close_code == 1000
            part = await http.get(f"/api/v1/jobs/{job}/files/output/video.mp4", headers={"Range": "bytes=-3"})
            assert (part.status_code, part.content) == (206, b"end")
            assert (await http.get("/health/ready")).json()["ready"] is True
            assert [one["job"] for one in (await http.get("/api/v1/jobs")).json()["jobs"]] == [job]

    asyncio.run(scenario())


def test_stopping_ends_watchers_and_stuck_downloads_within_the_deadline(tmp_path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await node.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(30 << 20))
            async with connect(f"ws://{node.address}/api/v1/jobs/{job}/events") as watch:
                await watch.recv()
                reader, writer = await asyncio.open_connection("127.0.0.1", node.gateway.port)
                path = f"/api/v1/jobs/{job}/files/output/video.mp4"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {node.address}\r\n\r\n".encode())
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")

                began = asyncio.get_running_loop().time()
                await node.gateway.stop(0.5)
                took_s = asyncio.get_running_loop().time() - began

                assert took_s < 3
                with pytest.raises(ConnectionClosed):
                    await watch.recv()
                writer.transport.abort()

    asyncio.run(scenario())


def test_a_client_that_goes_away_in_the_middle_of_a_file_ends_its_reading(tmp_path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await node.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(30 << 20))
            async with http.stream("GET", f"/api/v1/jobs/{job}/files/output/video.mp4") as answer:
                assert answer.headers["content-length"] == str(30 << 20)

            assert (await http.get("/health/live")).status_code == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs/JOB/files/../../../../../../etc/passwd",
        "/api/v1/jobs/JOB/files/output/../source/plan.json",
        "/api/v1/jobs/JOB/files/output/%2e%2e/source/plan.json",
        "/api/v1/jobs/JOB/files/output/%252e%252e/source/plan.json",
        "/api/v1/jobs/JOB/files/output/..%5csource%5cplan.json",
        "/api/v1/jobs/JOB/files/output/x%00.mp4",
        "/api/v1/jobs/JOB/files//etc/passwd",
        "/static/..%2fmain.py",
        "/static/../main.py",
    ],
)
def test_no_address_on_the_wire_leads_out_of_the_readable_folders(tmp_path, path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await node.platform.objects.create(f"jobs/{job}/1/source/plan.json", b"{}")
            reader, writer = await asyncio.open_connection("127.0.0.1", node.gateway.port)
            target = path.replace("JOB", job)
            head = f"GET {target} HTTP/1.1\r\nHost: {node.address}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()

            assert answer.startswith(b"HTTP/1.1 404")

    asyncio.run(scenario())


def test_a_foreign_page_cannot_connect(tmp_path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            url = f"ws://{node.address}/api/v1/jobs/{job}/events"
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, origin="https://evil.example"):
                    pass

            assert refused.value.response.status_code == 403

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_named(tmp_path):
    async def scenario():
        async with platform(tmp_path) as ground:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
                gateway = build(Settings(port=port), ground)
                with pytest.raises(PermanentError, match=f"127.0.0.1:{port}"):
                    await gateway.start()

            assert not gateway.ready()
            await gateway.stop(0)

    asyncio.run(scenario())


def test_signals_and_loggers_are_left_alone(tmp_path):
    async def scenario():
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        async with running(tmp_path):
            during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

        assert during == before

    asyncio.run(scenario())


def test_without_its_topics_the_gateway_says_so_and_leaves_nothing_behind(tmp_path):
    async def scenario():
        async with platform(tmp_path) as ground:
            nowhere = msgspec.structs.replace(ground, bootstrap="127.0.0.1:1")
            gateway = build(Settings(port=0), nowhere)
            with pytest.raises(TransientError):
                await asyncio.wait_for(gateway.start(), 60)

            assert not gateway.ready()

    asyncio.run(scenario())


def test_what_was_accepted_is_known_and_goes_on_under_the_next_epoch(tmp_path):
    async def scenario():
        async with running(tmp_path) as node, node.client() as http:
            first = (await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})).json()
        async with running(tmp_path) as node, node.client() as http:
            (asked_again,) = await node.journal.unfinished()
            second = await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})
            other = await http.post(
                "/api/v1/jobs", json={**SOURCE, "crf": 30}, headers={"Idempotency-Key": "k"}
            )

            assert asked_again[0].job == first["job"] == second.json()["job"]
            assert other.status_code == 409

    asyncio.run(scenario())
