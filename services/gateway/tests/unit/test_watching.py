"""The news of a job over its WebSocket."""

import asyncio

import pytest
from cinelog_common.contract.status import JobState, Progress
from cinelog_gateway.testing import WAIT_S

UNKNOWN = "6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001"


def progress(job, done, *, run=1, stage="encode"):
    return Progress(job=job, run=run, stage=stage, done=done, total=100.0, unit="frames", at_ms=int(done))


def test_a_watcher_gets_the_snapshot_then_what_is_new_then_the_end(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as socket:
                await socket.accepted()
                first = await socket.json()
                await g.ledger.progress(progress(job, 5))
                second = await socket.json()
                await g.ledger.change(job, state=JobState.COMPLETED, fraction=1.0)
                third = await socket.json()
                code = await socket.close_code()

            assert (first["type"], first["state"]) == ("status", "encoding")
            assert "ledger" not in first
            assert (second["type"], second["stage"], second["done"]) == ("progress", "encode", 5)
            assert (third["type"], third["state"]) == ("status", "completed")
            assert code == 1000

    asyncio.run(scenario())


def test_a_job_that_has_ended_is_told_once_and_closed(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.FAILED)
            async with g.socket(job) as socket:
                await socket.accepted()

                assert (await socket.json())["state"] == "failed"
                assert await socket.close_code() == 1000

    asyncio.run(scenario())


@pytest.mark.parametrize("job", [UNKNOWN, "x", ".."])
def test_an_unknown_job_is_closed_with_a_code_of_its_own(gateway, job):
    async def scenario():
        async with gateway() as g, g.socket(job) as socket:
            await socket.accepted()

            assert await socket.close_code() == 4404

    asyncio.run(scenario())


def test_a_slow_client_misses_what_was_replaced_but_never_the_end(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as socket:
                await socket.accepted()
                await socket.json()
                socket.hold()
                for n in range(200):
                    await g.ledger.change(job, fraction=n / 1000)
                    await g.ledger.progress(progress(job, n))
                    await g.ledger.progress(progress(job, n, stage="fetch"))
                await g.ledger.change(job, state=JobState.COMPLETED)
                await g.seen(job, lambda status: status["state"] == "completed")
                socket.release()
                told = []
                while not told or told[-1].get("state") != "completed":
                    told.append(await socket.json())

                assert len(told) < 10
                assert await socket.close_code() == 1000

    asyncio.run(scenario())


def test_two_watchers_do_not_wait_for_each_other(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as slow, g.socket(job) as quick:
                for socket in (slow, quick):
                    await socket.accepted()
                    await socket.json()
                slow.hold()
                await g.ledger.change(job, fraction=0.5)

                assert (await quick.json())["fraction"] == 0.5
                assert slow.waiting == 0

    asyncio.run(scenario())


def test_a_client_that_goes_away_is_forgotten_and_what_it_says_means_nothing(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as socket:
                await socket.accepted()
                await socket.json()
                for _ in range(100):
                    socket.say("hello")
                watched = g.jobs.watched

            assert (watched, g.jobs.watched) == (1, 0)

    asyncio.run(scenario())


def test_a_client_that_goes_away_in_the_middle_of_a_send_is_forgotten(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as socket:
                await socket.accepted()
                await socket.json()
                socket.hold()
                await g.ledger.change(job, fraction=0.5)

            assert g.jobs.watched == 0

    asyncio.run(scenario())


def test_watchers_are_counted_and_limited(gateway):
    async def scenario():
        async with gateway(max_watchers=1) as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as first:
                await first.accepted()
                await first.json()
                async with g.socket(job) as second:
                    await second.accepted()
                    assert await second.close_code() == 1013
            async with g.socket(job) as third:
                await third.accepted()
                assert (await third.json())["type"] == "status"

    asyncio.run(scenario())


def test_progress_of_an_earlier_run_or_of_an_ended_job_is_not_told(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING, run=2)
            async with g.socket(job) as socket:
                await socket.accepted()
                await socket.json()
                await g.ledger.progress(progress(job, 1, run=1))
                await g.ledger.progress(progress(job, 2, run=2))

                assert (await socket.json())["done"] == 2

    asyncio.run(scenario())


def test_a_late_watcher_gets_the_latest_progress_at_once(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as first:
                await first.accepted()
                await first.json()
                await g.ledger.progress(progress(job, 7))
                await first.json()
                async with g.socket(job) as second:
                    await second.accepted()
                    await second.json()

                    assert (await second.json())["done"] == 7

    asyncio.run(scenario())


def test_a_watcher_of_a_deleted_job_is_told_and_closed(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job) as socket:
                await socket.accepted()
                await socket.json()
                await g.ledger.drop(job)

                assert (await socket.json())["state"] == "deleted"
                assert await socket.close_code() == 1000

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"host": "evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
def test_a_foreign_page_cannot_watch(gateway, headers):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job, **headers) as socket:
                refused = await socket.message()

            assert (refused["type"], refused["code"]) == ("websocket.close", 1008)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1"},
        {"host": "localhost:8080", "origin": "http://localhost:8080"},
        {"host": "[::1]:8080", "origin": "http://[::1]:8080"},
        {"host": "films.example", "origin": "https://films.example"},
        {"origin": "https://app.example"},
    ],
)
def test_our_own_pages_and_programs_can_watch(gateway, headers):
    async def scenario():
        async with gateway(origins=frozenset({"https://app.example"})) as g:
            job = await g.job(state=JobState.ENCODING)
            async with g.socket(job, **headers) as socket:
                await socket.accepted()

                assert (await socket.json())["job"] == job

    asyncio.run(scenario())


def test_a_store_that_fails_while_a_job_is_looked_up_asks_to_try_again(gateway):
    async def scenario():
        async with gateway() as g:

            async def broken(*_):
                from cinelog_common.errors import Category, TransientError

                raise TransientError("no", category=Category.DEPENDENCY)

            g.documents.get = broken
            async with g.socket(UNKNOWN) as socket:
                await socket.accepted()

                assert await socket.close_code() == 1013

    asyncio.run(asyncio.wait_for(scenario(), WAIT_S))
