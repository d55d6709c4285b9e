"""Names, origins, sizes and headers; health and metrics."""

import asyncio

import httpx
import pytest
from cinelog_common.errors import Category, TransientError
from cinelog_gateway.domain.origins import Policy, permits_host, permits_origin, policy

JSON = {"content-type": "application/json"}
BODY = b'{"source": "https://a.example/b.mp4"}'


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8:1", "localhost", "LOCALHOST:8080", "[::1]:80", "films.example"]
)
def test_own_names_are_answered(host):
    assert permits_host(Policy(hosts=frozenset({"films.example"})), host)


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:127.0.0.1",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1,evil.example",
        "[::1",
        "[::2]",
        "10.0.0.1",
        "127.0.0.1:x",
        "127.0.0.1:99999",
        "2130706433",
        "0",
        "localhost evil",
        "::1",
    ],
)
def test_foreign_names_are_not(host):
    assert not permits_host(Policy(hosts=frozenset({"films.example"})), host)


@pytest.mark.parametrize(
    ("listening", "host", "answered"),
    [
        ("0.0.0.0", "192.168.1.7:8080", True),
        ("::", "[fe80::1]:8080", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "films.example", True),
        ("192.168.1.7", "192.168.1.7:8080", True),
        ("192.168.1.7", "192.168.1.8:8080", False),
        ("127.0.0.1", "192.168.1.7", False),
    ],
)
def test_who_listens_on_all_addresses_answers_to_any_of_them_but_to_no_foreign_name(
    listening, host, answered
):
    rules = policy(listening, frozenset({"films.example"}), frozenset())

    assert permits_host(rules, host) == answered


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("https://films.example", "films.example", True),
        ("https://app.example", "127.0.0.1", True),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", False),
        ("http://localhost:8080", "127.0.0.1:8080", False),
        ("null", "127.0.0.1", False),
        ("", "", False),
        ("file://", "", False),
        ("http://", "", False),
        ("chrome-extension://127.0.0.1", "127.0.0.1", False),
        ("http://[", "127.0.0.1", False),
    ],
)
def test_origins(origin, host, allowed):
    assert permits_origin(Policy(origins=frozenset({"https://app.example"})), origin, host) == allowed


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"origin": "http://127.0.0.1:8080"}, 201),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}, 201),
        ({"sec-fetch-site": "none"}, 201),
        ({"origin": "https://app.example", "sec-fetch-site": "cross-site"}, 201),
        ({"content-type": "application/json; charset=utf-8"}, 201),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8080", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:8080", "origin": "http://evil.example:8080"}, 421),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=application/json"}, 415),
        ({"content-type": "text/plain; application/json"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_only_json_from_own_pages_and_programs_is_taken(gateway, headers, status):
    async def scenario():
        async with gateway(origins=frozenset({"https://app.example"})) as g:
            answer = await g.http.post("/api/v1/jobs", content=BODY, headers={**JSON, **headers})

            assert answer.status_code == status
            assert len(g.announced()) == (status == 201)

    asyncio.run(scenario())


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_foreign_page_cannot_give_orders(gateway, verb):
    async def scenario():
        async with gateway() as g:
            job = await g.job()
            answer = await g.http.post(
                f"/api/v1/jobs/{job}/{verb}", headers={"origin": "https://evil.example"}
            )

            assert answer.status_code == 403
            assert len(g.announced()) == 1

    asyncio.run(scenario())


def test_a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not(gateway):
    async def drip():
        for _ in range(70):
            yield b" " * 1024

    async def scenario():
        async with gateway() as g:
            told = await g.http.post("/api/v1/jobs", content=b" " * (65 << 10), headers=JSON)
            untold = await g.http.post("/api/v1/jobs", content=drip(), headers=JSON)
            fits = await g.http.post("/api/v1/jobs", content=BODY + b" " * (64_000), headers=JSON)

            assert (told.status_code, untold.status_code, fits.status_code) == (413, 413, 201)
            assert told.headers["connection"] == "close"
            assert "large" in told.json()["message"]

    asyncio.run(scenario())


@pytest.mark.parametrize("length", ["-1", "x", "9" * 4000, "1e3"])
def test_a_length_that_is_none_is_refused(gateway, length):
    async def scenario():
        async with gateway() as g:
            answer = await g.http.post(
                "/api/v1/jobs", content=BODY, headers={**JSON, "content-length": length}
            )

            assert answer.status_code == 413

    asyncio.run(scenario())


def test_a_body_that_does_not_come_is_not_waited_for(gateway):
    async def scenario():
        async with gateway() as g:
            sent = []
            ever = asyncio.Event()

            async def receive():
                await ever.wait()

            async def send(message):
                sent.append(message)

            scope = {
                "type": "http", "method": "POST", "path": "/api/v1/jobs", "query_string": b"",
                "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            }  # fmt: skip
            await g.app(scope, receive, send)

            assert sent[0]["status"] == 408

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/jobs", 405),
        ("DELETE", "/api/v1/jobs", 405),
        ("OPTIONS", "/api/v1/jobs", 405),
        ("GET", "/docs", 404),
        ("GET", "/api/v1/jobs/", 404),
        ("GET", "/static/../settings.py", 404),
        ("GET", "/static/%2e%2e/settings.py", 404),
        ("GET", "/static/", 404),
    ],
)
def test_every_error_has_one_shape_and_the_same_headers(gateway, method, path, status):
    async def scenario():
        async with gateway() as g:
            request = g.http.build_request(method, "/")
            request.url = request.url.copy_with(raw_path=path.encode())
            answer = await g.http.send(request)

            assert answer.status_code == status
            assert set(answer.json()) == {"category", "message", "action"}
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"

    asyncio.run(scenario())


def test_a_defect_is_told_without_what_it_is(gateway):
    async def scenario():
        async with gateway() as g:

            async def broken(*_):
                raise ZeroDivisionError("the secret")

            g.documents.get = broken
            answer = await g.http.get("/api/v1/jobs/6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001")

            assert answer.status_code == 500
            assert answer.json()["category"] == "internal"
            assert "secret" not in answer.text

    asyncio.run(scenario())


def test_health_and_metrics_answer_under_any_name(gateway):
    async def scenario():
        async with gateway() as g:
            await g.submit()
            for path in ("/health/live", "/health/ready", "/metrics"):
                answer = await g.http.get(path, headers={"host": "10.0.0.7:8080"})
                assert answer.status_code == 200
            ready = (await g.http.get("/health/ready")).json()

            assert ready == {"ready": True, "checks": {"log": "ok", "status": "ok"}}
            assert 'cinelog_gateway_requests_total{method="POST",status="2xx"} 1.0' in answer.text
            assert "cinelog_gateway_request_seconds_bucket" in answer.text

    asyncio.run(scenario())


def test_a_server_that_does_not_answer_makes_the_gateway_unready_and_is_asked_seldom(gateway):
    async def scenario():
        asked = []
        ever = asyncio.Event()

        async def broken():
            asked.append(1)
            raise TransientError("no: at 10.0.0.8", category=Category.DEPENDENCY)

        async with gateway(checks={"log": broken, "objects": ever.wait}) as g:
            answers = await asyncio.gather(*(g.http.get("/health/ready") for _ in range(5)))

            assert {answer.status_code for answer in answers} == {503}
            assert answers[0].json()["checks"] == {
                "log": "does not answer", "objects": "no answer in time", "status": "ok",
            }  # fmt: skip
            assert len(asked) == 1
            g.clock.advance(5)
            await g.http.get("/health/ready")
            assert len(asked) == 2

    asyncio.run(scenario())


def test_a_gateway_that_has_not_read_the_log_is_not_ready(gateway):
    async def scenario():
        async with gateway() as g:
            await g.jobs.stop()
            g.jobs._snapshots._ready.clear()

            answer = await g.http.get("/health/ready")

            assert answer.status_code == 503
            assert answer.json()["checks"]["status"] == "still reading the log"

    asyncio.run(scenario())


def test_the_page_needs_no_inline_script_and_plays_with_what_lies_beside_it(gateway):
    async def scenario():
        async with gateway() as g:
            job = await g.job()
            page = await g.http.get(f"/watch/{job}")
            unknown = await g.http.get("/watch/6f9a4a52-8f5c-5c0e-9d0b-0c1e51090001")

            assert (page.status_code, unknown.status_code) == (200, 404)
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            policy = page.headers["content-security-policy"]
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert "<script>" not in page.text
            assert " style=" not in page.text
            for name, kind in (
                ("watch.js", "javascript"),
                ("watch.css", "css"),
                ("hls.min.js", "javascript"),
            ):
                assert f"/static/{name}" in page.text
                asset = await g.http.get(f"/static/{name}")
                assert asset.status_code == 200
                assert kind in asset.headers["content-type"]
            assert (await g.http.get("/static/hls.LICENSE.txt")).status_code == 200

    asyncio.run(scenario())


def test_two_hosts_are_an_attempt_at_something(gateway):
    async def scenario():
        async with gateway() as g:
            request = httpx.Request(
                "GET",
                "http://127.0.0.1/api/v1/jobs",
                headers=[("host", "127.0.0.1"), ("host", "evil.example")],
            )

            assert (await g.http.send(request)).status_code == 421

    asyncio.run(scenario())
