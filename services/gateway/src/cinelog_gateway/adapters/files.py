"""The objects of jobs, read in chunks: from a file where the store has files, else range by range."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from cinelog_common.errors import Category, TransientError
from cinelog_common.objects.errors import BadKeyError, ObjectMissingError
from cinelog_common.objects.ports import ObjectStore

from cinelog_gateway.domain.paths import Place
from cinelog_gateway.domain.ranges import entity_tag
from cinelog_gateway.ports import OpenFile

CHUNK_BYTES = 256 << 10
REMOTE_CHUNK_BYTES = 1 << 20
"""A request each, so larger."""


class ObjectFiles:
    """The port `Files` over an object store."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def find(self, place: Place) -> OpenFile | None:
        """Look at the object; one that may be replaced is read at once, so that tag and bytes agree."""
        try:
            if place.mutable:
                stored = await self._objects.read(place.key)
                info, data = stored.info, stored.data
                return OpenFile(place=place, size_bytes=len(data), tag=entity_tag(info.etag), data=data)
            found = await self._objects.head(place.key)
        except (ObjectMissingError, BadKeyError):
            return None
        if found is None:
            return None
        return OpenFile(place=place, size_bytes=found.size_bytes, tag=entity_tag(found.etag))

    async def chunks(self, file: OpenFile, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Read piece after piece; never more than one is held."""
        if file.data is not None:
            yield file.data[start:end]
            return
        path = self._objects.local_path(file.place.key)
        pieces = self._remote(file, start, end) if path is None else _local(path, start, end)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def _remote(self, file: OpenFile, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            piece = await self._objects.get_range(file.place.key, start, min(REMOTE_CHUNK_BYTES, end - start))
            if not piece:
                raise _shrunk(file.place.key)
            start += len(piece)
            yield piece


async def _local(path: Path, start: int, end: int) -> AsyncGenerator[bytes, None]:
    try:
        with _opened(path) as source:
            source.seek(start)
            while start < end:
                piece = await asyncio.to_thread(source.read, min(CHUNK_BYTES, end - start))
                if not piece:
                    raise _shrunk(path.name)
                start += len(piece)
                yield piece
    except OSError as error:
        raise _shrunk(path.name) from error


def _opened(path: Path) -> BinaryIO:
    # In a thread, a cancelled open would leave a file that nobody closes.
    return path.open("rb")


def _shrunk(name: str) -> TransientError:
    return TransientError(
        f"{name} went away while it was read.", category=Category.DEPENDENCY, action="Ask again."
    )
