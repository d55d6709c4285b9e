"""What a request says: which of the caller's headers go along, and how far they may follow redirects."""

import base64
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.answers import Wanted
from cinelog_download.domain.locations import WebLocation

_NAME: Final = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
_VALUE: Final = re.compile(r"^[^\x00-\x08\x0a-\x1f\x7f]*$")
_MAX_VALUE_CHARS: Final = 16384

# Ours to decide: framing, ranges and what the connection is for.
_OURS: Final = frozenset(
    """host range if-range content-length transfer-encoding connection accept-encoding te trailer upgrade
    expect proxy-authorization proxy-connection keep-alive""".split()  # noqa: SIM905
)
# What says nothing secret, and may follow a redirect to another origin.
_HARMLESS: Final = frozenset({"user-agent", "accept", "accept-language", "referer", "origin"})


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One GET: what for, and with which credentials."""

    url: str
    headers: dict[str, str] = {}
    cookies: str = ""
    wanted: Wanted | None = None
    """None: the whole thing, without a `Range`."""


def request_headers(
    request: HttpRequest, location: WebLocation, *, user_agent: str, same_origin: bool
) -> dict[str, str]:
    """Return the headers to send to `location`, where the request or a redirect of it leads.

    Credentials stay with the origin they were given for. Bytes are asked for as
    they are: ranges of compressed bytes would be useless.
    """
    headers = {"User-Agent": user_agent, "Accept": "*/*"}
    for name, value in request.headers.items():
        if name.lower() not in _OURS and (same_origin or name.lower() in _HARMLESS):
            headers[name.title()] = value
    if same_origin and request.cookies:
        headers["Cookie"] = request.cookies
    if same_origin and location.user is not None:
        pair = f"{location.user}:{location.password or ''}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    headers["Accept-Encoding"] = "identity"
    if request.wanted is not None:
        last = "" if request.wanted.stop is None else str(request.wanted.stop - 1)
        headers["Range"] = f"bytes={request.wanted.start}-{last}"
        if request.wanted.validator.if_range is not None:
            headers["If-Range"] = request.wanted.validator.if_range
    return headers


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that would smuggle in others.

    Raises:
        PermanentError: INVALID_REQUEST.
    """
    for name, value in headers.items():
        if not _NAME.match(name) or not _VALUE.match(value) or len(value) > _MAX_VALUE_CHARS:
            raise PermanentError(
                f"The header {name[:40]!r} is malformed.",
                category=Category.INVALID_REQUEST,
                action="Correct or leave out the header.",
            )


def for_another(request: HttpRequest, url: str) -> HttpRequest:
    """Return the request for `url`, which the answer to `request` names: without credentials elsewhere."""
    if _origin(url) == _origin(request.url):
        return HttpRequest(url=url, headers=request.headers, cookies=request.cookies)
    harmless = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS}
    return HttpRequest(url=url, headers=harmless)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return (parts.scheme.lower(), parts.netloc.lower())
