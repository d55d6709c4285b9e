"""Objects of our own store as sources: read where they lie if it has files, else fetched by ranges."""

from typing import Final

from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.ports import ObjectInfo, ObjectStore

from cinelog_download.domain.answers import Validator, Wanted, empty
from cinelog_download.domain.splices import Splice

_PIECE_BYTES: Final = 1 << 20


async def inspect_object(objects: ObjectStore, key: str) -> ObjectInfo:
    """Return what is known of an object that can be a source.

    Raises:
        PermanentError: SOURCE_NOT_FOUND; NOT_MEDIA if it is empty.
        TransientError: The store does not answer.
    """
    info = await objects.head(key)
    if info is None:
        raise _missing(key)
    if info.size_bytes == 0:
        raise empty()
    return info


class ObjectSource:
    """One object; see `ports.RangeSource`."""

    splices: tuple[Splice, ...] = ()

    def __init__(self, objects: ObjectStore, key: str) -> None:
        self._objects = objects
        self._key = key

    async def get(self, wanted: Wanted) -> "ObjectBody":
        """Look at the object and begin to read the range."""
        info = await inspect_object(self._objects, self._key)
        return ObjectBody(self._objects, info, wanted)


class ObjectBody:
    """A range of an object, read piece by piece; see `ports.Body`."""

    ranged = True

    def __init__(self, objects: ObjectStore, info: ObjectInfo, wanted: Wanted) -> None:
        self._objects = objects
        self._key = info.key
        self._position = wanted.start
        self.start = wanted.start
        self.total: int | None = info.size_bytes
        self.stop: int | None = min(wanted.stop or info.size_bytes, info.size_bytes)
        self.validator = Validator(etag=info.etag)

    async def read(self) -> bytes:
        """Return the next piece; empty at the end."""
        assert self.stop is not None
        length = min(_PIECE_BYTES, self.stop - self._position)
        if length <= 0:
            return b""
        data = await self._objects.get_range(self._key, self._position, length)
        self._position += len(data)
        return data

    async def close(self) -> None:
        """Nothing is held between two pieces."""


def _missing(key: str) -> PermanentError:
    return PermanentError(
        f"There is no object {key[:200]!r}.",
        category=Category.SOURCE_NOT_FOUND,
        action="Upload it first, or check its name.",
    )
