"""What every store can hold; one rule, so that what works in one works in the other."""

import base64
import binascii
import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from cinelog_common.documents.ports import Body, Collection, Document, Page, Query
from cinelog_common.errors import Category, PermanentError

MAX_BODY_BYTES = 4 << 20
"""As JSON. MongoDB's bound for its own form is 16 MiB."""

MAX_DEPTH = 50
"""MongoDB allows 100 levels, some of which are its own."""

MAX_ID_BYTES = 500
_INTEGERS = range(-(1 << 63), 1 << 63)
_NAME = re.compile(r"[a-z][a-z_]{0,40}")
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,40}")
_MAX_LIMIT = 1000


class BadDocumentError(PermanentError):
    """A document that not every store could hold."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"this document cannot be stored: {reason}", category=Category.INTERNAL)


class BadCursorError(PermanentError):
    """A cursor that no page of this collection ended with."""

    def __init__(self) -> None:
        action = "Start again without `after`."
        super().__init__("there is no such page", category=Category.INVALID_REQUEST, action=action)


def declared(collections: Iterable[Collection]) -> dict[str, Collection]:
    """Return the collections by name; names and fields become part of queries, so they are plain."""
    by_name = {each.name: each for each in collections}
    for each in by_name.values():
        fields = (each.order_by, *each.index)
        if not _NAME.fullmatch(each.name) or not all(_FIELD.fullmatch(field) for field in fields):
            raise ValueError(f"collection and field names are lower-case words: {each}")
    return by_name


def checked_id(id_: str) -> str:
    """Return an id that every store can hold.

    Raises:
        BadDocumentError: It is empty, too long or not text.
    """
    if not _is_text(id_) or not 0 < len(id_.encode()) <= MAX_ID_BYTES:
        raise BadDocumentError(f"its id {id_[:60]!r} is no text of 1 to {MAX_ID_BYTES} bytes")
    return id_


def encoded(collection: Collection, body: Body) -> bytes:
    """Return the body as JSON.

    Raises:
        BadDocumentError: Some store could not hold it, or `find` not sort it.
    """
    _check(body, 1)
    order = body.get(collection.order_by)
    if isinstance(order, bool) or not isinstance(order, int | float):
        raise BadDocumentError(f"its field {collection.order_by} is no number to sort by")
    data = msgspec.json.encode(body)
    if len(data) > MAX_BODY_BYTES:
        raise BadDocumentError(f"it has {len(data)} bytes, more than {MAX_BODY_BYTES}")
    return data


def checked_query(collection: Collection, query: Query) -> Query:
    """Return the query, its limit within bounds, if the collection has the index for it."""
    unknown = set(query.where) - set(collection.index)
    if unknown:
        raise ValueError(f"{collection.name} has no index for {sorted(unknown)}")
    limit = min(max(1, query.limit), _MAX_LIMIT)
    return msgspec.structs.replace(query, limit=limit)


def place(cursor: str) -> tuple[int | float, str]:
    """Return what a cursor stands for: the order and id of the last document seen.

    Raises:
        BadCursorError: It is not one of ours.
    """
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(data, type=tuple[int | float, str])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursorError from error


def page(collection: Collection, found: list[Document], limit: int) -> Page:
    """Make a page of what a query for one document more than `limit` has found."""
    shown = found[:limit]
    if len(found) <= limit:
        return Page(documents=shown, next=None)
    last = shown[-1]
    cursor = msgspec.json.encode((last.body[collection.order_by], last.id))
    return Page(documents=shown, next=base64.urlsafe_b64encode(cursor).decode().rstrip("="))


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadDocumentError(f"it is nested more than {MAX_DEPTH} deep")
    match value:
        case list() | tuple():
            for each in value:
                _check(each, depth + 1)
        case dict():
            for key, each in value.items():
                if not isinstance(key, str) or not _is_text(key):
                    raise BadDocumentError("a field's name is not text")
                _check(each, depth + 1)
        case _:
            _check_scalar(value)


def _check_scalar(value: Any) -> None:
    match value:
        case None | bool():
            return
        case int() if value not in _INTEGERS:
            raise BadDocumentError("an integer does not fit into 64 bits")
        case float() if not math.isfinite(value):
            raise BadDocumentError("a number is not finite")
        case str() if not _is_text(value):
            raise BadDocumentError("a text is not Unicode or has a NUL")
        case int() | float() | str():
            return
        case _:
            raise BadDocumentError(f"it has a {type(value).__name__}, which is not JSON")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    # MongoDB has no NUL in names, SQLite's functions end a text there.
    return "\0" not in value
