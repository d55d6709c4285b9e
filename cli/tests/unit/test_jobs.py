"""`cinelog jobs …` against a gateway that answers what it is told."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cinelog.commands import jobs

Call = Callable[..., Any]
JOB = {"job": "j", "state": "encoding", "fraction": 0.5, "title": "A film"}


class FakeGateway:
    """An HTTP server with answers in a row; the last one is given again.

    Attributes:
        asked: (method, path, body, idempotency key) of every request.
        answers: (status, body) to come.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str | None]] = []
        self.answers: list[tuple[int, bytes]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size)) if size else None
                gateway.asked.append((self.command, self.path, body, self.headers.get("Idempotency-Key")))
                status, data = gateway.answers.pop(0) if len(gateway.answers) > 1 else gateway.answers[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - as the server calls them

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, body: object, status: int = 200) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.append((status, data))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    monkeypatch.setenv("CINELOG_SERVER", gateway.url + "/")
    monkeypatch.setattr(jobs, "POLL_S", 0.0)
    yield gateway
    gateway.close()


@pytest.mark.parametrize("typed", ["film.mp4", "./film.mp4", "below/../film.mp4"])
def test_a_path_means_the_file_that_its_user_sees(
    call: Call, gateway: FakeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, typed: str
) -> None:
    gateway.answer(JOB, 201)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").touch()
    (tmp_path / "below").mkdir()

    call("jobs", "submit", typed)

    source = Path(gateway.asked[0][2]["source"])
    assert source.is_absolute()
    assert source.samefile(tmp_path / "film.mp4")


def test_a_source_is_submitted_with_what_was_asked_for(call: Call, gateway: FakeGateway) -> None:
    gateway.answer(JOB, 201)

    said = call("jobs", "submit", "https://a.example", "--height", "720", "--container", "mp4", "--key", "k1")

    assert said.code == 0
    assert json.loads(said.out) == JOB
    (asked,) = gateway.asked
    assert asked == (
        "POST",
        "/api/v1/jobs",
        {"source": "https://a.example", "height": 720, "containers": ["mp4"]},
        "k1",
    )


def test_what_cannot_be_is_refused_before_anybody_is_asked(call: Call, gateway: FakeGateway) -> None:
    said = call("jobs", "submit", "a", "--codec", "vp9", "--container", "hls")

    assert said.code == 2
    assert gateway.asked == []


def test_jobs_are_listed_without_what_their_titles_would_do_to_a_terminal(
    call: Call, gateway: FakeGateway
) -> None:
    gateway.answer({"jobs": [JOB, {"job": "k", "state": "queued", "title": "\x1b[2J"}], "next": None})

    said = call("jobs", "list", "--limit", "7", "--state", "encoding")

    assert said.code == 0
    assert said.out.splitlines()[0] == "j  encoding    50 %  A film"
    assert "\x1b" not in said.out
    assert gateway.asked[0][1] == "/api/v1/jobs?limit=7&state=encoding"


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("show", "j"), ("GET", "/api/v1/jobs/j")),
        (("cancel", "j"), ("POST", "/api/v1/jobs/j/cancel")),
        (("retry", "j"), ("POST", "/api/v1/jobs/j/retry")),
        (("delete", "j"), ("DELETE", "/api/v1/jobs/j")),
        (("show", "../../metrics?x#y"), ("GET", "/api/v1/jobs/..%2F..%2Fmetrics%3Fx%23y")),
    ],
)
def test_one_job_is_asked_for_by_its_id_and_nothing_else(
    call: Call, gateway: FakeGateway, words: tuple[str, ...], asked: tuple[str, str]
) -> None:
    gateway.answer(JOB)

    said = call("jobs", *words)

    assert said.code == 0
    assert gateway.asked[0][:2] == asked


def test_a_job_that_is_deleted_answers_with_nothing(call: Call, gateway: FakeGateway) -> None:
    gateway.answer(b"", 204)

    assert call("jobs", "delete", "j").code == 0


@pytest.mark.parametrize(
    ("state", "code"), [("completed", 0), ("failed", 1), ("cancelled", 1), ("deleted", 1)]
)
def test_a_watched_jobs_end_is_the_exit_code(call: Call, gateway: FakeGateway, state: str, code: int) -> None:
    for status in ({"state": "queued"}, {"state": "queued"}, {"state": state, "fraction": 1}):
        gateway.answer({"job": "j"} | status)

    said = call("jobs", "watch", "j")

    assert said.code == code
    assert json.loads(said.out)["state"] == state
    assert len(said.err.splitlines()) == 2


def test_a_submitted_job_may_be_watched_at_once(call: Call, gateway: FakeGateway) -> None:
    gateway.answer({"job": "j", "state": "queued"}, 201)
    gateway.answer({"job": "j", "state": "completed"})

    said = call("jobs", "submit", "a", "--watch")

    assert said.code == 0
    assert [path for _, path, _, _ in gateway.asked] == ["/api/v1/jobs", "/api/v1/jobs/j"]


@pytest.mark.parametrize(
    ("status", "body", "code", "said_so"),
    [
        (
            404,
            {"category": "invalid_request", "message": "There is no job 'j'.", "action": "List them."},
            2,
            "no job",
        ),
        (409, {"category": "invalid_request", "message": "It has ended.", "action": ""}, 2, "It has ended"),
        (503, {"category": "dependency", "message": "Kafka is out.", "action": "Wait."}, 1, "Kafka is out"),
        (500, {}, 1, "answered 500"),
        (502, b"<html>Bad gateway</html>", 1, "without JSON"),
        (200, b"<html>Hello</html>", 1, "without JSON"),
        (200, b"\xff\xfe", 1, "without JSON"),
        (200, [1, 2], 1, "not as Cinelog does"),
        (200, b"[" * 100_000, 1, "JSON"),
        (418, ["odd"], 2, "answered 418"),
        (404, {"category": "from the future", "message": "No \x1b[2J."}, 2, "No \ufffd"),
    ],
)
def test_every_refusal_is_one_sentence_and_a_code(
    call: Call, gateway: FakeGateway, status: int, body: object, *, code: int, said_so: str
) -> None:
    gateway.answer(body, status)

    said = call("jobs", "show", "j")

    assert said.code == code
    assert said_so in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("body", [{}, {"jobs": 7}, {"jobs": [7]}, {"jobs": [{"job": "j"}]}])
def test_a_list_that_is_none_is_told(call: Call, gateway: FakeGateway, body: object) -> None:
    gateway.answer(body)

    said = call("jobs", "list")

    assert said.code == 1
    assert "not as Cinelog does" in said.err


@pytest.mark.parametrize(
    "server", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://a", "", "http://a b"]
)
def test_a_server_that_is_none_is_told(call: Call, server: str) -> None:
    said = call("jobs", "--server", server, "list")

    assert said.code == 1
    assert "cinelog serve" in said.err
    assert "Traceback" not in said.err


def test_a_gateway_that_starts_again_does_not_end_the_watching(
    call: Call, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answer({"job": "j", "state": "encoding"})
    gateway.answer({"job": "j", "state": "completed"})
    request, calls = jobs.httpx.request, iter(range(100))

    def flaky(*args: Any, **kwargs: Any) -> Any:
        if next(calls) in {1, 2}:
            raise jobs.httpx.ConnectError("refused")
        return request(*args, **kwargs)

    monkeypatch.setattr(jobs.httpx, "request", flaky)

    assert call("jobs", "watch", "j").code == 0
