"""The document store as the services see it."""

from typing import Any, Protocol

import msgspec

Version = tuple[int, int]
"""Orders the states of one document: log epoch, then offset. Each from 0 to 2**63 - 1."""

Body = dict[str, Any]
"""JSON: null, booleans, integers of 64 bits, finite numbers, text, lists, and objects of these."""

FIRST: Version = (0, 0)


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of document. Declared when a store is opened, which makes its indexes."""

    name: str
    """Lower-case letters and underscores."""
    order_by: str
    """The top-level field that `find` sorts by, newest first. Every document has a number there."""
    index: tuple[str, ...] = ()
    """The top-level fields that `find` may ask for."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A stored document."""

    id: str
    version: Version
    body: Body


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What `find` looks for."""

    where: dict[str, str | int] = {}
    """Fields that must have this very value; each is in the collection's index."""
    limit: int = 50
    after: str | None = None
    """The `next` of the page before."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of what was found, newest first."""

    documents: list[Document]
    next: str | None
    """To ask for the following page; None if this is the last one."""


class DocumentStore(Protocol):
    """Documents by collection and id. What a write has returned for survives a power cut.

    Every method may raise, beside what it names:
        TransientError: The store does not answer (category `dependency`). A write may have happened.
        PermanentError: It is full (`no_space`), refuses us (`not_writable`), or cannot
            hold the document (`BadDocumentError`).
    """

    async def get(self, collection: str, id_: str) -> Document | None:
        """Return a document; None if there is none."""

    async def insert(self, collection: str, id_: str, body: Body) -> bool:
        """Store a new document with the version `FIRST`; False, and nothing done, if the id is taken."""

    async def put(self, collection: str, id_: str, body: Body, version: Version) -> bool:
        """Store a document unless the same or a newer version is there; tell whether it was stored.

        Versions may come in any order and any number of times: the newest stays.
        """

    async def update(self, collection: str, id_: str, body: Body, expected: Version) -> bool:
        """Replace the document if its version is still `expected`; tell whether it was.

        Its version is then `expected` with the second number one higher.
        """

    async def find(self, collection: str, query: Query) -> Page:
        """Return a page of the documents that match, newest first.

        Following pages neither repeat nor miss a document that was there all the time.

        Raises:
            BadCursorError: `query.after` was not made by this collection.
        """

    async def delete(self, collection: str, id_: str) -> bool:
        """Remove a document; tell whether there was one."""

    async def counter(self, name: str) -> int:
        """Add one to a named counter and return it; the first call returns 1, and none returns the same."""

    async def probe(self) -> None:
        """Prove that the store takes writes."""

    async def close(self) -> None:
        """Give back connections; the store is not used afterwards."""
