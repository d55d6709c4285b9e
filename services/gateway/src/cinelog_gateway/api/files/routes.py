"""The files of a job: of the current run, or of one run by its number."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from cinelog_gateway.api.errors import documented
from cinelog_gateway.api.files.responses import Delivery, answer
from cinelog_gateway.api.parts import Parts, PartsOf
from cinelog_gateway.domain.board import is_gone
from cinelog_gateway.domain.paths import is_job_id, place
from cinelog_gateway.ports import NoFileError, UnknownJobError

router = APIRouter(prefix="/api/v1/jobs", tags=["files"], responses=documented(404, 421, 422, 503))

_BYTES: dict[str, Any] = {
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {**_BYTES, "description": "The file."},
    206: {**_BYTES, "description": "The bytes that the Range header asks for."},
    304: {"description": "It is still the version of If-None-Match."},
    **documented(416),
}
_GET: dict[str, Any] = {"response_class": Response, "responses": _ANSWERS}


class Address(msgspec.Struct, frozen=True):
    """What a request for a file names."""

    job: str
    path: str
    download: bool


def _address(
    job: str,
    path: Annotated[str, Path(description="Below `live/`, `encoded/` or `output/`.")],
    download: Annotated[str | None, Query(description="If present, a browser saves the file.")] = None,
) -> Address:
    return Address(job, path, download is not None)


AddressOf = Annotated[Address, Depends(_address)]


@router.get("/{job}/files/{path:path}", operation_id="readFile", summary="Read a file", **_GET)
@router.head("/{job}/files/{path:path}", include_in_schema=False)
async def current(address: AddressOf, request: Request, parts: PartsOf) -> Response:
    """Return a file of the job's current run. The same address means another file after a retry."""
    return await _serve(request, parts, address, None)


@router.get(
    "/{job}/runs/{run}/files/{path:path}", operation_id="readFileOfRun", summary="Read a run's file", **_GET
)
@router.head("/{job}/runs/{run}/files/{path:path}", include_in_schema=False)
async def pinned(
    address: AddressOf,
    run: Annotated[int, Path(ge=1, le=1_000_000)],
    request: Request,
    parts: PartsOf,
) -> Response:
    """Return a file of one run. What is under these addresses never changes, but for live playlists."""
    return await _serve(request, parts, address, run)


async def _serve(request: Request, parts: Parts, address: Address, run: int | None) -> Response:
    status = await parts.jobs.find(address.job) if is_job_id(address.job) else None
    if status is None or is_gone(status):
        raise UnknownJobError(address.job)
    where = place(address.job, status.run if run is None else run, address.path)
    if where is None or where.run > status.run:
        raise NoFileError
    file = await parts.files.find(where)
    if file is None:
        raise NoFileError
    delivery = Delivery(pinned=run is not None, download=address.download, title=status.title)
    return answer(request, parts.files, file, delivery)
