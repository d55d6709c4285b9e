"""The object store as the services see it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import msgspec


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an object without reading it."""

    key: str
    size_bytes: int
    etag: str
    """Opaque; another one means other content."""
    modified: float
    """Seconds since the Unix epoch, by the store's clock."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The object was not there before: ours is the one."""

    info: ObjectInfo


class Exists(msgspec.Struct, frozen=True, kw_only=True):
    """Another writer was first: `info` is of the object that won, and nothing was written."""

    info: ObjectInfo


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """Content together with the version it is of."""

    info: ObjectInfo
    data: bytes


class ObjectStore(Protocol):
    """Bytes under keys. What a call has returned for is durable and seen by every reader.

    Every method may raise, beside what it names:
        TransientError: The store does not answer (category `dependency`).
        PermanentError: It is full (`no_space`), refuses us (`not_writable`),
            or the key is unsound (`BadKeyError`).
    """

    async def create(self, key: str, data: bytes | Path) -> Created | Exists:
        """Store `data`, or a finished file's content, unless the key is taken. All of it is seen, or none."""

    async def link_from(self, key: str, path: Path) -> Created | Exists:
        """Store a finished file without copying it where that is possible; nobody may write to it again."""

    async def replace(self, key: str, data: bytes, *, if_match: str | None) -> ObjectInfo:
        """Put `data` in place of the version with the etag `if_match`; None: of nothing.

        Raises:
            ConflictError: Another version (or none, or one at all) is there.
        """

    async def get(self, key: str) -> bytes:
        """Return the whole content.

        Raises:
            ObjectMissingError: There is none.
        """

    async def read(self, key: str) -> StoredObject:
        """Return the whole content with its etag, for a later `replace`.

        Raises:
            ObjectMissingError: There is none.
        """

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start` on; fewer, or none, where the object ends before.

        Raises:
            ObjectMissingError: There is none.
        """

    async def fetch_to(self, key: str, path: Path) -> ObjectInfo:
        """Download into a file, which appears complete or not at all, and may be written to.

        Raises:
            ObjectMissingError: There is none.
        """

    async def head(self, key: str) -> ObjectInfo | None:
        """Return what is known of the object; None if there is none."""

    def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Yield every object whose key begins with `prefix` (which ends with a slash), in the keys' order."""

    async def delete(self, key: str) -> None:
        """Remove the object, if there is one."""

    async def delete_prefix(self, prefix: str) -> int:
        """Remove every object whose key begins with `prefix` (which ends with a slash); return how many."""

    def local_path(self, key: str) -> Path | None:
        """Return a file to read the object from without copying; None if the store has no files.

        The file may be missing, as the object may. Nobody may write to it.
        """

    async def probe(self) -> None:
        """Prove with a throw-away object that the store creates once and replaces only what was read.

        Raises:
            PermanentError: It does not, so two writers of one key could both win.
        """

    async def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
