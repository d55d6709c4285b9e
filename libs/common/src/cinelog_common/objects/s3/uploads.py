"""Conditional uploads: short content in one request, long content in parts."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from cinelog_common.errors import CinelogError
from cinelog_common.objects.s3.refusals import Refusal, in_our_words, refusal

PART_BYTES = 8 << 20
"""S3 wants parts of at least 5 MiB; what is no longer than one is sent in one request."""

_PARTS_AT_ONCE = 3


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where an upload goes, and on which condition."""

    bucket: str
    name: str
    condition: dict[str, str]

    def at(self) -> dict[str, str]:
        """Return the arguments that name the object."""
        return {"Bucket": self.bucket, "Key": self.name}


def size_of(data: bytes | Path) -> int:
    """Return how many bytes there are to send."""
    return data.stat().st_size if isinstance(data, Path) else len(data)


async def upload(client: Any, data: bytes | Path, target: Target) -> dict[str, Any] | Refusal:
    """Send `data`; return the store's answer, or why the condition kept it from being stored."""
    try:
        if size_of(data) > PART_BYTES:
            answer: dict[str, Any] = await _in_parts(client, data, target)
        else:
            body = await _piece(data, 0)
            answer = await client.put_object(**target.at(), Body=body, **target.condition)
    except ClientError as error:
        refused = refusal(error)
        if refused is None:
            raise
        return refused
    return answer


async def _in_parts(client: Any, data: bytes | Path, target: Target) -> dict[str, Any]:
    begun = await client.create_multipart_upload(**target.at())
    upload_id = begun["UploadId"]
    slots = asyncio.Semaphore(_PARTS_AT_ONCE)

    async def send(number: int, start: int) -> dict[str, Any]:
        async with slots:
            body = await _piece(data, start)
            sent = await client.upload_part(**target.at(), UploadId=upload_id, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        async with asyncio.TaskGroup() as group:
            starts = range(0, size_of(data), PART_BYTES)
            sending = [group.create_task(send(number, start)) for number, start in enumerate(starts, 1)]
        parts = {"Parts": [task.result() for task in sending]}
        answer: dict[str, Any] = await client.complete_multipart_upload(
            **target.at(), UploadId=upload_id, MultipartUpload=parts, **target.condition
        )
    except BaseException as error:
        # Parts that nobody completes are invisible and paid for.
        await asyncio.shield(_abort(client, target, upload_id))
        if isinstance(error, BaseExceptionGroup):
            raise error.exceptions[0] from error
        raise
    return answer


async def _abort(client: Any, target: Target, upload_id: str) -> None:
    with contextlib.suppress(CinelogError), in_our_words("abort an upload"):
        await client.abort_multipart_upload(**target.at(), UploadId=upload_id)


async def _piece(data: bytes | Path, start: int) -> bytes:
    if isinstance(data, Path):
        return await asyncio.to_thread(_read, data, start)
    return data[start : start + PART_BYTES] if len(data) > PART_BYTES else data


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as handle:
        handle.seek(start)
        return handle.read(PART_BYTES)
