"""A web server on loopback that serves one file at a given rate and remembers when it was asked for what."""

import asyncio
import mmap
import re
import time
from pathlib import Path

PIECE = 16 * 1024
LATE_S = 0.1
"""A sleep that ends later than it should, because the processors are busy, is made up for if it is by less
than this: what a link and its buffers hold goes on arriving, whoever is busy. Who asks late gains nothing."""


class RatedOrigin:
    """Serves `path` with ranges, all connections together at `rate` bytes a second."""

    def __init__(self, path: Path, rate: float) -> None:
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._rate = rate
        self._next = 0.0
        self._server: asyncio.Server | None = None
        self.url = ""
        self.sent = 0
        self.first_request: float | None = None
        self.last_byte: float | None = None

    @property
    def size(self) -> int:
        return len(self._data)

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/film.mp4"
        return self.url

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._one(head.decode(), writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the reader left, or the benchmark is over
        finally:
            writer.close()

    async def _one(self, head: str, writer: asyncio.StreamWriter) -> bool:
        if self.first_request is None:
            self.first_request = time.perf_counter()
        wanted = re.search(r"(?im)^range:\s*bytes=(\d*)-(\d*)", head)
        start, end = 0, self.size - 1
        if wanted and wanted[1]:
            start, end = int(wanted[1]), min(int(wanted[2] or end), end)
        elif wanted:
            start = max(0, self.size - int(wanted[2]))
        status = "206 Partial Content" if wanted else "200 OK"
        lines = [
            f"HTTP/1.1 {status}",
            "Content-Type: video/mp4",
            "Accept-Ranges: bytes",
            'ETag: "film"',
            f"Content-Length: {end - start + 1}",
        ]
        if wanted:
            lines.append(f"Content-Range: bytes {start}-{end}/{self.size}")
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        for at in range(start, end + 1, PIECE):
            piece = self._data[at : min(at + PIECE, end + 1)]
            await self._wait_turn(len(piece))
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)
        self.last_byte = time.perf_counter()
        return True

    async def _wait_turn(self, count: int) -> None:
        now = time.perf_counter()
        self._next = (now if now - self._next > LATE_S else self._next) + count / self._rate
        await asyncio.sleep(max(0.0, self._next - now))
