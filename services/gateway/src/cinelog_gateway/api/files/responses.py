"""Answers that carry an object, or a part of one, chunk by chunk."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import assert_never

import msgspec
from cinelog_common.errors import CinelogError
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from loguru import logger
from starlette.types import Send

from cinelog_gateway.api.errors import problem
from cinelog_gateway.domain.paths import cache_control, disposition
from cinelog_gateway.domain.ranges import Part, Unsatisfiable, Whole, range_holds, unchanged, wanted
from cinelog_gateway.ports import Files, OpenFile


class ObjectResponse(StreamingResponse):
    """Streams an object; breaks the connection off if it goes away meanwhile."""

    async def stream_response(self, send: Send) -> None:
        """Send the head and the chunks.

        An answer that cannot be finished is left unfinished: the server then closes the connection, and
        the client sees that bytes are missing.
        """
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        chunks = self.body_iterator
        assert isinstance(chunks, AsyncGenerator)
        async with aclosing(chunks):
            try:
                async for chunk in chunks:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except CinelogError as error:
                logger.bind(action="file.broken-off").warning("{}", error.message)
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How an object is handed over.

    Attributes:
        pinned: Whether the address names the run, so that it will always mean this object.
        download: Whether a browser should save it.
        title: What to call it then.
    """

    pinned: bool
    download: bool
    title: str


def answer(request: Request, files: Files, file: OpenFile, delivery: Delivery) -> Response:
    """Return the answer to a GET or HEAD of an object."""
    place = file.place
    headers = {
        "ETag": file.tag,
        "Cache-Control": cache_control(place, pinned=delivery.pinned),
        "Accept-Ranges": "bytes",
    }
    if unchanged(_listed(request, "if-none-match"), file.tag):
        return Response(status_code=304, headers=headers)
    if place.opaque or delivery.download:
        headers["Content-Disposition"] = disposition(place, delivery.title)
    headers["Content-Type"] = place.content_type
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(file.size_bytes)})
    asked = request.headers.get("range")
    if not range_holds(request.headers.get("if-range"), file.tag):
        asked = None
    match wanted(asked, file.size_bytes):
        case Whole():
            return _stream(files, file, Part(start=0, end=file.size_bytes), headers)
        case Part() as part:
            headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{file.size_bytes}"
            return _stream(files, file, part, headers, status=206)
        case Unsatisfiable():
            refused = problem(416, message="The range begins behind the file's end.")
            refused.headers["Content-Range"] = f"bytes */{file.size_bytes}"
            return refused
        case other:
            assert_never(other)


def _stream(
    files: Files, file: OpenFile, part: Part, headers: Mapping[str, str], *, status: int = 200
) -> Response:
    length = str(part.end - part.start)
    return ObjectResponse(
        files.chunks(file, part.start, part.end),
        status_code=status,
        headers={**headers, "Content-Length": length},
    )


def _listed(request: Request, name: str) -> str | None:
    """Return a header that may be sent in several lines."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None
