"""Cancel and retry."""

import asyncio

import pytest
from cinelog_common.contract.events import JobCancelRequested, JobDeleted, JobRequested, JobRetried
from cinelog_common.contract.status import JobState


def test_cancelling_an_open_job_is_announced_and_seen(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=JobState.ENCODING)

            answer = await g.http.post(f"/api/v1/jobs/{job}/cancel")

            assert answer.status_code == 202
            assert answer.json()["state"] == "cancelling"
            assert isinstance(g.ledger.events[-1], JobCancelRequested)

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [JobState.CANCELLING, JobState.CANCELLED])
def test_cancelling_what_is_being_cancelled_changes_nothing(gateway, state):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=state)

            answer = await g.http.post(f"/api/v1/jobs/{job}/cancel")

            assert answer.status_code == 202
            assert len(g.announced()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED])
def test_what_has_ended_otherwise_cannot_be_cancelled(gateway, state):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=state)

            answer = await g.http.post(f"/api/v1/jobs/{job}/cancel")

            assert answer.status_code == 409
            assert state in answer.json()["message"]

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
def test_what_has_ended_is_run_again_as_the_next_run(gateway, state):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=state)

            answer = await g.http.post(f"/api/v1/jobs/{job}/retry")

            assert answer.status_code == 202
            assert (answer.json()["run"], answer.json()["state"]) == (2, "queued")

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.ENCODING, JobState.CANCELLING, JobState.FAILING])
def test_what_is_open_cannot_be_retried(gateway, state):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=state)

            assert (await g.http.post(f"/api/v1/jobs/{job}/retry")).status_code == 409

    asyncio.run(scenario())


@pytest.mark.parametrize("journalled", [False, True])
def test_retries_that_race_mean_the_same_run(gateway, journalled):
    async def scenario():
        async with gateway(journalled=journalled) as g:
            job = await g.job(state=JobState.FAILED)

            answers = await asyncio.gather(*(g.http.post(f"/api/v1/jobs/{job}/retry") for _ in range(6)))

            assert {answer.status_code for answer in answers} <= {202, 409}
            assert {answer.json()["run"] for answer in answers if answer.status_code == 202} == {2}
            assert g.ledger.states[job].run == 2
            assert len({event.id for event in g.ledger.events if isinstance(event, JobRetried)}) == 1

    asyncio.run(scenario())


def test_a_retry_is_journalled_first_and_told_together_with_its_request(gateway):
    async def scenario():
        async with gateway(journalled=True) as g:
            job = await g.job(state=JobState.FAILED)
            already = len(g.ledger.events)

            await g.http.post(f"/api/v1/jobs/{job}/retry")

            entry = await g.journal.entry(job)
            assert entry is not None
            assert entry.run == 2
            assert [type(event) for event in g.ledger.events[already:]] == [JobRequested, JobRetried]

    asyncio.run(scenario())


def test_a_cancellation_is_journalled_although_the_log_is_down(gateway):
    async def scenario():
        async with gateway(journalled=True) as g:
            job = await g.job(state=JobState.ENCODING)
            g.log.down = True
            answer = await g.http.post(f"/api/v1/jobs/{job}/cancel")
            g.log.down = False

            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            entry = await g.journal.entry(job)
            assert entry is not None
            assert entry.cancelled_run == 1

    asyncio.run(scenario())


def test_an_order_that_is_not_seen_to_take_effect_is_still_accepted(gateway):
    async def scenario():
        async with gateway(patience_s=0.05) as g:
            job = await g.job(state=JobState.ENCODING)
            await g.ledger.stop()

            answer = await g.http.post(f"/api/v1/jobs/{job}/cancel")

            assert answer.status_code == 202
            assert answer.json()["state"] == "encoding"

    asyncio.run(scenario())


@pytest.mark.parametrize("verb", ["cancel", "retry"])
@pytest.mark.parametrize("job", ["0" * 36, "6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001", "x", "%00", "..%2f.."])
def test_orders_for_unknown_jobs_find_nothing(gateway, verb, job):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.post(f"/api/v1/jobs/{job}/{verb}")

            assert answer.status_code == 404
            assert set(answer.json()) == {"category", "message", "action"}

    asyncio.run(scenario())


@pytest.mark.parametrize("journalled", [False, True])
def test_an_ended_job_is_deleted_and_then_unknown(gateway, journalled):
    async def scenario():
        async with gateway(journalled=journalled) as g:
            job = await g.job(state=JobState.COMPLETED)

            answer = await g.http.delete(f"/api/v1/jobs/{job}")

            assert answer.status_code == 204
            assert isinstance(g.ledger.events[-1], JobDeleted)
            assert (await g.http.get(f"/api/v1/jobs/{job}")).status_code == 404

    asyncio.run(scenario())


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.ENCODING, JobState.CANCELLING])
def test_what_is_open_cannot_be_deleted(gateway, state):
    async def scenario():
        async with gateway() as g:
            job = await g.job(state=state)

            assert (await g.http.delete(f"/api/v1/jobs/{job}")).status_code == 409

    asyncio.run(scenario())
