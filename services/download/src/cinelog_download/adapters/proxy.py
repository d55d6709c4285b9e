"""A filtering HTTP proxy on loopback, so that yt-dlp's own requests obey our address policy.

It looks a name up once, judges the addresses and connects to what it judged.
Only who knows a session's token may use it; each session is bounded in bytes.
"""

import asyncio
import base64
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from cinelog_common.errors import CinelogError
from loguru import logger

from cinelog_download.adapters.names import RefusedAddressError, resolve_allowed
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.locations import check_literal, plain_host, refused, web_location

_MAX_HEAD_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024
_IDLE_S: Final = 60.0
_AUTHORITY: Final = re.compile(r"^(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]@/]+)):(\d{1,5})$")
_NOT_PASSED_ON: Final = frozenset(
    {"proxy-authorization", "proxy-connection", "connection", "keep-alive", "host"}
)


class ProxySession:
    """One user of the proxy.

    Attributes:
        refusals: What policy refused it, in order.
        exhausted: Whether it has used up its bytes.
    """

    def __init__(self, token: str, port: int, most_bytes: int) -> None:
        self._token = token
        self._port = port
        self._left = most_bytes
        self.refusals: list[CinelogError] = []
        self.exhausted = False

    @property
    def url(self) -> str:
        """The proxy's address with this session's credentials."""
        return f"http://cinelog:{self._token}@127.0.0.1:{self._port}"

    def spend(self, count: int) -> bool:
        """Take `count` bytes from what the session may still read; False when there is nothing left."""
        self._left -= count
        self.exhausted = self.exhausted or self._left < 0
        return not self.exhausted


class FilteringProxy:
    """Serves CONNECT and plain HTTP requests on a loopback port of its own."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._port = 0
        self._sessions: dict[str, ProxySession] = {}
        self._connections: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[ProxySession]:
        """Let somebody use the proxy within this context; it starts to listen when first used."""
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(
                    self._connected, "127.0.0.1", 0, limit=_MAX_HEAD_BYTES
                )
                self._port = self._server.sockets[0].getsockname()[1]
        token = secrets.token_urlsafe(24)
        session = ProxySession(token, self._port, self._policy.page_bytes)
        credentials = base64.b64encode(f"cinelog:{token}".encode()).decode()
        self._sessions[credentials] = session
        try:
            yield session
        finally:
            del self._sessions[credentials]

    async def close(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: one that asyncio makes complains when it is cancelled.
        task = asyncio.create_task(self._answer_one(reader, writer), name="proxy connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if len(self._connections) > self._policy.page_connections:
                await _answer(writer, "503 Service Unavailable", "too many connections")
            else:
                await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
            logger.bind(action="proxy.dropped").debug("A connection was dropped: {}", type(error).__name__)
        finally:
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_IDLE_S):
            head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [
            (name.strip(), value.strip())
            for name, _, value in (line.partition(":") for line in lines[1:])
            if name
        ]
        session = self._session_of(headers)
        if session is None:
            await _answer(writer, "407 Proxy Authentication Required", "unknown token")
            return
        try:
            host, port, opening = self._destination(method, target, headers)
            upstream = await self._dial(host, port)
        except CinelogError as error:
            session.refusals.append(error)
            await _answer(writer, "403 Forbidden", error.message)
            return
        except (OSError, TimeoutError):
            await _answer(writer, "502 Bad Gateway", "no connection")
            return
        try:
            if opening is None:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream[1].write(opening)
            await _relay((reader, writer), upstream, session)
        finally:
            await _close(upstream[1])

    def _session_of(self, headers: list[tuple[str, str]]) -> ProxySession | None:
        for name, value in headers:
            if name.lower() == "proxy-authorization":
                return self._sessions.get(value.removeprefix("Basic ").strip())
        return None

    def _destination(
        self, method: str, target: str, headers: list[tuple[str, str]]
    ) -> tuple[str, int, bytes | None]:
        """Return host, port and what to send there first: nothing for a tunnel."""
        if method.upper() == "CONNECT":
            match = _AUTHORITY.match(target)
            host = plain_host(match[1] or match[2]) if match else ""
            if match is None or not host or not 0 < int(match[3]) < 65536:
                raise refused("that a page leads to", "its address is malformed")
            check_literal(host, int(match[3]), self._policy.addresses)
            return host, int(match[3]), None
        location = web_location(target, self._policy.addresses)
        parts = urlsplit(location.url)
        path = parts._replace(scheme="", netloc="", path=parts.path or "/").geturl()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in _NOT_PASSED_ON]
        return (
            location.host,
            location.port,
            "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"),
        )

    async def _dial(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(self._policy.connect_timeout_s):
                found = await resolve_allowed(host, port, self._policy.addresses)
                for place in found[:-1]:
                    with contextlib.suppress(OSError):
                        return await asyncio.open_connection(place.address, port, limit=_PIECE_BYTES)
                return await asyncio.open_connection(found[-1].address, port, limit=_PIECE_BYTES)
        except RefusedAddressError as error:
            raise refused(host, f"it leads to a {error.reason} address") from error


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _relay(client: _Streams, upstream: _Streams, session: ProxySession) -> None:
    """Pass bytes both ways until the server's side ends."""
    up = asyncio.create_task(_pump(client[0], upstream[1], None))
    try:
        await _pump(upstream[0], client[1], session)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: ProxySession | None
) -> None:
    while True:
        async with asyncio.timeout(_IDLE_S):
            data = await reader.read(_PIECE_BYTES)
        if not data or (session is not None and not session.spend(len(data))):
            break
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    if status.startswith("407"):
        head += 'Proxy-Authenticate: Basic realm="cinelog"\r\n'
    writer.write(head.encode() + b"\r\n" + body)
    await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
