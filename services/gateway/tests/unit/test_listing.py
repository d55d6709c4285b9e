"""`GET /api/v1/jobs` and `GET /api/v1/jobs/{job}`."""

import asyncio

import msgspec
import pytest
from cinelog_common.contract.status import JobState, JobStatus
from cinelog_common.ids import name_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def status(n, *, created=None, state="completed", version=(1, 1)):
    return JobStatus(
        job=name_id("test", n),
        run=1,
        state=state,
        version=version,
        created_ms=n if created is None else created,
    )


async def store(g, one):
    body = msgspec.json.decode(msgspec.json.encode(one))
    await g.documents.put("jobs", one.job, {**body, "created_ms": one.created_ms}, one.version)


async def pages(g, limit, **query):
    """Follow the cursor to the end and return the jobs of all pages."""
    found, after = [], None
    while True:
        parameters = {"limit": limit, **query, **({"after": after} if after else {})}
        answer = await g.http.get("/api/v1/jobs", params=parameters)
        assert answer.status_code == 200
        page = answer.json()
        assert len(page["jobs"]) <= limit
        found.extend((job["job"], job["state"]) for job in page["jobs"])
        after = page["next"]
        if after is None:
            return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stored=st.dictionaries(
        st.integers(0, 30), st.tuples(st.integers(0, 5), st.sampled_from(["completed", "failed"]))
    ),
    told=st.dictionaries(st.integers(0, 30), st.sampled_from(["completed", "encoding", "failed", "deleted"])),
    page=st.tuples(st.integers(1, 7), st.sampled_from([None, "completed", "encoding"])),
)
def test_pages_show_every_job_once_newest_first_as_last_told(gateway, stored, told, page):
    limit, state = page

    async def scenario():
        async with gateway() as g:
            expected = {}
            for n, (created, where) in stored.items():
                one = status(n, created=created, state=where)
                await store(g, one)
                expected[one.job] = one
            for n, where in told.items():
                one = status(n, created=expected.get(name_id("test", n), status(n)).created_ms, state=where)
                expected[one.job] = await g.ledger.tell(msgspec.structs.replace(one, version=(2, n)))
            for one in expected.values():
                if one.job in g.ledger.states and one.state != "deleted":
                    await g.seen(one.job, lambda s, one=one: s["state"] == one.state)
            for n, where in told.items():
                if where == "deleted":
                    await g.gone(name_id("test", n))

            found = await pages(g, limit, **({"state": state} if state else {}))

            shown = [
                one for one in expected.values() if one.state != "deleted" and state in {None, one.state}
            ]
            shown.sort(key=lambda one: (one.created_ms, one.job), reverse=True)
            assert found == [(one.job, one.state) for one in shown]

    asyncio.run(scenario())


def test_a_job_that_no_longer_fits_in_memory_is_read_from_the_documents(gateway):
    async def scenario():
        async with gateway(capacity=3) as g:
            told = [await g.ledger.tell(status(n)) for n in range(6)]
            for one in told:
                await store(g, one)
            for one in told:
                assert (await g.seen(one.job, lambda s: True))["state"] == "completed"

            assert g.jobs.held == 3
            assert len(await pages(g, 2)) == 6

    asyncio.run(scenario())


def test_open_jobs_are_kept_when_ended_ones_can_go(gateway):
    async def scenario():
        async with gateway(capacity=3) as g:
            first = await g.ledger.tell(status(0, state="encoding"))
            for n in range(1, 9):
                last = await g.ledger.tell(status(n))
            await g.seen(last.job, lambda s: True)

            assert (await g.http.get(f"/api/v1/jobs/{first.job}")).json()["state"] == "encoding"

    asyncio.run(scenario())


def test_an_older_snapshot_never_replaces_a_newer_one():
    from cinelog_gateway.domain.board import Board

    board = Board(10)

    taken = [
        board.put(status(1, version=v, state=s))
        for v, s in [((1, 5), "completed"), ((1, 4), "encoding"), ((2, 0), "queued"), ((2, 0), "failed")]
    ]

    assert taken == [True, False, True, False]
    assert board.get(name_id("test", 1)).state == "queued"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.sampled_from(list(JobState)))),
    st.integers(1, 4),
)
def test_a_board_never_holds_more_than_it_may_and_always_the_newest(told, capacity):
    from cinelog_gateway.domain.board import Board

    board = Board(capacity)
    for n, version, state in told:
        board.put(status(n, version=(1, version), state=state))

        assert len(board) <= capacity
        held = board.get(name_id("test", n))
        assert held is None or held.version >= (1, version) or held.state == state


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "after=%00",
        "after=abc",
        "after=" + "a" * 401,
        "after=WzEsMl0",
        "state=" + "x" * 41,
    ],
)
def test_a_wrong_query_is_refused(gateway, query):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.get(f"/api/v1/jobs?{query}")

            assert answer.status_code == 422
            assert set(answer.json()) == {"category", "message", "action"}

    asyncio.run(scenario())


def test_a_broken_record_is_left_out_and_the_reading_goes_on(gateway):
    async def scenario():
        async with gateway() as g:
            for topic in ("cinelog.jobs.status", "cinelog.progress", "cinelog.workers"):
                for value in (b"{", b"[]", b"\xff", None, b"{}"):
                    await g.producer.send(topic, value, key=b"\xff")

            assert (await g.submit()).status_code == 201

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "job", ["6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001", "x", "%2e%2e", "6F9A4A52-8F5C-5C0E-9D0B-0C1E51090001"]
)
def test_an_unknown_job_is_a_404(gateway, job):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.get(f"/api/v1/jobs/{job}")

            assert answer.status_code == 404
            assert answer.json()["category"] == "invalid_request"

    asyncio.run(scenario())
