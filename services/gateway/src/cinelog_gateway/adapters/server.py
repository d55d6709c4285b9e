"""uvicorn inside our own loop: it listens, and leaves signals, logging and the process to us."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import msgspec
import uvicorn
from cinelog_common.errors import Category, PermanentError

_HEADER_BYTES = 32 << 10
_CLIENT_MESSAGE_BYTES = 4096
"""Clients of our WebSockets have nothing to say."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to listen. A port of 0 takes a free one."""

    host: str
    port: int
    max_connections: int
    ping_interval_s: float


class HttpServer:
    """Serves one ASGI application between start and stop."""

    def __init__(self, app: Any, settings: ServerSettings) -> None:
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                ws="websockets-sansio",
                ws_max_size=_CLIENT_MESSAGE_BYTES,
                ws_ping_interval=settings.ping_interval_s,
                ws_ping_timeout=settings.ping_interval_s,
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="warning",
                access_log=False,
                # An address in a header would be believed of whoever connects from this machine.
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=settings.max_connections,
                h11_max_incomplete_event_size=_HEADER_BYTES,
            )
        )
        self._running: asyncio.Task[None] | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self) -> None:
        """Listen.

        Raises:
            PermanentError: The address cannot be listened on.
        """
        sockets = await asyncio.to_thread(_bound, self._settings.host, self._settings.port)
        self.port = sockets[0].getsockname()[1]
        self._running = asyncio.create_task(self._server.serve(sockets), name="gateway-http")
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait((up, self._running), return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._running.done():
            self._running.result()

    async def stop(self, deadline_s: float) -> None:
        """Take no more requests, finish those in hand within the deadline, and break off the rest."""
        running, self._running = self._running, None
        if running is None:
            return
        self._server.end(deadline_s)
        await asyncio.wait((running,))
        for connection in list(self._server.server_state.connections):
            # A client that does not read would keep its connection open for ever.
            connection.transport.abort()
        await asyncio.sleep(0)  # lets them be told, and so forgotten
        running.result()

    @property
    def alive(self) -> bool:
        """Whether it listens."""
        return self._running is not None and not self._running.done()


class _Server(uvicorn.Server):
    """A server that waits for an event instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self, deadline_s: float) -> None:
        """Begin to shut down."""
        # uvicorn says int and passes it on to asyncio, which takes any number.
        self.config.timeout_graceful_shutdown = deadline_s  # type: ignore[assignment]
        self._ending.set()

    async def main_loop(self) -> None:
        """Wait for the end; there are no headers of uvicorn's own that would have to be renewed."""
        self.up.set()
        await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command."""
        yield


def _bound(host: str, port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = dict.fromkeys((family, address) for family, _, _, _, address in found)
        # A free port is one port: only one of a name's addresses can have it.
        for family, address in list(addresses)[: 1 if port == 0 else None]:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.setblocking(False)
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise _cannot_listen(host, port, error) from error
    return sockets


def _cannot_listen(host: str, port: int, error: OSError) -> PermanentError:
    if error.errno == errno.EADDRINUSE:
        return PermanentError(
            f"Something else listens on {host}:{port} already.",
            category=Category.INVALID_REQUEST,
            action="Stop it, or choose another port.",
        )
    return PermanentError(
        f"The gateway cannot listen on {host}:{port}: {error.strerror or error}.",
        category=Category.INVALID_REQUEST,
        action="Choose an address of this machine and a port above 1023.",
    )
