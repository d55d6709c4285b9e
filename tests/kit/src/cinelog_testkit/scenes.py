"""Scenes between a web server with faults and what the download service meets the network with."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from cinelog_common.clock import Clock, SystemClock
from cinelog_common.errors import CinelogError
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_download.adapters.network import Network
from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.limits import FetchPolicy
from cinelog_download.ports import Fetch
from cinelog_download.testing import Behaviour, Origin, Seen, pattern

_KIB: Final = 1024
QUICK: Final = FetchPolicy(
    addresses=AddressPolicy(allow_private=True),
    retries=RetryPolicy(attempts=4, first_s=0.01, most_s=0.1),
    chunk_bytes=512 * _KIB,
    first_bytes=64 * _KIB,
    journal_bytes=64 * _KIB,
    stall_window_s=0.3,
    stall_bytes=1024,
    reserve_bytes=0,
)
"""Small requests and short waits, so that a scene of two megabytes has all that a long one has."""
DATA: Final = pattern(2_000_003)
_WITHIN_S: Final = 20.0
KNOWN_SITE: Final = "cinelog_testkit.known_site"
"""The child that knows the site of `serve_watch_page`."""

Scene = Callable[[Origin, Network], Awaitable[None]]


def play(scene: Scene, policy: FetchPolicy = QUICK, clock: Clock | None = None) -> None:
    """Run `scene` to its end, with an origin and a network of its own.

    Raises:
        TimeoutError: It does not come to its end.
    """

    async def run() -> None:
        network = Network(policy, FakeObjectStore(), clock or SystemClock(), {})
        async with Origin() as origin, asyncio.timeout(_WITHIN_S):
            try:
                await scene(origin, network)
            finally:
                await network.close()

    asyncio.run(run())


async def whole(fetch: Fetch) -> bytes:
    """Return what was fetched when all of it is there, and close the fetch."""
    try:
        await asyncio.shield(fetch.complete)
        return fetch.path.read_bytes()
    finally:
        await fetch.close()


async def failure(opening: Awaitable[Fetch]) -> CinelogError:
    """Return the error that a fetch does not open with, or that it ends with; a user must understand it."""
    try:
        fetch = await opening
    except CinelogError as error:
        return error
    return await end_of(fetch)


async def end_of(fetch: Fetch) -> CinelogError:
    """Return the error that a fetch that is open ends with; a user must understand it."""
    try:
        await asyncio.wait({fetch.complete})
        error = fetch.complete.exception()
    finally:
        await fetch.close()
    assert isinstance(error, CinelogError)
    assert error.message.endswith(".")
    assert error.action
    return error


def asked_range(seen: Seen) -> tuple[int, int]:
    """Return which bytes a request asked for: the first, and the one behind the last."""
    first, _, last = seen.headers["Range"].removeprefix("bytes=").partition("-")
    return int(first), int(last) + 1


def serve_watch_page(origin: Origin, *formats: dict[str, Any], cookie: str = "") -> str:
    """Serve a page on which yt-dlp finds these formats, if it runs in `KNOWN_SITE`; return its URL.

    Args:
        origin: Where it is served.
        formats: As an extractor gives them; what is not said of one is the usual.
        cookie: A `Set-Cookie` that comes with the page.
    """
    found = [{"format_id": str(number), "ext": "mp4", **each} for number, each in enumerate(formats)]
    answer = json.dumps({"id": "film", "title": "A film", "formats": found})
    headers = {"Set-Cookie": cookie} if cookie else {}
    return origin.serve("/watch/film", answer.encode(), Behaviour(content_type="text/html", headers=headers))
