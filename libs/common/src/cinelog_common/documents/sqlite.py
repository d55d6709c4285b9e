"""Documents in one SQLite file; for one machine.

Write-ahead logging, so that readers never wait for a writer, and a flush to
the disk with every commit: what was acknowledged survives a power cut. Each
method is one statement, and so one transaction.
"""

# ruff: noqa: S608 - names in a statement are declared lower-case words; values are always bound
import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import aiosqlite
import msgspec

from cinelog_common.documents.checking import checked_id, checked_query, declared, encoded, page, place
from cinelog_common.documents.ports import FIRST, Body, Collection, Document, Page, Query, Version
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

_BUSY_MS = 10_000

# What SQLite says (sqlite.org/rescode.html), without the extension in the upper bits.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_TOOBIG}
_CLOSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SqliteDocumentStore:
    """A document store in the file `path`. Made by `open`."""

    def __init__(
        self, connection: aiosqlite.Connection, path: Path, collections: dict[str, Collection]
    ) -> None:
        self._connection = connection
        self._path = path
        self._collections = collections

    @classmethod
    async def open(cls, path: Path, collections: Iterable[Collection]) -> Self:
        """Open the file, and make it and its tables if need be."""
        by_name = declared(collections)
        with _in_our_words(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise _not_writable(path, str(error)) from error
            connection = await aiosqlite.connect(path, isolation_level=None)
            try:
                await connection.executescript(_schema(by_name.values()))
            except BaseException:
                await connection.close()
                raise
        return cls(connection, path, by_name)

    async def get(self, collection: str, id_: str) -> Document | None:
        """Select one row."""
        sql = f"SELECT id, epoch, position, body FROM {self._table(collection)} WHERE id = ?"
        rows = await self._rows(sql, (checked_id(id_),))
        return _document(rows[0]) if rows else None

    async def insert(self, collection: str, id_: str, body: Body) -> bool:
        """Insert unless the id is taken."""
        sql = f"INSERT INTO {self._table(collection)} VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return await self._change(sql, (checked_id(id_), *FIRST, self._encoded(collection, body)))

    async def put(self, collection: str, id_: str, body: Body, version: Version) -> bool:
        """Insert, or update an older row."""
        table = self._table(collection)
        sql = (
            f"INSERT INTO {table} VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
            " SET epoch = excluded.epoch, position = excluded.position, body = excluded.body"
            f" WHERE (excluded.epoch, excluded.position) > ({table}.epoch, {table}.position)"
        )
        return await self._change(sql, (checked_id(id_), *version, self._encoded(collection, body)))

    async def update(self, collection: str, id_: str, body: Body, expected: Version) -> bool:
        """Update the row of that very version."""
        table = self._table(collection)
        sql = (
            f"UPDATE {table} SET position = position + 1, body = ?"
            " WHERE id = ? AND epoch = ? AND position = ?"
        )
        return await self._change(sql, (self._encoded(collection, body), checked_id(id_), *expected))

    async def find(self, collection: str, query: Query) -> Page:
        """Select by the expression indexes."""
        kind = self._collections[collection]
        query = checked_query(kind, query)
        order = _field(kind.order_by)
        conditions = [f"{_field(name)} = ?" for name in query.where]
        values: list[Any] = list(query.where.values())
        if query.after is not None:
            conditions.append(f"({order}, id) < (?, ?)")
            values += place(query.after)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        sql = (
            f"SELECT id, epoch, position, body FROM {self._table(collection)}{where}"
            f" ORDER BY {order} DESC, id DESC LIMIT ?"
        )
        rows = await self._rows(sql, (*values, query.limit + 1))
        return page(kind, [_document(row) for row in rows], query.limit)

    async def delete(self, collection: str, id_: str) -> bool:
        """Delete one row."""
        return await self._change(f"DELETE FROM {self._table(collection)} WHERE id = ?", (checked_id(id_),))

    async def counter(self, name: str) -> int:
        """Add one in the database itself."""
        sql = (
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            " RETURNING value"
        )
        rows = await self._rows(sql, (checked_id(name),))
        return int(rows[0][0])

    async def probe(self) -> None:
        """Count something, which is a write."""
        await self.counter("probe")

    async def close(self) -> None:
        """Close the file; SQLite then folds its log into it."""
        await self._connection.close()

    def _table(self, collection: str) -> str:
        # `declared` has let through nothing but lower-case words.
        return f"documents_{self._collections[collection].name}"

    def _encoded(self, collection: str, body: Body) -> str:
        return encoded(self._collections[collection], body).decode()

    async def _rows(self, sql: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        with _in_our_words(self._path):
            return list(await self._connection.execute_fetchall(sql, values))

    async def _change(self, sql: str, values: tuple[Any, ...]) -> bool:
        with _in_our_words(self._path):
            async with self._connection.execute(sql, values) as cursor:
                return cursor.rowcount > 0


def _schema(collections: Iterable[Collection]) -> str:
    lines = [
        f"PRAGMA busy_timeout = {_BUSY_MS};",
        "PRAGMA journal_mode = WAL;",
        "PRAGMA synchronous = FULL;",
        "CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;",
    ]
    for each in collections:
        table = f"documents_{each.name}"
        lines.append(
            f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, epoch INTEGER NOT NULL,"
            " position INTEGER NOT NULL, body TEXT NOT NULL) STRICT;"
        )
        order = f"{_field(each.order_by)} DESC, id DESC"
        lines.append(f"CREATE INDEX IF NOT EXISTS {table}_by_{each.order_by} ON {table} ({order});")
        # Indexes on expressions: another index later needs no migration of the rows.
        lines += [
            f"CREATE INDEX IF NOT EXISTS {table}_by_{field}_{each.order_by}"
            f" ON {table} ({_field(field)}, {order});"
            for field in each.index
        ]
    return "\n".join(lines)


def _field(name: str) -> str:
    return f"json_extract(body, '$.{name}')"


def _document(row: sqlite3.Row) -> Document:
    return Document(
        id=row[0], version=(row[1], row[2]), body=msgspec.json.decode(row[3], type=dict[str, Any])
    )


@contextlib.contextmanager
def _in_our_words(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, path) from error


def _translated(error: sqlite3.Error, path: Path) -> CinelogError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    said = f"the database {path}: {error}"
    if code in _FULL:
        return PermanentError(said, category=Category.NO_SPACE, action="Free some space and retry.")
    if code in _CLOSED:
        return _not_writable(path, str(error))
    if code in _BROKEN:
        action = "Restore the file from a backup, or move it away to begin anew."
        return PermanentError(said, category=Category.NOT_WRITABLE, action=action)
    return TransientError(said, category=Category.DEPENDENCY, action="Look after the disk.")


def _not_writable(path: Path, reason: str) -> PermanentError:
    action = "Give Cinelog a folder that it may write."
    return PermanentError(f"the database {path}: {reason}", category=Category.NOT_WRITABLE, action=action)
