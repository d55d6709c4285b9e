"""The object store in one bucket."""

import asyncio
import contextlib
import email.utils
import uuid
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from cinelog_common.errors import Category, TransientError
from cinelog_common.objects.errors import ConflictError, ObjectMissingError, of_the_system
from cinelog_common.objects.keys import checked, checked_prefix
from cinelog_common.objects.ports import Created, Exists, ObjectInfo, StoredObject
from cinelog_common.objects.probing import prove
from cinelog_common.objects.s3.refusals import Refusal, in_our_words, is_missing, status
from cinelog_common.objects.s3.uploads import PART_BYTES, Target, size_of, upload

# Two writers met, and the store asks both to come again.
_TRIES = 6
_KEYS_A_REQUEST = 1000


class S3Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the bucket is, and who we are there; without keys the environment's own identity counts."""

    bucket: str
    prefix: str = ""
    """A folder of the bucket, ending with a slash."""
    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    region: str = "us-east-1"


class S3ObjectStore:
    """An object store in one bucket. Made by `open`."""

    def __init__(self, client: Any, exit_stack: contextlib.AsyncExitStack, options: S3Options) -> None:
        self._client = client
        self._exit_stack = exit_stack
        self._bucket = options.bucket
        self._prefix = options.prefix

    @classmethod
    async def open(cls, options: S3Options) -> Self:
        """Return a store whose connections `close` gives back; nothing is asked of the server yet."""
        config = AioConfig(
            # The default on a custom endpoint is version 2 in some requests.
            signature_version="s3v4",
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=32,
            s3={"addressing_style": "path" if options.endpoint else "auto"},
            # The newer trailing checksums are not known to every S3.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        stack = contextlib.AsyncExitStack()
        with in_our_words("open"):
            client = await stack.enter_async_context(
                get_session().create_client(
                    "s3",
                    endpoint_url=options.endpoint,
                    aws_access_key_id=options.access_key,
                    aws_secret_access_key=options.secret_key,
                    region_name=options.region,
                    config=config,
                )
            )
        return cls(client, stack, options)

    async def create(self, key: str, data: bytes | Path) -> Created | Exists:
        """Put with If-None-Match; of content in parts, the last request has the condition."""
        for attempt in range(_TRIES):
            # Long content is not sent in vain, as after a redelivery.
            taken = await self.head(key) if size_of(data) > PART_BYTES else None
            if taken is None:
                done = await self._upload(key, data, {"IfNoneMatch": "*"})
                if isinstance(done, ObjectInfo):
                    return Created(info=done)
                taken = await self.head(key)
            if taken is not None:
                return Exists(info=taken)
            await asyncio.sleep(0.02 * 2**attempt)
        raise ConflictError(key)

    async def link_from(self, key: str, path: Path) -> Created | Exists:
        """Upload the file: a bucket has no links to ours."""
        return await self.create(key, path)

    async def replace(self, key: str, data: bytes, *, if_match: str | None) -> ObjectInfo:
        """Put with If-Match, or If-None-Match where there was nothing."""
        condition = {"IfNoneMatch": "*"} if if_match is None else {"IfMatch": if_match}
        done = await self._upload(key, data, condition)
        if isinstance(done, Refusal):
            raise ConflictError(key)
        return done

    async def get(self, key: str) -> bytes:
        """Get the object."""
        return (await self.read(key)).data

    async def read(self, key: str) -> StoredObject:
        """Get the object and its etag in one answer."""
        with in_our_words(f"read {key}"):
            answer = await self._get(key)
            async with answer["Body"] as body:
                return StoredObject(info=_info(key, answer), data=await body.read())

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Get with a Range header."""
        if start < 0 or length < 0:
            raise ValueError("a range begins at 0 or later and is not negative")
        if length == 0:
            if await self.head(key) is None:
                raise ObjectMissingError(key)
            return b""
        with in_our_words(f"read {key}"):
            try:
                answer = await self._get(key, Range=f"bytes={start}-{start + length - 1}")
            except ClientError as error:
                if status(error) == 416:
                    return b""
                raise
            async with answer["Body"] as body:
                data: bytes = await body.read()
        # A store may ignore the header and send everything (RFC 9110, 14.2).
        whole = answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        return data[start : start + length] if whole else data

    async def fetch_to(self, key: str, path: Path) -> ObjectInfo:
        """Stream the object into a draft beside `path`, and rename it."""
        draft = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with in_our_words(f"read {key}"):
                answer = await self._get(key)
                info = _info(key, answer)
                async with answer["Body"] as body:
                    await self._pour(body, draft)
            await asyncio.to_thread(draft.replace, path)
        except OSError as error:
            raise of_the_system(error, f"cannot write {path}") from error
        finally:
            draft.unlink(missing_ok=True)
        return info

    async def head(self, key: str) -> ObjectInfo | None:
        """Ask for the object's headers."""
        with in_our_words(f"look at {key}"):
            try:
                answer = await self._client.head_object(Bucket=self._bucket, Key=self._name(key))
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        return _info(key, answer)

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Page through the bucket."""
        prefix = self._prefix + checked_prefix(prefix)
        with in_our_words(f"list {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            async for page in pages:
                for each in page.get("Contents", ()):
                    # Some stores list the folders of a file system as empty objects.
                    if not each["Key"].endswith("/"):
                        yield ObjectInfo(
                            key=each["Key"].removeprefix(self._prefix),
                            size_bytes=each["Size"],
                            etag=each["ETag"],
                            modified=each["LastModified"].timestamp(),
                        )

    async def delete(self, key: str) -> None:
        """Delete the object; S3 does not mind if there is none."""
        with in_our_words(f"delete {key}"):
            try:
                await self._client.delete_object(Bucket=self._bucket, Key=self._name(key))
            except ClientError as error:
                if not is_missing(error):
                    raise

    async def delete_prefix(self, prefix: str) -> int:
        """Delete in batches of a thousand."""
        count, batch = 0, []
        async for info in self.list(prefix):
            batch.append({"Key": self._prefix + info.key})
            if len(batch) == _KEYS_A_REQUEST:
                count += await self._delete_batch(batch)
                batch = []
        return count + (await self._delete_batch(batch) if batch else 0)

    def local_path(self, key: str) -> Path | None:
        """Return None: a bucket has no files."""
        checked(key)
        return None

    async def probe(self) -> None:
        """Prove the bucket."""
        await prove(self, f"the bucket {self._bucket}")

    async def close(self) -> None:
        """Close the connections."""
        await self._exit_stack.aclose()

    def _name(self, key: str) -> str:
        return self._prefix + checked(key)

    async def _get(self, key: str, **more: str) -> Any:
        try:
            return await self._client.get_object(Bucket=self._bucket, Key=self._name(key), **more)
        except ClientError as error:
            if is_missing(error):
                raise ObjectMissingError(key) from error
            raise

    async def _upload(self, key: str, data: bytes | Path, condition: dict[str, str]) -> ObjectInfo | Refusal:
        target = Target(bucket=self._bucket, name=self._name(key), condition=condition)
        with in_our_words(f"write {key}"):
            try:
                answer = await upload(self._client, data, target)
            except ClientError as error:
                if is_missing(error) and "IfMatch" in condition:
                    return Refusal.FAILED
                raise
        if isinstance(answer, Refusal):
            return answer
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        # The store's clock, without asking again.
        modified = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
        return ObjectInfo(key=key, size_bytes=size_of(data), etag=answer["ETag"], modified=modified)

    async def _pour(self, body: Any, draft: Path) -> None:
        with draft.open("xb") as sink:
            while data := await body.read(1 << 20):
                await asyncio.to_thread(sink.write, data)

    async def _delete_batch(self, batch: Sequence[dict[str, str]]) -> int:
        with in_our_words(f"delete {len(batch)} objects"):
            answer = await self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True}
            )
        failed = answer.get("Errors", [])
        if failed:
            said = f"{len(failed)} of {len(batch)} objects were not deleted: {failed[0].get('Code')}"
            raise TransientError(said, category=Category.DEPENDENCY, action="Look after the object store.")
        return len(batch)


def _info(key: str, answer: Any) -> ObjectInfo:
    return ObjectInfo(
        key=key,
        size_bytes=answer["ContentLength"],
        etag=answer["ETag"],
        modified=answer["LastModified"].timestamp(),
    )
