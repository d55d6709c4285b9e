"""One file on a web server, asked for by ranges wherever redirects lead."""

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.adapters.http import HttpBody, HttpClient
from cinelog_download.domain.answers import Wanted
from cinelog_download.domain.headers import HttpRequest
from cinelog_download.domain.splices import Splice


class HttpSource:
    """One file on a web server; see `ports.RangeSource`."""

    splices: tuple[Splice, ...] = ()

    def __init__(self, client: HttpClient, request: HttpRequest) -> None:
        self._client = client
        self._request = request
        self._led_to: str | None = None

    def starts_at(self, url: str) -> None:
        """Ask `url`, where redirects led to, from now on: they need not be followed for every range."""
        if _origin_differs(url, self._request.url) and (self._request.cookies or self._request.headers):
            # Asked directly, it would be sent the credentials that are meant for where the chain begins.
            return
        self._led_to = url

    async def get(self, wanted: Wanted) -> HttpBody:
        """Ask for a range; see `ports.RangeSource`."""
        request = msgspec.structs.replace(self._request, wanted=wanted)
        if self._led_to is not None and self._led_to != request.url:
            try:
                return await self._client.get(msgspec.structs.replace(request, url=self._led_to))
            except PermanentError as error:
                if error.category is Category.SOURCE_CHANGED:
                    raise
                # Signed addresses that redirects lead to expire before the one that signs them.
                self._led_to = None
        body = await self._client.get(request)
        self.starts_at(body.url)
        return body


def _origin_differs(one: str, other: str) -> bool:
    """Tell whether two URLs are of different scheme, host or port, as written."""
    return one.split("/")[:3] != other.split("/")[:3]
