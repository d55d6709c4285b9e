import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiobotocore.session import get_session
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.objects.s3 import S3ObjectStore, S3Options
from cinelog_common.objects.testing import ObjectStoreConformance
from cinelog_testkit.names import unique
from cinelog_testkit.s3 import S3Server

pytestmark = pytest.mark.real


async def make_bucket(server: S3Server) -> S3Options:
    options = S3Options(
        bucket=unique("bucket"),
        endpoint=server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
    )
    async with get_session().create_client(
        "s3",
        endpoint_url=options.endpoint,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        region_name=options.region,
    ) as client:
        await client.create_bucket(Bucket=options.bucket)
    return options


class TestS3ObjectStore(ObjectStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, s3: S3Server) -> None:
        self.server = s3

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[S3ObjectStore]:
        store = await S3ObjectStore.open(await make_bucket(self.server))
        try:
            yield store
        finally:
            await store.close()


def test_two_stores_share_a_bucket_by_their_prefixes(s3: S3Server) -> None:
    async def work() -> None:
        options = await make_bucket(s3)
        one, two = [
            await S3ObjectStore.open(msgspec.structs.replace(options, prefix=prefix))
            for prefix in ("one/", "one/two/")
        ]
        try:
            await one.create("jobs/a", b"of one")
            await two.create("jobs/a", b"of two")

            assert await one.get("jobs/a") == b"of one"
            assert [info.key async for info in two.list("jobs/")] == ["jobs/a"]
            assert await one.delete_prefix("jobs/") == 1
            assert await two.get("jobs/a") == b"of two"
        finally:
            await one.close()
            await two.close()

    asyncio.run(work())


def test_a_missing_bucket_is_a_clear_error(s3: S3Server) -> None:
    async def work() -> None:
        options = S3Options(
            bucket=unique("none"), endpoint=s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key
        )
        store = await S3ObjectStore.open(options)
        try:
            with pytest.raises(PermanentError, match="NoSuchBucket") as caught:
                await store.create("key", b"")
        finally:
            await store.close()
        assert caught.value.category is Category.NOT_WRITABLE

    asyncio.run(work())


def test_a_wrong_secret_is_a_clear_error(s3: S3Server) -> None:
    async def work() -> None:
        right = await make_bucket(s3)
        options = S3Options(
            bucket=right.bucket, endpoint=s3.endpoint, access_key=s3.access_key, secret_key="wrong"
        )
        store = await S3ObjectStore.open(options)
        try:
            with pytest.raises(PermanentError, match="SignatureDoesNotMatch") as caught:
                await store.probe()
        finally:
            await store.close()
        assert caught.value.category is Category.NOT_WRITABLE

    asyncio.run(work())


def test_a_server_that_is_down_may_answer_later(tmp_path: Path) -> None:
    async def work() -> None:
        options = S3Options(bucket="b", endpoint="http://127.0.0.1:1", access_key="k", secret_key="s")
        store = await S3ObjectStore.open(options)
        try:
            with pytest.raises(TransientError) as caught:
                await store.get("key")
        finally:
            await store.close()
        assert caught.value.category is Category.DEPENDENCY

    asyncio.run(work())
