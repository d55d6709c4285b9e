"""Subtitle files beside a source: small, whole, and asked for as guardedly as the source itself."""

import asyncio
from pathlib import Path
from typing import Final

from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import of_the_system

from cinelog_download.adapters.documents import read_whole
from cinelog_download.adapters.hls import recording
from cinelog_download.adapters.http import HttpClient
from cinelog_download.domain.headers import HttpRequest, for_another
from cinelog_download.domain.webvtt import is_webvtt, joined
from cinelog_download.ports import Subtitle

_MAX_BYTES: Final = 8 << 20
_MAX_SEGMENTS: Final = 5000
_SEGMENTS_AT_A_TIME: Final = 4
_TIMEOUT_S: Final = 120.0
_WHAT: Final = "subtitle file"


class SubtitleFetcher:
    """The port's `TextFetcher`, over HTTP: files, and playlists of WebVTT."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def fetch(self, subtitle: Subtitle, path: Path) -> None:
        """Write the file that `subtitle` names to `path`."""
        request = HttpRequest(url=subtitle.url, headers=subtitle.headers)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                data = await self._whole(request)
        except TimeoutError as error:
            raise TransientError(
                "The subtitles took too long.",
                category=Category.SOURCE_UNAVAILABLE,
                action="Try again later.",
            ) from error
        if data.lstrip().startswith(b"<"):
            raise _unknown()
        try:
            await asyncio.to_thread(path.write_bytes, data)
        except OSError as error:
            raise of_the_system(error, f"cannot write to {path.parent}") from error

    async def _whole(self, request: HttpRequest) -> bytes:
        data, url = await read_whole(self._client, request, most=_MAX_BYTES, what=_WHAT)
        text = data.decode("utf-8-sig", "replace")
        return await self._segments(request, text, url) if text.startswith("#EXTM3U") else data

    async def _segments(self, request: HttpRequest, playlist: str, url: str) -> bytes:
        """Return what a playlist lists as one file."""
        pieces = (await asyncio.to_thread(recording, playlist, url)).pieces
        if len(pieces) > _MAX_SEGMENTS or any(each.key or each.start is not None for each in pieces):
            raise _unknown()
        turns, left = asyncio.Semaphore(_SEGMENTS_AT_A_TIME), _MAX_BYTES

        async def segment(address: str) -> str:
            nonlocal left
            async with turns:
                wanted = for_another(request, address)
                data, _ = await read_whole(self._client, wanted, most=max(0, left), what=_WHAT)
            left -= len(data)
            return data.decode("utf-8", "replace")

        fetching = [asyncio.create_task(segment(each.url)) for each in pieces]
        try:
            found = await asyncio.gather(*fetching)
        finally:
            for task in fetching:
                task.cancel()
            await asyncio.gather(*fetching, return_exceptions=True)
        if not any(map(is_webvtt, found)):
            raise _unknown()
        return joined(found).encode()


def _unknown() -> PermanentError:
    return PermanentError(
        "What the address leads to are no subtitles of a known kind.",
        category=Category.UNSUPPORTED_SOURCE,
        action="Leave the subtitles out.",
    )
