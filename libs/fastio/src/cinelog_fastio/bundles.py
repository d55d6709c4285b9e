"""Packet bundles: written whole or not at all, read with every byte checked; `layout` tells their format."""

import contextlib
import mmap
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from cinelog_fastio import backend
from cinelog_fastio.frame import fold, pack_head, pack_trailer, summarise, unpack_head, unpack_trailer
from cinelog_fastio.kernel import ByteSource
from cinelog_fastio.layout import CHECKSUM, TRAILER
from cinelog_fastio.records import BundleError, BundleSummary, Packet, StreamParameters

_BUFFER_BYTES = 1 << 20


class BundleWriter:
    """Writes a bundle beside `path` and renames it there on `close`, so that no half one is ever seen.

    As a context manager it closes on success and aborts on an exception. It does not sync:
    a bundle lost to a power cut is found out by its trailer. Not safe for several threads at once.
    """

    def __init__(self, path: str | os.PathLike[str], parameters: StreamParameters, meta: bytes = b"") -> None:
        head, self._chain = pack_head(parameters, meta)
        self._path = Path(path)
        # Its own name, so that two writers of one path cannot mix; the last to close wins.
        self._part = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.part")
        self._file: BinaryIO | None = self._part.open("xb", buffering=_BUFFER_BYTES)
        self._packets = self._payload_bytes = 0
        self._size_bytes = len(head)
        self._write(head)

    def add(self, packet: Packet) -> None:
        """Append a packet.

        Raises:
            BundleError: It does not fit the format; the bundle goes on without it.
            ValueError: The writer is closed.
            OSError: The disk is full, or fails; the bundle is aborted.
        """
        self._opened()
        record = backend.kernel.pack_record(packet, self._packets)
        self._write(record)
        self._chain = fold(self._chain, CHECKSUM.unpack_from(record, len(record) - CHECKSUM.size)[0])
        self._packets += 1
        self._payload_bytes += len(packet.data)
        self._size_bytes += len(record)

    def close(self) -> BundleSummary:
        """Finish the bundle and make it visible; a failure leaves nothing behind.

        Raises:
            ValueError: The writer is closed already.
            OSError: The disk is full, or fails.
        """
        file = self._opened()
        summary = summarise(
            self._chain,
            packets=self._packets,
            payload_bytes=self._payload_bytes,
            size_bytes=self._size_bytes + TRAILER.size,
        )
        self._write(pack_trailer(summary))
        try:
            file.close()
            self._part.replace(self._path)
        except OSError:
            self.abort()
            raise
        self._file = None
        return summary

    def abort(self) -> None:
        """Drop what was written; does nothing after `close` or a first `abort`."""
        file, self._file = self._file, None
        if file is None:
            return
        # Closing writes out what is buffered, which fails again if the disk is full.
        with contextlib.suppress(OSError):
            file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
        elif self._file is not None:
            self.close()

    def _write(self, data: bytes) -> None:
        # After a failure nobody knows how much has gone out: such a bundle must never become visible.
        try:
            self._opened().write(data)
        except OSError:
            self.abort()
            raise

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError("the bundle writer is closed")
        return self._file


class BundleReader:
    """Reads one bundle that lies in memory or, by `open`, in a file.

    Its head and the trailer's plausibility are checked at once, each packet as it is reached, and the whole
    once the last one has been: a loop that ran to its end has seen nothing but what was written.
    May be iterated again and again.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source: ByteSource | None = source
        with memoryview(source) as raw, raw.cast("B") as view:
            head = unpack_head(view)
            self._claimed = unpack_trailer(view, head.end)
            self._records = (head.end, len(view) - TRAILER.size)
        self._chain = head.chain
        self.parameters = head.parameters
        self.meta = head.meta

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Map a file and read it; close the reader, or use it as a context manager.

        Raises:
            BundleError: As the constructor; an empty file too.
            OSError: The file cannot be opened.
        """
        with Path(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise BundleError("the bundle ends at byte 0, within its head")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            return cls(mapped)
        except BundleError:
            mapped.close()
            raise

    @property
    def packet_count(self) -> int:
        """How many packets the trailer claims: at most as many as the bundle has room for."""
        return self._claimed.packets

    def __iter__(self) -> Iterator[Packet]:
        """Yield each packet.

        Raises:
            BundleError: A record is damaged, or the bundle as a whole is not what its trailer says.
        """
        cursor = backend.kernel.cursor(self._opened(), *self._records, self._chain)
        yield from cursor
        self._compare(cursor.chain, cursor.packets, cursor.payload_bytes)

    def verify(self) -> BundleSummary:
        """Check every byte without making packets, and return what the bundle holds.

        Raises:
            BundleError: As iteration.
        """
        cursor = backend.kernel.cursor(self._opened(), *self._records, self._chain)
        cursor.skim()
        return self._compare(cursor.chain, cursor.packets, cursor.payload_bytes)

    def close(self) -> None:
        """Let go of the bytes, and unmap them once no iteration needs them any more."""
        source, self._source = self._source, None
        if isinstance(source, mmap.mmap):
            # An unfinished iteration still looks into the mapping, which goes with it.
            with contextlib.suppress(BufferError):
                source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> ByteSource:
        if self._source is None:
            raise ValueError("the bundle reader is closed")
        return self._source

    def _compare(self, chain: int, packets: int, payload_bytes: int) -> BundleSummary:
        found = summarise(
            chain, packets=packets, payload_bytes=payload_bytes, size_bytes=self._claimed.size_bytes
        )
        if found != self._claimed:
            raise BundleError(f"the trailer at byte {self._records[1]} does not match the {packets} packets")
        return found
