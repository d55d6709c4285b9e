"""`POST /api/v1/jobs`."""

import asyncio

import msgspec
import pytest
from cinelog_common.contract import topics
from cinelog_common.contract.status import EncoderProof, JobState, WorkerBeat
from cinelog_common.ids import job_id_of_key
from cinelog_gateway.testing import WAIT_S


def test_a_submitted_source_comes_back_as_the_ledgers_snapshot(gateway):
    async def scenario():
        async with gateway() as g:
            answer = await g.submit(profile="ladder", title="Ä film")

            assert answer.status_code == 201
            job = answer.json()
            assert answer.headers["location"] == f"/api/v1/jobs/{job['job']}" == job["links"]["self"]
            assert (job["state"], job["profile"], job["title"], job["run"]) == (
                "queued",
                "ladder",
                "Ä film",
                1,
            )
            assert job["source_url"] == "https://films.example/a.mp4"
            assert "ledger" not in job
            assert "secret" not in answer.text

    asyncio.run(scenario())


def test_options_may_stand_beside_the_source_or_below_options_and_the_former_hold(gateway):
    async def scenario():
        async with gateway() as g:
            await g.submit(
                options={"crf": 20, "preset": "slow"}, crf=30, source={"url": "https://a.example/b"}
            )

            requested = g.ledger.events[0]
            assert (requested.options.crf, requested.options.preset) == (30, "slow")
            assert requested.source.url == "https://a.example/b"

    asyncio.run(scenario())


def test_without_a_key_the_same_request_makes_another_job(gateway):
    async def scenario():
        async with gateway() as g:
            first, second = await g.submit(), await g.submit()

            assert (first.status_code, second.status_code) == (201, 201)
            assert first.json()["job"] != second.json()["job"]

    asyncio.run(scenario())


@pytest.mark.parametrize("journalled", [False, True])
def test_the_same_key_and_request_is_the_same_job_and_is_announced_once(gateway, journalled):
    async def scenario():
        async with gateway(journalled=journalled) as g:
            first, second = await g.submit("k", crf=20), await g.submit("k", crf=20)

            assert (first.status_code, second.status_code) == (201, 200)
            assert first.json()["job"] == second.json()["job"] == job_id_of_key("local", "k")
            assert len(g.announced()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("journalled", [False, True])
def test_another_request_under_the_same_key_is_a_conflict(gateway, journalled):
    async def scenario():
        async with gateway(journalled=journalled) as g:
            await g.submit("k", crf=20)
            answer = await g.submit("k", crf=21)

            assert answer.status_code == 409
            assert answer.json()["category"] == "invalid_request"
            assert "another key" in answer.json()["action"]

    asyncio.run(scenario())


@pytest.mark.parametrize("journalled", [False, True])
def test_of_two_requests_racing_under_one_key_one_wins_and_the_other_is_told(gateway, journalled):
    async def scenario():
        async with gateway(journalled=journalled) as g:
            answers = await asyncio.gather(*(g.submit("k", crf=20 + n % 2) for n in range(8)))

            codes = [answer.status_code for answer in answers]
            winners = {answer.json()["fingerprint"] for answer in answers if answer.status_code in {200, 201}}
            assert codes.count(409) == 4
            assert len(winners) == 1
            assert winners == {next(iter(g.ledger.states.values())).fingerprint}

    asyncio.run(scenario())


def test_a_request_whose_key_is_only_in_the_documents_is_known_after_a_restart(gateway):
    async def scenario():
        async with gateway() as g:
            first = (await g.submit("k", crf=20)).json()
            status = g.ledger.states[first["job"]]
        async with gateway() as g:
            body = msgspec.json.decode(
                msgspec.json.encode(msgspec.structs.replace(status, ledger=msgspec.Raw(b"null")))
            )
            await g.documents.put("jobs", status.job, body, status.version)

            same, other = await g.submit("k", crf=20), await g.submit("k", crf=21)

            assert (same.status_code, other.status_code) == (200, 409)
            assert g.announced() == []

    asyncio.run(scenario())


def test_without_the_ledger_the_job_is_accepted_shown_and_can_be_asked_for_again(gateway):
    async def scenario():
        async with gateway(ledger=False, patience_s=0.05) as g:
            first = await g.submit("k")
            shown = await g.http.get(first.json()["links"]["self"])
            second = await g.submit("k")

            assert (first.status_code, shown.status_code, second.status_code) == (202, 200, 202)
            assert shown.json()["state"] == "queued"
            first_id, second_id = g.announced()
            assert first_id == second_id

    asyncio.run(scenario())


def test_another_request_cannot_overtake_one_that_was_accepted(gateway):
    async def scenario():
        async with gateway(ledger=False, patience_s=0.05) as g:
            await g.submit("k", crf=20)

            assert (await g.submit("k", crf=21)).status_code == 409
            assert len(g.announced()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://me:secret@films.example:8443/a?key=1", "https://films.example:8443/a?key=1"),
        ("https://films.example/a@b?c=@d", "https://films.example/a@b?c=@d"),
        ("/home/me/a@b.mp4", "/home/me/a@b.mp4"),
    ],
)
@pytest.mark.parametrize("ledger", [True, False])
def test_a_password_in_the_source_is_fetched_with_and_never_shown(gateway, source, shown, ledger):
    async def scenario():
        async with gateway(ledger=ledger, patience_s=0.05 if not ledger else 2.0) as g:
            answer = await g.submit(source=source)

            assert answer.json()["source_url"] == shown
            assert not ledger or g.ledger.events[0].source.url == source

    asyncio.run(scenario())


