import asyncio
import base64
from collections.abc import Awaitable, Callable

import msgspec
from cinelog_common.errors import Category
from cinelog_download.adapters.proxy import FilteringProxy, ProxySession
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.testing import Origin

OPEN = FetchPolicy(addresses=AddressPolicy(allow_private=True), connect_timeout_s=2.0)
STRICT = msgspec.structs.replace(OPEN, addresses=AddressPolicy())

Scene = Callable[[Origin, FilteringProxy, ProxySession], Awaitable[None]]


def play(scene: Scene, policy: FetchPolicy = OPEN) -> None:
    async def run() -> None:
        proxy = FilteringProxy(policy)
        try:
            async with Origin() as origin, proxy.session() as session, asyncio.timeout(20):
                await scene(origin, proxy, session)
        finally:
            await proxy.close()

    asyncio.run(run())


async def opened(
    session: ProxySession, *lines: str, token: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    credentials, _, place = session.url.removeprefix("http://").rpartition("@")
    host, _, port = place.partition(":")
    pair = base64.b64encode((token or credentials).encode()).decode()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*lines, f"Proxy-Authorization: Basic {pair}", "", ""]).encode())
    return reader, writer


async def ask(session: ProxySession, *lines: str, token: str | None = None, then: bytes = b"") -> bytes:
    reader, writer = await opened(session, *lines, token=token)
    try:
        writer.write(then)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def test_a_plain_request_is_passed_on_without_our_credentials() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        url = origin.serve("/page", b"hello")

        answer = await ask(session, f"GET {url}?a=1 HTTP/1.1", "Host: elsewhere", "Accept: */*")

        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"hello")
        (seen,) = origin.requests
        assert seen.headers["Host"] == f"127.0.0.1:{origin.port}"
        assert "Proxy-Authorization" not in seen.headers

    play(scene)


def test_a_tunnel_carries_bytes_both_ways() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        origin.serve("/page", b"hello")
        inner = b"GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

        answer = await ask(session, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1", then=inner)

        assert answer.startswith(b"HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200")
        assert answer.endswith(b"hello")

    play(scene)


def test_without_the_token_nothing_is_passed_on() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        url = origin.serve("/page", b"hello")

        answer = await ask(session, f"GET {url} HTTP/1.1", token="cinelog:guessed")

        assert answer.startswith(b"HTTP/1.1 407")
        assert origin.requests == []

    play(scene)


def test_a_token_is_worthless_when_its_session_is_over() -> None:
    async def scene(origin: Origin, proxy: FilteringProxy, _: ProxySession) -> None:
        url = origin.serve("/page", b"hello")
        async with proxy.session() as earlier:
            pass

        answer = await ask(earlier, f"GET {url} HTTP/1.1")

        assert answer.startswith(b"HTTP/1.1 407")

    play(scene)


def test_private_addresses_are_refused_and_the_refusal_is_remembered() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        url = origin.serve("/page", b"hello")
        answers = [
            await ask(session, f"GET {url} HTTP/1.1"),
            await ask(session, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1"),
            await ask(session, f"CONNECT 0x7f.1:{origin.port} HTTP/1.1"),
            await ask(session, f"CONNECT [::ffff:127.0.0.1]:{origin.port} HTTP/1.1"),
            await ask(session, f"CONNECT localhost:{origin.port} HTTP/1.1"),
            await ask(session, "CONNECT 8.8.8.8:22 HTTP/1.1"),
        ]

        assert all(answer.startswith(b"HTTP/1.1 403") for answer in answers)
        assert [error.category for error in session.refusals] == [Category.SOURCE_REFUSED] * 6
        assert origin.requests == []

    play(scene, STRICT)


def test_a_name_is_judged_by_the_address_that_is_connected_to() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        loop = asyncio.get_running_loop()
        real = loop.getaddrinfo

        async def look_up(host: str, port: int, **options: int) -> object:
            return await real("127.0.0.1", port, **options)

        loop.getaddrinfo = look_up  # type: ignore[method-assign, assignment]

        answer = await ask(session, f"CONNECT films.example:{origin.port} HTTP/1.1")

        assert answer.startswith(b"HTTP/1.1 403")
        assert session.refusals[0].category is Category.SOURCE_REFUSED
        assert origin.requests == []

    play(scene, STRICT)


def test_a_session_may_read_only_so_many_bytes() -> None:
    policy = msgspec.structs.replace(OPEN, page_bytes=200_000)

    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        url = origin.serve("/page", bytes(1_000_000))

        answer = await ask(session, f"GET {url} HTTP/1.1")

        assert len(answer) <= 200_000
        assert session.exhausted

    play(scene, policy)


def test_garbage_and_endless_heads_end_the_connection_only() -> None:
    async def scene(origin: Origin, _: FilteringProxy, session: ProxySession) -> None:
        url = origin.serve("/page", b"hello")
        for line in ("", "GET", "GET / HTTP/1.1", "CONNECT nowhere HTTP/1.1", "CONNECT a:99999 HTTP/1.1"):
            await ask(session, line)
        await ask(session, "GET / HTTP/1.1", "X: " + "y" * 100_000)

        answer = await ask(session, f"GET {url} HTTP/1.1")

        assert answer.endswith(b"hello")

    play(scene)


def test_closing_ends_open_tunnels() -> None:
    async def scene(origin: Origin, proxy: FilteringProxy, session: ProxySession) -> None:
        reader, writer = await opened(session, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1")
        await reader.readuntil(b"\r\n\r\n")

        await proxy.close()

        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()

    play(scene)
