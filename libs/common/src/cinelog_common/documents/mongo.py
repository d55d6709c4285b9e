"""Documents in MongoDB.

The only file that knows motor: its upkeep ends in May 2027, and PyMongo's
own asynchronous client will take its place here.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Self

from bson.int64 import Int64
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from cinelog_common.documents.checking import checked_id, checked_query, declared, encoded, page, place
from cinelog_common.documents.ports import FIRST, Body, Collection, Document, Page, Query, Version
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

# Unauthorized, AuthenticationFailed, AtlasError for the same (the server's error_codes.yml).
_REFUSED = frozenset({13, 18, 8000})
_FULL = frozenset({14031})
_TRIES = 5


class MongoDocumentStore:
    """A document store in one database. Made by `open`."""

    def __init__(self, client: Any, database: str, collections: dict[str, Collection]) -> None:
        self._client = client
        self._database = client[database]
        self._collections = collections

    @classmethod
    async def open(cls, uri: str, database: str, collections: Iterable[Collection]) -> Self:
        """Connect, and make the indexes if need be."""
        by_name = declared(collections)
        with _in_our_words("connect"):
            client = AsyncIOMotorClient(
                uri,
                # An acknowledged write is on the disks of a majority: it survives any one machine.
                w="majority",
                journal=True,
                wTimeoutMS=10_000,
                # And nothing is read that could be rolled back.
                readConcernLevel="majority",
                serverSelectionTimeoutMS=5_000,
                connectTimeoutMS=5_000,
                io_loop=asyncio.get_running_loop(),
            )
            store = cls(client, database, by_name)
            try:
                for each in by_name.values():
                    await store._make_indexes(each)
            except BaseException:
                client.close()
                raise
        return store

    async def _make_indexes(self, kind: Collection) -> None:
        order = [(f"body.{kind.order_by}", -1), ("_id", -1)]
        await self._of(kind.name).create_index(order)
        for field in kind.index:
            await self._of(kind.name).create_index([(f"body.{field}", 1), *order])

    async def get(self, collection: str, id_: str) -> Document | None:
        """Find by id."""
        with _in_our_words("read"):
            found = await self._of(collection).find_one({"_id": checked_id(id_)})
        return _document(found) if found is not None else None

    async def insert(self, collection: str, id_: str, body: Body) -> bool:
        """Insert unless the id is taken."""
        record = self._record(collection, checked_id(id_), body, FIRST)
        with _in_our_words("write"):
            try:
                await self._of(collection).insert_one(record)
            except DuplicateKeyError:
                return False
        return True

    async def put(self, collection: str, id_: str, body: Body, version: Version) -> bool:
        """Replace an older document, or insert one."""
        record = self._record(collection, checked_id(id_), body, version)
        epoch, position = version
        older = {"$or": [{"epoch": {"$lt": epoch}}, {"epoch": epoch, "position": {"$lt": position}}]}
        with _in_our_words("write"):
            for _ in range(_TRIES):
                try:
                    await self._of(collection).replace_one({"_id": id_, **older}, record, upsert=True)
                except DuplicateKeyError:
                    # There is one that is not older, or an older one appeared in between.
                    there = await self.get(collection, id_)
                    if there is not None and there.version >= version:
                        return False
                else:
                    return True
        raise TransientError(f"too many writers of {collection}/{id_}", category=Category.DEPENDENCY)

    async def update(self, collection: str, id_: str, body: Body, expected: Version) -> bool:
        """Replace the document of that very version."""
        epoch, position = expected
        record = self._record(collection, checked_id(id_), body, (epoch, position + 1))
        wanted = {"_id": id_, "epoch": epoch, "position": position}
        with _in_our_words("write"):
            done = await self._of(collection).replace_one(wanted, record)
        return bool(done.matched_count)

    async def find(self, collection: str, query: Query) -> Page:
        """Find by the indexes."""
        kind = self._collections[collection]
        query = checked_query(kind, query)
        order = f"body.{kind.order_by}"
        wanted: dict[str, Any] = {f"body.{name}": {"$eq": value} for name, value in query.where.items()}
        if query.after is not None:
            value, last = place(query.after)
            wanted["$or"] = [{order: {"$lt": value}}, {order: value, "_id": {"$lt": last}}]
        with _in_our_words("read"):
            cursor = self._of(collection).find(wanted).sort([(order, -1), ("_id", -1)])
            found = await cursor.limit(query.limit + 1).to_list(None)
        return page(kind, [_document(each) for each in found], query.limit)

    async def delete(self, collection: str, id_: str) -> bool:
        """Delete by id."""
        with _in_our_words("write"):
            done = await self._of(collection).delete_one({"_id": checked_id(id_)})
        return bool(done.deleted_count)

    async def counter(self, name: str) -> int:
        """Add one in the database itself."""
        with _in_our_words("count"):
            found = await self._database["counters"].find_one_and_update(
                {"_id": checked_id(name)},
                {"$inc": {"value": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        return int(found["value"])

    async def probe(self) -> None:
        """Count something, which is a write."""
        await self.counter("probe")

    async def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _of(self, collection: str) -> Any:
        return self._database[self._collections[collection].name]

    def _record(self, collection: str, id_: str, body: Body, version: Version) -> dict[str, Any]:
        encoded(self._collections[collection], body)
        # The body has a level of its own: its names may begin with a dollar or hold a dot.
        return {"_id": id_, "epoch": Int64(version[0]), "position": Int64(version[1]), "body": body}


def _document(record: dict[str, Any]) -> Document:
    version = (int(record["epoch"]), int(record["position"]))
    return Document(id=record["_id"], version=version, body=_plain(record["body"]))


def _plain(value: Any) -> Any:
    """Return the value without the driver's own kind of integer, which other codecs don't know."""
    match value:
        case Int64():
            return int(value)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


@contextlib.contextmanager
def _in_our_words(what: str) -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise _translated(error, f"MongoDB could not {what}: {error}") from error


def _translated(error: PyMongoError, said: str) -> CinelogError:
    if isinstance(error, DocumentTooLarge):
        return PermanentError(said, category=Category.LIMIT_EXCEEDED)
    if isinstance(error, ConfigurationError | InvalidURI):
        return PermanentError(said, category=Category.NOT_WRITABLE, action="Check MongoDB's address.")
    if isinstance(error, AutoReconnect | ConnectionFailure | WTimeoutError | ExecutionTimeout):
        return TransientError(said, category=Category.DEPENDENCY, action="Look after MongoDB.")
    if isinstance(error, OperationFailure):
        if error.code in _REFUSED:
            action = "Check MongoDB's user, password and rights."
            return PermanentError(said, category=Category.NOT_WRITABLE, action=action)
        if error.code in _FULL:
            return PermanentError(said, category=Category.NO_SPACE, action="Free space for MongoDB.")
    return TransientError(said, category=Category.DEPENDENCY, action="Look after MongoDB.")
