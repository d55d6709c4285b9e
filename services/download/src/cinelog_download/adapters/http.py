"""Web servers, by aiohttp: every connection is judged by the address it really goes to.

Redirects are followed by hand, since each may lead to another host, and
credentials stay with the origin they were given for.
"""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import msgspec
from cinelog_common.clock import Clock
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

from cinelog_download.adapters.names import RefusedAddressError, resolve_allowed
from cinelog_download.domain.answers import (
    REDIRECTS,
    Validator,
    Wanted,
    changed,
    content_range,
    empty,
    refusal_by_status,
    retry_after_s,
)
from cinelog_download.domain.headers import HttpRequest, check_headers, request_headers
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.domain.locations import WebLocation, refused, web_location

if TYPE_CHECKING:
    import aiohttp

_READ_BUFFER_BYTES: Final = 512 * 1024
_INFLATED_BYTES: Final = 1 << 20
_KEEPALIVE_S: Final = 15.0


class HttpClient:
    """Connections to web servers; one for the whole process, closed at its end."""

    def __init__(self, policy: FetchPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def get(self, request: HttpRequest) -> "HttpBody":
        """Follow redirects and return the answer, its bytes still to be read.

        Raises:
            TransientError: SOURCE_UNREACHABLE, SOURCE_UNAVAILABLE.
            PermanentError: Refused by policy or by the server; SOURCE_CHANGED for a range behind the end.
        """
        check_headers(request.headers)
        location = first = web_location(request.url, self._policy.addresses)
        for _ in range(self._policy.redirects + 1):
            same = location.origin == first.origin
            headers = request_headers(request, location, user_agent=self._policy.user_agent, same_origin=same)
            response = await self._send(location, headers)
            if response.status not in REDIRECTS or "Location" not in response.headers:
                return await self._accept(request, location, response)
            target = response.headers["Location"]
            response.close()
            location = self._redirected(location, target)
        raise PermanentError(
            f"{first.host} redirects more than {self._policy.redirects} times.",
            category=Category.SOURCE_UNREACHABLE,
            action="Give the address that the redirects should lead to.",
        )

    async def warm(self) -> None:
        """Import the client library in a thread, so that the first job does not wait for it."""
        await asyncio.to_thread(_import_library)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _redirected(self, location: WebLocation, target: str) -> WebLocation:
        try:
            url = urljoin(location.url, target.strip())
        except ValueError:
            url = target
        return web_location(url, self._policy.addresses)

    async def _send(self, location: WebLocation, headers: Mapping[str, str]) -> "aiohttp.ClientResponse":
        import aiohttp
        from yarl import URL

        session = self._opened()
        url = URL(location.url, encoded=location.url.isascii())
        try:
            async with asyncio.timeout(self._policy.answer_timeout_s):
                return await session.get(url, headers=headers, allow_redirects=False)
        except TimeoutError as error:
            raise unreachable(location.host, "it did not answer in time") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise _untrusted(location.host) from error
        except aiohttp.ClientConnectorError as error:
            raise _not_connected(location.host, error.os_error) from error
        except aiohttp.InvalidURL as error:
            raise PermanentError(
                f"The address at {location.host} is malformed.",
                category=Category.INVALID_REQUEST,
                action="Check the address.",
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(location.host, "the connection broke off") from error

    async def _accept(
        self, request: HttpRequest, location: WebLocation, response: "aiohttp.ClientResponse"
    ) -> "HttpBody":
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if request.wanted is not None and request.wanted.start == 0 and _useless(response, encoding):
            response.close()
            return await self.get(msgspec.structs.replace(request, wanted=None))
        error = self._refusal(location, response)
        if error is None and encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
            error = PermanentError(
                f"{location.host} sends the source compressed as {encoding[:20]!r}, without being asked to.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give an address that serves the file as it is.",
            )
        if error is None and response.status == 206 and _stray(request.wanted, response):
            error = unreachable(location.host, "it answered with another range than was asked for")
        if error is not None:
            response.close()
            raise error
        return HttpBody(location, response, compressed=encoding not in {"identity", ""})

    def _refusal(self, location: WebLocation, response: "aiohttp.ClientResponse") -> CinelogError | None:
        if response.status == 416:
            answer = content_range(response.headers.get("Content-Range"))
            size = None if answer is None else answer.total
            if size == 0:
                return empty()
            return changed(f"it has {size} bytes now" if size is not None else "it is shorter now")
        asked = retry_after_s(response.headers.get("Retry-After"), self._clock.now())
        return refusal_by_status(response.status, location.host, asked)

    def _opened(self) -> "aiohttp.ClientSession":
        import aiohttp

        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(
                resolver=_guarded_resolver(self._policy),
                socket_factory=self._socket,
                limit=0,
                keepalive_timeout=_KEEPALIVE_S,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._policy.connect_timeout_s),
                read_bufsize=_READ_BUFFER_BYTES,
                trust_env=False,
            )
        return self._session

    def _socket(self, info: Any) -> socket.socket:
        """Make the socket for one address: the last point where it can be refused, and the true one."""
        family, kind, protocol, _, address = info
        reason = self._policy.addresses.refusal(address[0])
        if reason is not None:
            raise RefusedAddressError(address[0], reason)
        return socket.socket(family, kind, protocol)


class HttpBody:
    """An answer of a web server; see `ports.Body`."""

    def __init__(
        self, location: WebLocation, response: "aiohttp.ClientResponse", *, compressed: bool
    ) -> None:
        self._response = response
        self._location = location
        self._inflater = zlib.decompressobj(wbits=47) if compressed else None
        self._pushed = b""
        self._ended = False
        headers = response.headers
        part = content_range(headers.get("Content-Range")) if response.status == 206 else None
        self.ranged = part is not None and part.start is not None and not compressed
        self.start = part.start if part is not None and part.start is not None else 0
        self.total = part.total if part is not None else response.content_length
        self.stop = part.stop if part is not None else response.content_length
        if compressed:
            self.total = self.stop = None
        self.validator = Validator(etag=headers.get("ETag"), last_modified=headers.get("Last-Modified"))

    @property
    def url(self) -> str:
        """Where redirects led to."""
        return self._location.url

    @property
    def host(self) -> str:
        """The host that answered."""
        return self._location.host

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers, their names in any case."""
        return self._response.headers

    async def head(self, size: int, timeout_s: float) -> bytes:
        """Return the first `size` bytes, fewer only where the answer ends; `read` still gives them.

        Raises:
            TransientError: SOURCE_UNREACHABLE: they did not come.
        """
        pieces = [self._pushed]
        have = len(self._pushed)
        self._pushed = b""
        try:
            async with asyncio.timeout(timeout_s):
                while have < size and (piece := await self.read()):
                    pieces.append(piece)
                    have += len(piece)
        except TimeoutError as error:
            raise unreachable(self.host, "it stopped sending") from error
        self._pushed = b"".join(pieces)
        return self._pushed[:size]

    async def read(self) -> bytes:
        """Return what has arrived; see `ports.Body`."""
        if self._pushed:
            data, self._pushed = self._pushed, b""
            return data
        if self._inflater is None:
            return await self._receive()
        return await self._inflate()

    async def close(self) -> None:
        """Give the connection back if the answer is read to its end, else drop it."""
        if self._ended or self._response.content.at_eof():
            await self._response.release()
        else:
            self._response.close()

    async def _receive(self) -> bytes:
        import aiohttp

        if self._ended:
            return b""
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # What came before the break is good, and not given out by the library any more: a site that
            # sends a little and hangs up would never get us further.
            data = self._response.content._read_nowait(-1)  # noqa: SLF001
            if not data:
                raise unreachable(self.host, "the connection broke off") from error
        self._ended = not data
        return data

    async def _inflate(self) -> bytes:
        assert self._inflater is not None
        try:
            while not self._inflater.eof:
                data = self._inflater.unconsumed_tail or await self._receive()
                piece = self._inflater.decompress(data, _INFLATED_BYTES)
                if piece:
                    return piece
                if not data:
                    raise unreachable(self.host, "the connection broke off")
        except zlib.error as error:
            raise PermanentError(
                f"{self.host} sends the source compressed, and the compression is broken.",
                category=Category.DAMAGED,
                action="Give an address that serves the file as it is.",
            ) from error
        return b""


def unreachable(host: str, why: str) -> TransientError:
    """Return the error that says a connection did not come about, or broke."""
    return TransientError(
        f"{host} cannot be reached: {why}.",
        category=Category.SOURCE_UNREACHABLE,
        action="Check the address and the network, and try again.",
    )


def _useless(response: "aiohttp.ClientResponse", encoding: str) -> bool:
    """Tell whether the whole must be asked for instead of a range.

    A range of compressed bytes cannot be decompressed, and without a total it is not known what is left.
    """
    if response.status != 206:
        return False
    part = content_range(response.headers.get("Content-Range"))
    return encoding not in {"identity", ""} or part is None or part.total is None


def _stray(wanted: Wanted | None, response: "aiohttp.ClientResponse") -> bool:
    part = content_range(response.headers.get("Content-Range"))
    return wanted is None or part is None or part.start != wanted.start


def _not_connected(host: str, error: OSError | None) -> CinelogError:
    if isinstance(error, RefusedAddressError):
        return refused(host, f"it leads to a {error.reason} address")
    if isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, -5}:
        return PermanentError(
            f"There is no host named {host}.",
            category=Category.SOURCE_UNREACHABLE,
            action="Check the address.",
        )
    if isinstance(error, ssl.SSLError):
        return unreachable(host, "no secure connection came about")
    detail = (error.strerror or "") if error is not None else ""
    return unreachable(host, detail.lower() or "no connection came about")


def _untrusted(host: str) -> PermanentError:
    return PermanentError(
        f"The certificate of {host} is not valid.",
        category=Category.SOURCE_UNREACHABLE,
        action="Check the address; its operator must renew the certificate.",
    )


def _import_library() -> None:
    import aiohttp  # noqa: F401


def _guarded_resolver(policy: FetchPolicy) -> Any:
    from aiohttp.abc import AbstractResolver, ResolveResult

    class GuardedResolver(AbstractResolver):
        """The system's resolver, without the addresses that policy refuses."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            """Return the allowed addresses of `host`."""
            return [
                ResolveResult(
                    hostname=host,
                    host=found.address,
                    port=port,
                    family=found.family,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for found in await resolve_allowed(host, port, policy.addresses, family)
            ]

        async def close(self) -> None:
            """Nothing is held."""

    return GuardedResolver()