def test_what_was_accepted_becomes_what_the_ledger_tells(gateway):
    async def scenario():
        async with gateway(ledger=False, patience_s=0.05) as g:
            job = (await g.submit("k")).json()["job"]
            await g.ledger.start()

            told = await g.seen(job, lambda status: status["version"] != [-1, -1])

            assert told["version"] == [1, 1]
            await g.ledger.stop()

    asyncio.run(scenario())


def test_a_promise_is_written_down_before_it_is_announced(gateway):
    async def scenario():
        async with gateway(journalled=True) as g:
            g.log.down = True
            answer = await g.submit("k")
            g.log.down = False

            assert answer.status_code == 503
            assert answer.json()["category"] == "dependency"
            entry = await g.journal.entry(job_id_of_key("local", "k"))
            assert entry is not None

            again = await g.submit("k")
            assert again.status_code == 201

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"crff": 20}, "crff"),
        ({"options": {"presett": "slow"}}, "presett"),
        ({"source": {"url": "https://a.example/", "cookie": "x"}}, "cookie"),
        ({"destination": "/etc"}, "destination"),
        ({"account": "root"}, "account"),
        ({"crf": "20"}, "crf"),
        ({"crf": 20.5}, "crf"),
        ({"crf": True}, "crf"),
        ({"source": 7}, "source"),
        ({"containers": "mp4"}, "containers"),
        ({"title": "x" * 501}, "title"),
        ({"profile": "best"}, "profile"),
        ({"crf": 99}, "crf"),
        ({"codec": "vp9", "containers": ["hls"]}, "vp9"),
        ({"source": "gopher://a.example/"}, "gopher"),
        ({"source": ""}, "source"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_never_announced(gateway, body, named):
    async def scenario():
        async with gateway() as g:
            answer = await g.submit(**body)

            assert answer.status_code == 422
            problem = answer.json()
            assert set(problem) == {"category", "message", "action"}
            assert problem["category"] == "invalid_request"
            assert named in problem["message"]
            assert g.announced() == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[]", 422),
        (b'"https://a.example/"', 422),
        (b"null", 422),
        (b"[" * 60_000, 400),
        (b'{"source": "https://a.example/\\ud800"}', 422),
        (b'{"source": "https://a.example/", "segment_s": NaN}', 422),
        (b'{"source": "https://a.example/", "crf": 1e400}', 422),
        (b'{"source": "https://a.example/", "crf": ' + b"9" * 5000 + b"}", 422),
    ],
)
def test_a_body_that_is_no_request_is_refused_without_a_traceback(gateway, content, status):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.post(
                "/api/v1/jobs", content=content, headers={"content-type": "application/json"}
            )

            assert answer.status_code in {status, 400 if b"9999" in content else status}
            assert set(answer.json()) == {"category", "message", "action"}
            assert "Traceback" not in answer.text
            assert len(answer.content) < 2000

    asyncio.run(scenario())


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut".encode().decode("latin-1")])
def test_an_unsound_key_is_refused(gateway, key):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.post(
                "/api/v1/jobs",
                json={"source": "https://a.example/"},
                headers=[("Idempotency-Key", key.encode("latin-1"))],
            )

            assert answer.status_code == 422

    asyncio.run(scenario())


def test_required_hardware_that_no_worker_has_proven_is_refused_and_what_one_has_is_not(gateway):
    async def beat(g, encoders):
        now_ms = int(g.clock.now() * 1000)
        proofs = tuple(EncoderProof(encoder=f"{c}_nvenc", codec=c, version="1") for c in encoders)
        beat = WorkerBeat(worker="w", role="transcode", at_ms=now_ms, pool="nvidia", slots=1, encoders=proofs)
        await g.producer.send(topics.WORKERS, msgspec.json.encode(beat), key=b"w")

    async def scenario():
        async with gateway() as g:
            before = await g.submit(hardware="require", vendor="nvidia")
            await beat(g, ["h264"])
            async with asyncio.timeout(WAIT_S):
                while g.hardware.vendors("h264") != {"nvidia"}:  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0)
            proven = await g.submit(hardware="require", vendor="nvidia")
            other = await g.submit(hardware="require", codec="hevc")
            g.clock.advance(60)
            silent = await g.submit(hardware="require", vendor="nvidia")

            assert proven.status_code == 201
            assert (before.status_code, other.status_code, silent.status_code) == (422, 422, 422)
            assert "nvidia" in before.json()["message"]
            assert "doctor" in before.json()["action"]

    asyncio.run(scenario())


def test_hardware_of_a_declared_pool_may_be_required_while_nobody_is_there(gateway):
    async def scenario():
        async with gateway(declared={"intel": 4, "amd": 0}) as g:
            assert (await g.submit(hardware="require", vendor="intel")).status_code == 201
            assert (await g.submit(hardware="require", vendor="amd")).status_code == 422

    asyncio.run(scenario())


def test_a_key_of_a_deleted_job_is_not_taken_for_a_new_one(gateway):
    async def scenario():
        async with gateway() as g:
            job = (await g.submit("k")).json()["job"]
            await g.ledger.change(job, state=JobState.DELETED)
            await g.gone(job)

            assert (await g.submit("k")).status_code == 409

    asyncio.run(scenario())
