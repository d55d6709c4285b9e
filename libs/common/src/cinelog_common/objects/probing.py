"""The proof, at start, that a store keeps the two promises our safety rests on."""

import contextlib
import uuid

from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.errors import ConflictError
from cinelog_common.objects.ports import Created, Exists, ObjectStore

_ACTION = "Use a store that supports If-None-Match and If-Match, or update this one."


async def prove(store: ObjectStore, name: str) -> None:
    """Create twice and replace twice under a key of our own.

    Raises:
        PermanentError: The store called `name` let the second writer win.
    """
    key = f"probes/{uuid.uuid4().hex}"
    try:
        await _create_twice(store, key, name)
        await _replace_twice(store, key, name)
    finally:
        await store.delete(key)


async def _create_twice(store: ObjectStore, key: str, name: str) -> None:
    first, second = await store.create(key, b"first"), await store.create(key, b"second")
    if not (isinstance(first, Created) and isinstance(second, Exists)) or await store.get(key) != b"first":
        raise _refused(f"{name} overwrites an object that must be created only once")


async def _replace_twice(store: ObjectStore, key: str, name: str) -> None:
    seen = (await store.read(key)).info.etag
    await store.replace(key, b"third", if_match=seen)
    with contextlib.suppress(ConflictError):
        await store.replace(key, b"fourth", if_match=seen)
        raise _refused(f"{name} replaces an object that was changed in between")
    if await store.get(key) != b"third":
        raise _refused(f"{name} does not keep what it was given")


def _refused(said: str) -> PermanentError:
    return PermanentError(said, category=Category.NOT_WRITABLE, action=_ACTION)
