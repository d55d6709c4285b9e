"""A web server with faults, for tests: what a source may do to us, on a free port of 127.0.0.1."""

import asyncio
import contextlib
import gzip
import hashlib
import json
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from cinelog_download.domain.intervals import IntervalSet

if TYPE_CHECKING:
    from aiohttp import web

_PIECE_BYTES: Final = 16 * 1024
_PACE_S: Final = 0.02


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How one path answers. The defaults are a sound server's."""

    content_type: str = "video/mp4"
    ranges: bool = True
    total: bool = True
    """False hides the size of the whole in `Content-Range`."""
    most_range_bytes: int | None = None
    """Answer with no more, whatever is asked for."""
    etag: str | None = "by content"
    """None sends none."""
    last_modified: str | None = None
    conditions: bool = True
    """False answers whatever comes with an `If-Range` with the whole."""
    length: bool = True
    """False sends chunks without saying how many."""
    claimed_length: int | None = None
    """A wrong `Content-Length`."""
    status: int | None = None
    """Answer with this and nothing else."""
    statuses: tuple[int, ...] = ()
    """As `status`, for the first so many requests; 200 answers as usual."""
    retry_after: str | None = None
    redirect_to: str | None = None
    gzip: bool = False
    """Compress although nobody asked for it."""
    cut_after: int | None = None
    """Drop the connection after so many bytes of an answer."""
    cuts: int = 1_000_000
    """How many answers are cut."""
    stall_after: int | None = None
    """Send nothing more after so many bytes of an answer, and keep the connection."""
    stalls: int = 1_000_000
    rate_bps: int | None = None
    """Bytes per second of each connection."""
    link_bps: int | None = None
    """Bytes per second of all connections to this path together."""
    delay_s: float = 0.0
    """Before the answer's headers."""
    most_connections: int | None = None
    """Answer further ones with 503."""
    headers: dict[str, str] = {}


class Seen(msgspec.Struct, kw_only=True):
    """One request as the origin saw it."""

    path: str
    headers: dict[str, str]
    at_s: float = 0.0
    """When it came, by a monotonic clock."""
    number: int = 0
    """How many requests there were for this path before."""
    start: int = 0
    sent: int = 0
    """Bytes of the source that were sent for it."""
    status: int = 0


