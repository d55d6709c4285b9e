"""Finished HLS recordings: their segments are fetched one after the other into one part file."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.adapters.http import HttpBody, HttpClient
from cinelog_download.adapters.parts import disk_error, segments_of
from cinelog_download.domain.answers import Validator, Wanted
from cinelog_download.domain.headers import HttpRequest, for_another
from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.domain.playlists import Piece, Recording, Variant, best_variant, recording
from cinelog_download.ports import Input

_MAX_PLAYLIST_BYTES: Final = 16 << 20


class HlsPlaylists:
    """Reads playlists."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def inputs(self, request: HttpRequest) -> tuple[tuple[Input, ...], float]:
        """Return what the playlist at `request` leads to, best variant first, and its length in seconds.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `ports.Resolver.resolve`.
        """
        text, url = await self._text(request)
        variant = best_variant(text, url)
        if variant is None:
            return (_input(request, "both"),), recording(text, url).duration_s
        chosen = _variant_inputs(request, variant)
        lengths = [(await self.recording(each)).duration_s for each in chosen]
        return chosen, lengths[0]

    async def recording(self, wanted: Input) -> Recording:
        """Return the pieces of one media playlist.

        Raises:
            TransientError: As for `ports.Resolver.resolve`.
            PermanentError: As for `domain.playlists.recording`.
        """
        request = HttpRequest(url=wanted.url, headers=wanted.headers, cookies=wanted.cookies)
        text, url = await self._text(request)
        return recording(text, url)

    async def _text(self, request: HttpRequest) -> tuple[str, str]:
        body = await self._client.get(request)
        pieces: list[bytes] = []
        try:
            while data := await body.read():
                pieces.append(data)
                if sum(map(len, pieces)) > _MAX_PLAYLIST_BYTES:
                    raise PermanentError(
                        "The playlist is too long.",
                        category=Category.LIMIT_EXCEEDED,
                        action="Use a shorter source.",
                    )
        finally:
            await body.close()
        return b"".join(pieces).decode("utf-8", "replace"), body.url


class HlsSource:
    """All pieces of a recording as one stream; see `ports.RangeSource`.

    Where a piece ends in the part file is noted beside it, so that the next attempt begins with the
    first piece that is missing.
    """

    def __init__(self, client: HttpClient, request: HttpRequest, found: Recording, part: Path) -> None:
        self._client = client
        self._request = request
        self._pieces = found.pieces
        self._validator = found.validator
        self._notes = segments_of(part)
        self._ends: list[int] = []

    def skip(self, done: IntervalSet) -> None:
        """Begin with the first piece that is not wholly in `done`. Blocks."""
        self._ends = []
        if not self._notes.exists():
            return
        ends: dict[int, int] = {}
        for line in self._notes.read_bytes().splitlines():
            try:
                index, end = msgspec.json.decode(line, type=tuple[int, int])
            except msgspec.DecodeError:
                continue
            ends[index] = end
        for index in range(len(self._pieces)):
            if index not in ends or not done.covers(0, ends[index]):
                break
            self._ends.append(ends[index])

    async def get(self, wanted: Wanted) -> "HlsBody":
        """Begin with the first piece that is missing, whatever is `wanted`."""
        del wanted
        return HlsBody(self, start=self._ends[-1] if self._ends else 0, validator=self._validator)

    def request(self, index: int) -> HttpRequest | None:
        """Return the request for a piece, or None behind the last one."""
        if index >= len(self._pieces):
            return None
        piece = self._pieces[index]
        return msgspec.structs.replace(for_another(self._request, piece.url), wanted=_stretch(piece))

    @property
    def brought(self) -> int:
        """How many pieces are there already."""
        return len(self._ends)

    async def fetch(self, index: int) -> HttpBody:
        """Open a piece."""
        request = self.request(index)
        assert request is not None
        body = await self._client.get(request)
        if request.wanted is not None and not body.ranged:
            await body.close()
            raise PermanentError(
                f"{body.host} does not give out ranges, which the playlist needs.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give the address of the video as one file.",
            )
        return body

    def note(self, end: int) -> None:
        """Take note that one more piece is there, and that it ends at `end`.

        Raises:
            PermanentError: NO_SPACE.
        """
        try:
            with self._notes.open("ab") as file:
                file.write(msgspec.json.encode((len(self._ends), end)) + b"\n")
        except OSError as error:
            raise disk_error(error, self._notes) from error
        self._ends.append(end)


class HlsBody:
    """Piece after piece; see `ports.Body`. The next piece is asked for while one is read."""

    ranged = False
    stop: int | None = None
    total: int | None = None

    def __init__(self, source: HlsSource, *, start: int, validator: Validator) -> None:
        self._source = source
        self._position = start
        self._index = source.brought
        self._body: HttpBody | None = None
        self._next: asyncio.Task[HttpBody] | None = None
        self.start = start
        self.validator = validator

    async def read(self) -> bytes:
        """Return what has arrived; empty behind the last piece."""
        while True:
            if self._body is None:
                if self._source.request(self._index) is None:
                    return b""
                self._body = await self._opened()
                self._ask_ahead()
            data = await self._body.read()
            if data:
                self._position += len(data)
                return data
            # Whoever reads on has put away what was read before.
            await self._body.close()
            self._body = None
            self._source.note(self._position)
            self._index += 1

    async def close(self) -> None:
        """Drop what is open."""
        if self._body is not None:
            await self._body.close()
            self._body = None
        if self._next is not None:
            self._next.cancel()
            (ahead,) = await asyncio.gather(self._next, return_exceptions=True)
            self._next = None
            if isinstance(ahead, HttpBody):
                await ahead.close()

    async def _opened(self) -> HttpBody:
        if self._next is None:
            return await self._source.fetch(self._index)
        ahead, self._next = self._next, None
        return await ahead

    def _ask_ahead(self) -> None:
        if self._source.request(self._index + 1) is not None:
            self._next = asyncio.create_task(self._source.fetch(self._index + 1), name="fetch next segment")


def _stretch(piece: Piece) -> Wanted | None:
    return None if piece.start is None else Wanted(start=piece.start, stop=piece.stop)


def _variant_inputs(request: HttpRequest, variant: Variant) -> tuple[Input, ...]:
    if variant.audio_url is None or variant.audio_url == variant.url:
        return (_input(for_another(request, variant.url), "both"),)
    return (
        _input(for_another(request, variant.url), "video"),
        _input(for_another(request, variant.audio_url), "audio"),
    )


def _input(request: HttpRequest, kind: str) -> Input:
    return Input(url=request.url, protocol="hls", kind=kind, headers=request.headers, cookies=request.cookies)
