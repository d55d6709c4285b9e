"""Part files that are still being filled, as file objects for libavformat: a read waits for its bytes."""

import os
from collections.abc import Callable
from typing import Final

from cinelog_download.domain.demuxing import Extent, InputFile, Needed

Ask = Callable[[Needed], Extent]
"""Asks the parent for bytes and waits until they are there (or the input is known to end before)."""

_FAR: Final = 1 << 62
_SLICE: Final = 1 << 16


class ArrivingFile:
    """One input. `read` returns at least a byte, or nothing at the end; `seek` only where `jumps` says so."""

    def __init__(self, number: int, source: InputFile, ask: Ask) -> None:
        self._number = number
        self._ask = ask
        self._descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = source.size_bytes
        self._there = range(0)
        self._position = 0
        self.jumps = True

    @property
    def size(self) -> int:
        """The input's size in bytes; waits for its end where nobody knows it yet."""
        if self._size is None:
            self._size = self._ask(Needed(input=self._number, start=_FAR, length=1)).end
        return self._size

    @property
    def known_size(self) -> int | None:
        """The size if it is known by now."""
        return self._size

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
        piece = self._some(self._position, length)
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

    def _some(self, offset: int, length: int) -> bytes:
        if self._size is not None and offset >= self._size:
            return b""
        if offset not in self._there:
            extent = self._ask(Needed(input=self._number, start=offset, length=min(length, _SLICE)))
            if extent.size_bytes is not None:
                self._size = extent.size_bytes
            if extent.end <= offset:
                return b""
            self._there = range(offset, extent.end)
        return os.pread(self._descriptor, min(length, self._there.stop - offset), offset)
