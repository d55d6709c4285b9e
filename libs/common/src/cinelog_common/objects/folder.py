"""Objects as files of one folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from cinelog_common.objects.errors import of_the_system
from cinelog_common.objects.files import Files
from cinelog_common.objects.keys import checked, checked_prefix
from cinelog_common.objects.ports import Created, Exists, ObjectInfo, StoredObject
from cinelog_common.objects.probing import prove

Result = TypeVar("Result")


class FolderObjectStore:
    """An object store in the folder `root`, which is made if need be.

    Args:
        root: The folder; everything lies below it.
        durable: Wait for the disk before a call returns. Without it a power cut
            (not a crash of ours) may lose what was acknowledged.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root = root.absolute()
        self._files = Files(self._root, durable=durable)

    async def create(self, key: str, data: bytes | Path) -> Created | Exists:
        """Write a draft and link it to its name."""
        return await self._run(f"write {key}", lambda: self._files.create(checked(key), data))

    async def link_from(self, key: str, path: Path) -> Created | Exists:
        """Link the file itself to its name; copy it if it lies on another file system."""
        return await self._run(f"link {key}", lambda: self._files.link_from(checked(key), path))

    async def replace(self, key: str, data: bytes, *, if_match: str | None) -> ObjectInfo:
        """Compare and rename under a lock."""
        return await self._run(f"write {key}", lambda: self._files.replace(checked(key), data, if_match))

    async def get(self, key: str) -> bytes:
        """Read the file."""
        return (await self.read(key)).data

    async def read(self, key: str) -> StoredObject:
        """Read the file and its etag from one descriptor, so that they belong together."""
        return await self._run(f"read {key}", lambda: self._files.read(checked(key)))

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read a part of the file."""
        if start < 0 or length < 0:
            raise ValueError("a range begins at 0 or later and is not negative")
        return await self._run(f"read {key}", lambda: self._files.get_range(checked(key), start, length))

    async def fetch_to(self, key: str, path: Path) -> ObjectInfo:
        """Copy the file: a link would let the reader write into the store."""
        return await self._run(f"copy {key}", lambda: self._files.fetch_to(checked(key), path))

    async def head(self, key: str) -> ObjectInfo | None:
        """Look at the file."""
        return await self._run(f"look at {key}", lambda: self._files.head(checked(key)))

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Walk through the folder."""
        for info in await self._run(f"list {prefix}", lambda: self._files.walk(checked_prefix(prefix))):
            yield info

    async def delete(self, key: str) -> None:
        """Remove the file, and the folders that it leaves empty."""
        await self._run(f"delete {key}", lambda: self._files.delete(checked(key)))

    async def delete_prefix(self, prefix: str) -> int:
        """Remove the files below a folder, and it."""
        return await self._run(f"delete {prefix}", lambda: self._files.delete_prefix(checked_prefix(prefix)))

    def local_path(self, key: str) -> Path | None:
        """Return the object's own file."""
        return self._files.path(checked(key))

    async def probe(self) -> None:
        """Prove the store, and sweep away drafts that a crash left."""
        await self._run(f"use the folder {self._root}", self._files.sweep)
        await prove(self, f"the folder {self._root}")

    async def close(self) -> None:
        """Nothing is held open."""

    async def _run(self, what: str, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise of_the_system(error, f"cannot {what} in {self._root}") from error
