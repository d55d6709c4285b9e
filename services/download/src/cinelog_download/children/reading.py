"""Part files that are still being filled, as file objects for libavformat: a read waits for its bytes."""

import os
from collections.abc import Callable
from typing import Final

from cinelog_download.domain.demuxing import Extent, InputFile, Needed

Ask = Callable[[Needed], Extent]
"""Asks the parent for bytes and waits until they are there (or the input is known to end before)."""

_FAR: Final = 1 << 62
_SLICE: Final = 1 << 16
_PIECE: Final = 1 << 12
"""What a read waits for: sound of its own brings more only every few seconds. What is there is read too."""


class ArrivingFile:
    """One input, or one stretch of it after the other: what `read`, `size` and `seek` speak of is a stretch.

    `read` returns at least a byte, or nothing at the end; `seek` only where `jumps` says so.
    """

    def __init__(self, number: int, source: InputFile, ask: Ask) -> None:
        self._number = number
        self._ask = ask
        self._descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        self._base = 0
        self._end = source.size_bytes
        self._following: int | None = None
        self._there = range(0)
        self._position = 0
        self.wanted = source.kind
        self.language = source.language
        self.title = source.title
        self.in_pieces = source.in_pieces
        self.listed_s = source.duration_s
        self.jumps = True

    @property
    def size(self) -> int:
        """The size in bytes; waits for the end where nobody knows it yet."""
        if self._end is None:
            extent = self._ask_for(_FAR, 1)
            self._end = extent.end
        return self._end - self._base

    @property
    def known_size(self) -> int | None:
        """The size if it is known by now."""
        return None if self._end is None else self._end - self._base

    def go_on(self) -> int | None:
        """Turn to the next stretch and return its number, if there is one; its first byte is byte 0 then."""
        end = self._base + self.size
        if self._following is None:
            return None
        number, self._following = self._following, None
        self._base, self._end, self._position = end, None, 0
        self._there = range(0)
        return number

    def peek(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`, all of them unless the input ends; do not move."""
        pieces = []
        while length > 0 and (piece := self._some(offset, length)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def read(self, length: int) -> bytes:
        """Return at least one byte, at most `length`, or nothing at the end."""
        piece = self._some(self._position, length, _PIECE)
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as `io` does."""
        base = {0: 0, 1: self._position}.get(whence)
        self._position = max(0, offset + (self.size if base is None else base))
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seekable(self) -> bool:
        """Tell whether libavformat may seek."""
        return self.jumps

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _some(self, offset: int, length: int, least: int = _SLICE) -> bytes:
        at = self._base + offset
        if self._end is not None and at >= self._end:
            return b""
        if at not in self._there:
            extent = self._ask_for(at, min(length, least))
            if extent.end <= at:
                self._end = extent.end
                return b""
            self._there = range(at, extent.end)
        return os.pread(self._descriptor, min(length, self._there.stop - at), at)

    def _ask_for(self, start: int, length: int) -> Extent:
        extent = self._ask(Needed(input=self._number, start=start, length=length, base=self._base))
        if extent.following is not None:
            self._end, self._following = extent.end, extent.following
        elif extent.size_bytes is not None and not self.in_pieces:
            self._end = extent.size_bytes
        return extent
