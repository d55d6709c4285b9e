"""Subtitle files beside a source: small, whole, and asked for as guardedly as the source itself."""

import asyncio
from pathlib import Path
from typing import Final

from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import of_the_system

from cinelog_download.adapters.documents import read_whole
from cinelog_download.adapters.http import HttpClient
from cinelog_download.domain.headers import HttpRequest
from cinelog_download.ports import Subtitle

_MAX_BYTES: Final = 8 << 20
_TIMEOUT_S: Final = 60.0


class SubtitleFetcher:
    """The port's `TextFetcher`, over HTTP."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def fetch(self, subtitle: Subtitle, path: Path) -> None:
        """Write the file that `subtitle` names to `path`."""
        request = HttpRequest(url=subtitle.url, headers=subtitle.headers)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                data, _ = await read_whole(self._client, request, most=_MAX_BYTES, what="subtitle file")
        except TimeoutError as error:
            raise TransientError(
                "The subtitles took too long.",
                category=Category.SOURCE_UNAVAILABLE,
                action="Try again later.",
            ) from error
        if data.lstrip().startswith((b"#EXTM3U", b"<")):
            raise PermanentError(
                "What the address leads to is no subtitle file.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Leave the subtitles out.",
            )
        try:
            await asyncio.to_thread(path.write_bytes, data)
        except OSError as error:
            raise of_the_system(error, f"cannot write to {path.parent}") from error
