"""The whole service over real sockets, on the in-process broker, a SQLite file and a folder."""

import asyncio
import signal
import socket

import msgspec
import pytest
from cinelog_common.contract.status import JobState, Progress
from cinelog_common.errors import PermanentError, TransientError
from cinelog_gateway.main import build
from cinelog_gateway.settings import Settings
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

SOURCE = {"source": "https://films.example/a.mp4"}


def test_a_job_is_submitted_watched_and_its_result_read_in_parts(node):
    async def scenario():
        async with node() as n, n.client() as http:
            submitted = await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})
            job = submitted.json()["job"]
            assert submitted.status_code == 201
            await n.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(1000) + b"end")

            async with connect(f"ws://{n.address}{submitted.json()['links']['events']}") as watch:
                told = [msgspec.json.decode(await watch.recv())]
                progress = Progress(
                    job=job, run=1, stage="fetch", done=1, total=2, unit="bytes", at_ms=1, subject=""
                )
                await n.ledger.progress(progress)
                told.append(msgspec.json.decode(await watch.recv()))
                await n.ledger.change(job, state=JobState.COMPLETED, fraction=1.0)
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


def test_stopping_ends_watchers_and_stuck_downloads_within_the_deadline(node):
    async def scenario():
        async with node() as n, n.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await n.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(30 << 20))
            async with connect(f"ws://{n.address}/api/v1/jobs/{job}/events") as watch:
                await watch.recv()
                reader, writer = await asyncio.open_connection("127.0.0.1", n.gateway.port)
                path = f"/api/v1/jobs/{job}/files/output/video.mp4"
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {n.address}\r\n\r\n".encode())
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")

                began = asyncio.get_running_loop().time()
                await n.gateway.stop(0.5)
                took_s = asyncio.get_running_loop().time() - began

                assert took_s < 3
                with pytest.raises(ConnectionClosed):
                    await watch.recv()
                writer.transport.abort()

    asyncio.run(scenario())


def test_a_client_that_goes_away_in_the_middle_of_a_file_ends_its_reading(node):
    async def scenario():
        async with node() as n, n.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await n.platform.objects.create(f"jobs/{job}/1/output/video.mp4", bytes(30 << 20))
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
def test_no_address_on_the_wire_leads_out_of_the_readable_folders(node, path):
    async def scenario():
        async with node() as n, n.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            await n.platform.objects.create(f"jobs/{job}/1/source/plan.json", b"{}")
            reader, writer = await asyncio.open_connection("127.0.0.1", n.gateway.port)
            target = path.replace("JOB", job)
            head = f"GET {target} HTTP/1.1\r\nHost: {n.address}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()

            assert answer.startswith(b"HTTP/1.1 404")

    asyncio.run(scenario())


def test_a_foreign_page_cannot_connect(node):
    async def scenario():
        async with node() as n, n.client() as http:
            job = (await http.post("/api/v1/jobs", json=SOURCE)).json()["job"]
            url = f"ws://{n.address}/api/v1/jobs/{job}/events"
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url, origin="https://evil.example"):
                    pass

            assert refused.value.response.status_code == 403

    asyncio.run(scenario())


def test_a_port_that_is_taken_is_named(ground):
    async def scenario():
        async with ground() as g:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
                gateway = build(Settings(port=port), g)
                with pytest.raises(PermanentError, match=f"127.0.0.1:{port}"):
                    await gateway.start()

            assert not gateway.ready()
            await gateway.stop(0)

    asyncio.run(scenario())


def test_signals_and_loggers_are_left_alone(node):
    async def scenario():
        before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
        async with node():
            during = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

        assert during == before

    asyncio.run(scenario())


def test_without_its_topics_the_gateway_says_so_and_leaves_nothing_behind(ground):
    async def scenario():
        async with ground() as g:
            nowhere = msgspec.structs.replace(g, bootstrap="127.0.0.1:1")
            gateway = build(Settings(port=0), nowhere)
            with pytest.raises(TransientError):
                await asyncio.wait_for(gateway.start(), 60)

            assert not gateway.ready()

    asyncio.run(scenario())


def test_what_was_accepted_is_known_and_goes_on_under_the_next_epoch(node):
    async def scenario():
        async with node() as n, n.client() as http:
            first = (await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})).json()
        async with node() as n, n.client() as http:
            (asked_again,) = await n.journal.unfinished()
            second = await http.post("/api/v1/jobs", json=SOURCE, headers={"Idempotency-Key": "k"})
            other = await http.post(
                "/api/v1/jobs", json={**SOURCE, "crf": 30}, headers={"Idempotency-Key": "k"}
            )

            assert asked_again[0].job == first["job"] == second.json()["job"]
            assert other.status_code == 409

    asyncio.run(scenario())