class Origin:
    """Serves `bytes` under paths, each with its behaviour; an asynchronous context."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self._default = behaviour or Behaviour()
        self._files: dict[str, tuple[bytes, Behaviour]] = {}
        self._runner: web.ServerRunner | None = None
        self._port = 0
        self._busy: dict[str, int] = {}
        self._most: dict[str, int] = {}
        self._stopping = asyncio.Event()
        self._moved = asyncio.Condition()
        self._given = 0
        self._most_bytes: int | None = None
        self._free_from: int | None = None
        self.requests: list[Seen] = []
        """Every request, in the order they came."""

    def serve(self, path: str, data: bytes = b"", behaviour: Behaviour | None = None) -> str:
        """Serve `data` at `path` from now on, and return its URL."""
        self._files[path] = (data, behaviour or self._default)
        return self.url(path)

    def serve_page(self, path: str, html: str) -> str:
        """Serve a page and return its URL."""
        return self.serve(path, html.encode(), Behaviour(content_type="text/html; charset=utf-8"))

    def url(self, path: str = "/") -> str:
        """Return the URL of `path`."""
        return f"http://127.0.0.1:{self._port}{path}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def asked(self, path: str) -> list[Seen]:
        """Return the requests for `path`."""
        return [seen for seen in self.requests if seen.path == path]

    def sent(self, path: str) -> int:
        """Return how many bytes were sent for `path`, repeated ones included."""
        return sum(seen.sent for seen in self.asked(path))

    def sent_twice(self, path: str) -> int:
        """Return how many bytes were sent for `path` beyond each byte's first time."""
        distinct = IntervalSet((seen.start, seen.start + seen.sent) for seen in self.asked(path))
        return self.sent(path) - distinct.total

    async def until_sent(self, path: str, count: int) -> None:
        """Wait until `count` bytes were sent for `path`; give it a deadline."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.sent(path) >= count)

    def hold_after(self, count: int, *, free_from: int | None = None) -> None:
        """Send `count` bytes more, of all paths together, and then nothing until `release` is called.

        What lies at `free_from` in its file, or behind it, is sent all the same and not counted.
        """
        self._most_bytes = self._given + count
        self._free_from = free_from

    async def release(self) -> None:
        """Send what was held back, and everything from now on."""
        self._most_bytes = self._free_from = None
        async with self._moved:
            self._moved.notify_all()

    async def _allowance(self, at: int, count: int) -> None:
        """Wait until `count` bytes at `at` of their file may be sent."""
        if self._free_from is not None and at >= self._free_from:
            return
        async with self._moved:
            await self._moved.wait_for(
                lambda: self._most_bytes is None or self._given + count <= self._most_bytes
            )
            self._given += count

    def most_at_once(self, path: str) -> int:
        """Return how many requests for `path` were answered at the same time at most."""
        return self._most.get(path, 0)

    async def __aenter__(self) -> Self:
        from aiohttp import web

        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await self.release()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: "web.BaseRequest") -> "web.StreamResponse":
        from aiohttp import web

        number = len(self.asked(request.path))
        headers, now = dict(request.headers), time.monotonic()
        seen = Seen(path=request.path, headers=headers, at_s=now, number=number)
        self.requests.append(seen)
        if request.path not in self._files:
            seen.status = 404
            return web.Response(status=404)
        data, behaviour = self._files[request.path]
        if behaviour.delay_s:
            await asyncio.sleep(behaviour.delay_s)
        refusal = self._refusal(seen, behaviour)
        if refusal is not None:
            seen.status = refusal.status
            return refusal
        self._busy[request.path] = self._busy.get(request.path, 0) + 1
        self._most[request.path] = max(self._most.get(request.path, 0), self._busy[request.path])
        try:
            return await self._send(request, data, behaviour, seen)
        finally:
            self._busy[request.path] -= 1

    def _refusal(self, seen: Seen, behaviour: Behaviour) -> "web.Response | None":
        from aiohttp import web

        status = behaviour.status
        if seen.number < len(behaviour.statuses) and behaviour.statuses[seen.number] != 200:
            status = behaviour.statuses[seen.number]
        headers = {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
        if (
            behaviour.most_connections is not None
            and self._busy.get(seen.path, 0) >= behaviour.most_connections
        ):
            status = 503
        if behaviour.redirect_to is not None and status is None:
            return web.Response(status=302, headers={"Location": behaviour.redirect_to})
        return None if status is None else web.Response(status=status, headers=headers)

    async def _send(
        self, request: "web.BaseRequest", data: bytes, behaviour: Behaviour, seen: Seen
    ) -> "web.StreamResponse":
        from aiohttp import web

        etag = behaviour.etag
        if etag == "by content":
            etag = f'"{hashlib.blake2b(data, digest_size=6).hexdigest()}"'
        headers = {"Content-Type": behaviour.content_type, **behaviour.headers}
        if etag is not None:
            headers["ETag"] = etag
        if behaviour.last_modified is not None:
            headers["Last-Modified"] = behaviour.last_modified
        if behaviour.gzip:
            data = gzip.compress(data)
            headers["Content-Encoding"] = "gzip"
        start, stop, status = 0, len(data), 200
        condition = request.headers.get("If-Range")
        fits = condition is None or (behaviour.conditions and condition in {etag, behaviour.last_modified})
        if behaviour.ranges and not behaviour.gzip and "Range" in request.headers and fits:
            wanted = _range(request.headers["Range"], len(data))
            if wanted is None:
                seen.status = 416
                return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
            (start, stop), status = wanted, 206
            if behaviour.most_range_bytes is not None:
                stop = min(stop, start + behaviour.most_range_bytes)
            total = len(data) if behaviour.total else "*"
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        response = web.StreamResponse(status=status, headers=headers)
        seen.status, seen.start = status, start
        if behaviour.claimed_length is not None:
            response.content_length = behaviour.claimed_length
        elif behaviour.length:
            response.content_length = stop - start
        else:
            response.enable_chunked_encoding()
        with contextlib.suppress(ConnectionError):
            # Whoever has read enough hangs up.
            await response.prepare(request)
            await self._body(request, response, data[start:stop], seen)
        return response

    async def _body(
        self, request: "web.BaseRequest", response: "web.StreamResponse", data: bytes, seen: Seen
    ) -> None:
        _, behaviour = self._files[seen.path]
        limits = []
        if behaviour.cut_after is not None and seen.number < behaviour.cuts:
            limits.append(behaviour.cut_after)
        stalls = behaviour.stall_after is not None and seen.number < behaviour.stalls
        if behaviour.stall_after is not None and stalls:
            limits.append(behaviour.stall_after)
        stop = min([len(data), *limits])
        step = _PIECE_BYTES
        paced = behaviour.rate_bps or behaviour.link_bps
        if paced is not None:
            step = max(int(paced * _PACE_S), 1)
        for at in range(0, stop, step):
            piece = data[at : min(at + step, stop)]
            await self._allowance(seen.start + at, len(piece))
            await response.write(piece)
            seen.sent += len(piece)
            async with self._moved:
                self._moved.notify_all()
            if paced is not None and at + step < stop:
                rivals = self._busy[seen.path] if behaviour.rate_bps is None else 1
                await asyncio.sleep(_PACE_S * rivals)
        if stalls and stop < len(data):
            await self._stopping.wait()
        claims_more = behaviour.claimed_length is not None and behaviour.claimed_length > len(data)
        if (stop < len(data) or claims_more) and request.transport is not None:
            # What was written is still to arrive: `abort` would throw it away.
            request.transport.close()
        else:
            await response.write_eof()


def video_page(source: str, title: str = "A page with a video") -> str:
    """Return HTML with a video element."""
    kind = "application/x-mpegURL" if source.endswith(".m3u8") else "video/mp4"
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title></head>"
        f'<body><video controls><source src="{source}" type="{kind}"></video></body></html>'
    )


def json_ld_page(source: str, *, title: str, duration_s: int) -> str:
    """Return HTML that describes its video in JSON-LD."""
    document = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": title,
        "contentUrl": source,
        "duration": f"PT{duration_s}S",
        "uploadDate": "2026-01-02",
    }
    script = f'<script type="application/ld+json">{json.dumps(document)}</script>'
    return f"<!DOCTYPE html><html><head><title>{title}</title>{script}</head><body>text</body></html>"


def pattern(size: int, head: bytes = b"\x00\x00\x00\x18ftypisom") -> bytes:
    """Return `size` bytes without repetition that begin as an MP4 does."""
    blocks: Iterable[bytes] = (
        hashlib.blake2b(index.to_bytes(8, "little")).digest() for index in range(size // 64 + 1)
    )
    return (head + b"".join(blocks))[:size]


def _range(value: str, size: int) -> tuple[int, int] | None:
    first, _, last = value.removeprefix("bytes=").partition("-")
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    return (start, stop) if start < stop else None
