"""What every request passes first and every answer last: names and origins, sizes, headers, numbers.

Pure ASGI and outside of the framework, so that nothing gets round it.
"""

import asyncio
from collections.abc import Iterable
from email.utils import formatdate

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.metrics import Kind, Metric, Metrics
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinelog_gateway.api.errors import problem
from cinelog_gateway.domain.origins import SAFE_METHODS, Policy, permits_change, permits_host, permits_origin

# Asked by whoever watches the process, under whatever address it has; they tell nothing worth stealing.
_OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_DEFAULTS = (
    # Who opens the address of a film gets a page that the browser makes, and that loads the film again.
    (b"content-security-policy", b"default-src 'none'; media-src 'self'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_AREAS = ("api", "files", "watch", "static", "health", "metrics")

REQUESTS = Metric(
    name="cinelog_gateway_requests_total",
    kind=Kind.COUNTER,
    meaning="HTTP requests answered.",
    when_high="look at the status: 5xx means a server is down, 4xx a client that goes wrong.",
    labels={"method": _METHODS, "status": ("2xx", "3xx", "4xx", "5xx")},
)
SECONDS = Metric(
    name="cinelog_gateway_request_seconds",
    kind=Kind.HISTOGRAM,
    meaning="Time from a request to the head of its answer.",
    when_high="submits wait for the ledger, lists for the documents: look at those.",
    labels={"area": _AREAS},
)


class EdgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is let in, and from whom."""

    policy: Policy
    max_body_bytes: int
    body_timeout_s: float


class Edge:
    """The outermost application."""

    def __init__(self, app: ASGIApp, settings: EdgeSettings, *, clock: Clock, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        metrics.declare(REQUESTS, SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, self._finished(scope, send))
            case "websocket":
                await self._websocket(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        rules, host = self._settings.policy, headers.get("host")
        if permits_host(rules, host) and permits_origin(rules, headers.get("origin"), host):
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        refused = self._refused(scope, headers)
        body: bytes | None = b""
        if refused is None and scope["method"] not in SAFE_METHODS:
            try:
                async with asyncio.timeout(self._settings.body_timeout_s):
                    body = await _whole_body(receive, self._settings.max_body_bytes)
            except TimeoutError:
                refused = 408
            else:
                refused = 413 if body is None else self._wrong_type(headers, body)
            receive = _replayed(body or b"", receive)
        if refused is None:
            await self._app(scope, receive, send)
            return
        answer = problem(refused)
        if refused in {408, 413}:
            answer.headers["Connection"] = "close"  # the rest of the body is not waited for
        await answer(scope, receive, send)

    def _refused(self, scope: Scope, headers: dict[str, str]) -> int | None:
        if scope["path"] in _OPEN_PATHS and scope["method"] in SAFE_METHODS:
            return None
        if not permits_host(self._settings.policy, headers.get("host")):
            return 421
        if scope["method"] in SAFE_METHODS:
            return None
        if not permits_change(self._settings.policy, headers):
            return 403
        length = headers.get("content-length", "0")
        return 413 if not length.isdecimal() or int(length[:20]) > self._settings.max_body_bytes else None

    def _wrong_type(self, headers: dict[str, str], body: bytes) -> int | None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        # A form that a foreign page posts has another type, and a browser asks before it sends this one.
        return 415 if body and kind != "application/json" else None

    def _finished(self, scope: Scope, send: Send) -> Send:
        began = self._clock.monotonic()

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._count(scope, message["status"], self._clock.monotonic() - began)
                message = {**message, "headers": self._with_headers(message.get("headers", ()))}
            await send(message)

        return finish

    def _with_headers(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = list(headers)
        present = {name.lower() for name, _ in headers}
        date = (b"date", formatdate(self._clock.now(), usegmt=True).encode())
        return [
            *headers,
            date,
            *_HEADERS,
            *((name, value) for name, value in _DEFAULTS if name not in present),
        ]

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.add(REQUESTS, 1.0, method=scope["method"], status=f"{status // 100}xx")
        self._metrics.observe(SECONDS, seconds, area=_area(scope["path"]))


def _area(path: str) -> str:
    if path.startswith("/api/"):
        return "files" if "/files/" in path else "api"
    return path.split("/", 2)[1] if path.startswith("/") else ""


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by lower-case name; of several the first, and of several hosts none."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in headers and key in {"host", "origin"}:
            headers[key] = ","  # two of these are an attempt at something; a comma is in no name
        headers.setdefault(key, value.decode("latin-1"))
    return headers


async def _whole_body(receive: Receive, limit: int) -> bytes | None:
    """Return the body; None if it is longer than `limit`."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += bytes(message.get("body", b""))
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
