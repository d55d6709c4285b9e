"""A minimal reader and writer of ISO base media boxes (14496-12 4.2).

The reader trusts nothing: every size is checked against the bytes that are there before it is
used, nothing is allocated by a declared count, and what is wrong raises `BoxError`.
"""

import struct
from collections.abc import Iterator

import msgspec

from cinelog_common.errors import Category, PermanentError

MAX_BOXES = 4096
"""Boxes in one container: far above what a film needs, far below what would hurt."""


class BoxError(PermanentError):
    """Bytes that are no sound box structure."""

    def __init__(self, message: str) -> None:
        super().__init__(message, category=Category.DAMAGED, action="Make the file again.")


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """Where a box lies in its data: header at `start`, payload [body, end)."""

    kind: bytes
    start: int
    body: int
    end: int


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box of `kind` around `parts`."""
    size = 8 + sum(map(len, parts))
    if size > 0xFFFFFFFF:
        raise BoxError(f"a {kind!r} box of {size} bytes needs a 64-bit size")
    return b"".join((struct.pack(">I4s", size, kind), *parts))


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """One box with version and flags (4.2.2)."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def media_data_header(size: int) -> bytes:
    """What begins an mdat box around `size` bytes; with a 64-bit size where it must be (4.2.2)."""
    if size + 8 > 0xFFFFFFFF:
        return struct.pack(">I4sQ", 1, b"mdat", size + 16)
    return struct.pack(">I4s", size + 8, b"mdat")


def boxes(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that fill [start, end) of `data`, one after another.

    Raises:
        BoxError: A box is shorter than its header, reaches past `end`, or there are too many.
    """
    limit = len(data) if end is None else end
    position = start
    for _ in range(MAX_BOXES):
        if position == limit:
            return
        found = box_at(data, position, limit)
        yield found
        position = found.end
    raise BoxError(f"more than {MAX_BOXES} boxes in one container")


def box_at(data: bytes | memoryview, position: int, limit: int) -> Box:
    """The box whose header lies at `position`; it must end at or before `limit`."""
    if limit > len(data) or position + 8 > limit:
        raise BoxError(f"a box header at byte {position} is cut off")
    size, kind = struct.unpack_from(">I4s", data, position)
    body = position + 8
    if size == 1:  # 4.2.2: largesize follows
        if position + 16 > limit:
            raise BoxError(f"a box header at byte {position} is cut off")
        (size,) = struct.unpack_from(">Q", data, body)
        body += 8
    elif size == 0:  # 4.2.2: to the end of the file
        size = limit - position
    if size < body - position or position + size > limit:
        raise BoxError(f"the {kind!r} box at byte {position} claims {size} of {limit - position} bytes")
    return Box(kind=kind, start=position, body=body, end=position + size)


def child(data: bytes | memoryview, parent: Box, kind: bytes) -> Box:
    """The first box of `kind` directly inside `parent`.

    Raises:
        BoxError: There is none.
    """
    found = maybe_child(data, parent, kind)
    if found is None:
        raise BoxError(f"no {kind!r} box in the {parent.kind!r} box")
    return found


def maybe_child(data: bytes | memoryview, parent: Box, kind: bytes) -> Box | None:
    """The first box of `kind` directly inside `parent`, if there is one."""
    return next((found for found in boxes(data, parent.body, parent.end) if found.kind == kind), None)


def descend(data: bytes | memoryview, *path: bytes) -> Box:
    """The first box at `path` from the top of `data`.

    Raises:
        BoxError: There is none.
    """
    here = Box(kind=b"file", start=0, body=0, end=len(data))
    for kind in path:
        here = child(data, here, kind)
    return here


class Cursor:
    """Reads big-endian fields one after another within a box; never past its end."""

    def __init__(self, data: bytes | memoryview, where: Box) -> None:
        self._data = data
        self._kind = where.kind
        self.position = where.body
        self.end = where.end

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return self.end - self.position

    def take(self, count: int) -> memoryview:
        """The next `count` bytes.

        Raises:
            BoxError: The box ends before.
        """
        if count < 0 or count > self.left:
            raise BoxError(f"the {self._kind!r} box ends {count - self.left} bytes early")
        piece = memoryview(self._data)[self.position : self.position + count]
        self.position += count
        return piece

    def uint(self, size: int) -> int:
        """The next unsigned number of `size` bytes."""
        return int.from_bytes(self.take(size), "big")

    def version_and_flags(self) -> tuple[int, int]:
        """What begins every full box."""
        return self.uint(1), self.uint(3)
