"""Recordings in pieces: fetched one after the other, decrypted, into one part file."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from cinelog_common.errors import Category, CinelogError, PermanentError

from cinelog_download.adapters.decryption import Decryption
from cinelog_download.adapters.documents import read_whole
from cinelog_download.adapters.http import HttpBody, HttpClient
from cinelog_download.adapters.parts import disk_error, segments_of
from cinelog_download.domain.answers import Validator, Wanted
from cinelog_download.domain.headers import HttpRequest, for_another
from cinelog_download.domain.intervals import IntervalSet
from cinelog_download.domain.pieces import Piece, Recording
from cinelog_download.domain.splices import Splice

_MOST_KEY_BYTES: Final = 4096


class SegmentSource:
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
        self._splices: list[Splice] = []
        self._keys: dict[str, bytes] = {}

    def skip(self, done: IntervalSet) -> None:
        """Begin with the first piece that is not wholly in `done`. Blocks."""
        self._ends, self._splices = [], []
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
            self._end_piece(ends[index])

    async def get(self, wanted: Wanted) -> "SegmentBody":
        """Begin with the first piece that is missing, whatever is `wanted`."""
        del wanted
        return SegmentBody(self, start=self._ends[-1] if self._ends else 0, validator=self._validator)

    @property
    def splices(self) -> Sequence[Splice]:
        """Where stretches of media begin, behind the first one, as far as it is known."""
        return self._splices

    @property
    def brought(self) -> int:
        """How many pieces are there already."""
        return len(self._ends)

    def piece(self, index: int) -> Piece | None:
        """Return a piece, or None behind the last one."""
        return self._pieces[index] if index < len(self._pieces) else None

    async def fetch(self, index: int) -> "PieceBody | None":
        """Open a piece; None if it does not exist, as one that may be missing.

        Raises:
            TransientError: As for `ports.RangeSource.get`.
            PermanentError: As for `ports.RangeSource.get`; DAMAGED if its key is none.
        """
        piece = self._pieces[index]
        decryption = await self._decryption(piece)
        try:
            body = await self._client.get(self._request_for(piece))
        except CinelogError as error:
            if piece.perhaps and error.category is Category.SOURCE_NOT_FOUND:
                return None
            raise
        if piece.start is not None and not body.ranged:
            await body.close()
            raise PermanentError(
                f"{body.host} does not give out ranges, which the playlist needs.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give the address of the video as one file.",
            )
        return PieceBody(body, decryption)

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
        self._end_piece(end)

    def _end_piece(self, end: int) -> None:
        self._ends.append(end)
        following = self.piece(len(self._ends))
        if following is not None and following.begins is not None:
            self._splices.append(Splice(offset=end, number=following.begins))

    def _request_for(self, piece: Piece) -> HttpRequest:
        stretch = None if piece.start is None else Wanted(start=piece.start, stop=piece.stop)
        return msgspec.structs.replace(for_another(self._request, piece.url), wanted=stretch)

    async def _decryption(self, piece: Piece) -> Decryption | None:
        if piece.key is None:
            return None
        if piece.key.url not in self._keys:
            request = for_another(self._request, piece.key.url)
            self._keys[piece.key.url], _ = await read_whole(
                self._client, request, most=_MOST_KEY_BYTES, what="key"
            )
        return Decryption(self._keys[piece.key.url], piece.key.iv)


class PieceBody:
    """One piece as it arrives, decrypted."""

    def __init__(self, body: HttpBody, decryption: Decryption | None) -> None:
        self._body = body
        self._decryption = decryption

    async def read(self) -> bytes:
        """Return what has arrived; empty at the end.

        Raises:
            TransientError: SOURCE_UNREACHABLE: the connection broke off.
            PermanentError: DAMAGED: it cannot be decrypted.
        """
        while data := await self._body.read():
            if self._decryption is None:
                return data
            if plain := self._decryption.update(data):
                return plain
        if self._decryption is None:
            return b""
        decryption, self._decryption = self._decryption, None
        return decryption.finish()

    async def close(self) -> None:
        """Give the connection back, or drop it if there is more to come."""
        await self._body.close()


class SegmentBody:
    """Piece after piece; see `ports.Body`. The next piece is asked for while one is read."""

    ranged = False
    stop: int | None = None
    total: int | None = None

    def __init__(self, source: SegmentSource, *, start: int, validator: Validator) -> None:
        self._source = source
        self._position = start
        self._index = source.brought
        self._body: PieceBody | None = None
        self._next: asyncio.Task[PieceBody | None] | None = None
        self.start = start
        self.validator = validator

    async def read(self) -> bytes:
        """Return what has arrived; empty behind the last piece."""
        while True:
            if self._body is None:
                if self._source.piece(self._index) is None:
                    return b""
                self._body = await self._opened()
                if self._body is None:
                    return b""
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
            if isinstance(ahead, PieceBody):
                await ahead.close()

    async def _opened(self) -> PieceBody | None:
        if self._next is None:
            return await self._source.fetch(self._index)
        ahead, self._next = self._next, None
        return await ahead

    def _ask_ahead(self) -> None:
        if self._source.piece(self._index + 1) is not None:
            self._next = asyncio.create_task(self._source.fetch(self._index + 1), name="fetch next segment")
