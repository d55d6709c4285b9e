"""Subtitle files beside a source: small, whole, and asked for as guardedly as the source itself."""

import asyncio
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.errors import of_the_system

from cinelog_download.adapters.documents import read_whole
from cinelog_download.adapters.hls import recording
from cinelog_download.adapters.http import HttpClient
from cinelog_download.domain.dashtexts import MOST_SEGMENTS
from cinelog_download.domain.headers import HttpRequest, for_another
from cinelog_download.domain.pieces import Piece
from cinelog_download.domain.subtitling import part_of
from cinelog_download.domain.webvtt import is_webvtt, joined
from cinelog_download.ports import Subtitle

_MAX_BYTES: Final = 8 << 20
_SEGMENTS_AT_A_TIME: Final = 4
_TIMEOUT_S: Final = 120.0
_WHAT: Final = "subtitle file"


class SubtitleFetcher:
    """The port's `TextFetcher`, over HTTP: files, and playlists of WebVTT."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def fetch(self, subtitle: Subtitle, path: Path) -> None:
        """Write the file that `subtitle` names to `path`, or each stretch; see `ports.TextFetcher`."""
        request = HttpRequest(url=subtitle.url, headers=subtitle.headers)
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                if subtitle.stretches:
                    files = await self._stretches(request, subtitle, path)
                else:
                    files = {path: await self._whole(request)}
        except TimeoutError as error:
            raise TransientError(
                "The subtitles took too long.",
                category=Category.SOURCE_UNAVAILABLE,
                action="Try again later.",
            ) from error
        if any(data.lstrip().startswith(b"<") for data in files.values()):
            raise _unknown()
        try:
            for each, data in files.items():
                await asyncio.to_thread(each.write_bytes, data)
        except OSError as error:
            raise of_the_system(error, f"cannot write to {path.parent}") from error

    async def _whole(self, request: HttpRequest) -> bytes:
        data, url = await read_whole(self._client, request, most=_MAX_BYTES, what=_WHAT)
        text = data.decode("utf-8-sig", "replace")
        return await self._segments(request, text, url) if text.startswith("#EXTM3U") else data

    async def _segments(self, request: HttpRequest, playlist: str, url: str) -> bytes:
        """Return what a playlist lists as one file."""
        pieces = (await asyncio.to_thread(recording, playlist, url)).pieces
        return _as_webvtt(await self._pieces(request, pieces), mapped=True)

    async def _stretches(self, request: HttpRequest, subtitle: Subtitle, path: Path) -> dict[Path, bytes]:
        """Return what a manifest lists as one file for each stretch."""
        pieces = [piece for stretch in subtitle.stretches for piece in stretch.pieces]
        found = iter(await self._pieces(request, pieces))
        files = {}
        for number, stretch in enumerate(subtitle.stretches):
            own = list(islice(found, len(stretch.pieces)))
            if subtitle.format == "vtt" and not any(map(bytes.strip, own)):
                # Nobody speaks in it.
                own = [b"WEBVTT\n"]
            # In DASH cues go by the period, whatever they say of a transport stream for players of HLS.
            data = _as_webvtt(own, mapped=False) if subtitle.format == "vtt" else b"".join(own)
            files[part_of(path, number)] = data
        return files

    async def _pieces(self, request: HttpRequest, pieces: Sequence[Piece]) -> list[bytes]:
        """Return what is in each of `pieces`; nothing for one that need not be there, and is not."""
        if len(pieces) > MOST_SEGMENTS or any(each.key or each.start is not None for each in pieces):
            raise _unknown()
        turns, left = asyncio.Semaphore(_SEGMENTS_AT_A_TIME), _MAX_BYTES

        async def fetch(piece: Piece) -> bytes:
            nonlocal left
            async with turns:
                wanted = for_another(request, piece.url)
                try:
                    data, _ = await read_whole(self._client, wanted, most=max(0, left), what=_WHAT)
                except PermanentError as error:
                    if piece.perhaps and error.category is Category.SOURCE_NOT_FOUND:
                        return b""
                    raise
            left -= len(data)
            return data

        fetching = [asyncio.create_task(fetch(each)) for each in pieces]
        try:
            return await asyncio.gather(*fetching)
        finally:
            for task in fetching:
                task.cancel()
            await asyncio.gather(*fetching, return_exceptions=True)


def _as_webvtt(segments: Sequence[bytes], *, mapped: bool) -> bytes:
    """Return segments as one file, `mapped` as for `domain.webvtt.joined`."""
    found = [each.decode("utf-8", "replace") for each in segments]
    if not any(map(is_webvtt, found)):
        raise _unknown()
    return joined(found, mapped=mapped).encode()


def _unknown() -> PermanentError:
    return PermanentError(
        "What the address leads to are no subtitles of a known kind.",
        category=Category.UNSUPPORTED_SOURCE,
        action="Leave the subtitles out.",
    )
