import asyncio
import contextlib
from collections.abc import AsyncIterator

import pymongo
import pytest
from cinelog_common.documents.mongo import MongoDocumentStore
from cinelog_common.documents.ports import Query
from cinelog_common.documents.testing import JOBS, NOTES, DocumentStoreConformance
from cinelog_common.errors import Category, TransientError
from cinelog_testkit.mongo import MongoServer
from cinelog_testkit.names import unique
from cinelog_testkit.servers import mongo_server

pytestmark = pytest.mark.real


class TestMongoDocumentStore(DocumentStoreConformance):
    @pytest.fixture(autouse=True)
    def _server(self, mongo: MongoServer) -> None:
        self.server = mongo

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[MongoDocumentStore]:
        store = await MongoDocumentStore.open(self.server.uri, unique("db"), [JOBS, NOTES])
        try:
            yield store
        finally:
            await store.close()


def test_a_search_uses_an_index(mongo: MongoServer) -> None:
    async def work(database: str) -> None:
        store = await MongoDocumentStore.open(mongo.uri, database, [JOBS])
        try:
            await store.insert("jobs", "a", {"at": 1, "state": "done"})
            await store.find("jobs", Query(where={"state": "done"}))
        finally:
            await store.close()

    database = unique("db")
    asyncio.run(work(database))

    with pymongo.MongoClient[dict[str, object]](mongo.uri) as client:
        cursor = client[database]["jobs"].find({"body.state": "done"})
        plan = str(cursor.sort([("body.at", -1), ("_id", -1)]).explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "SORT" not in plan


def test_a_server_that_is_down_may_answer_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(server: MongoServer) -> None:
        uri = f"{server.uri}&serverSelectionTimeoutMS=300"
        store = await MongoDocumentStore.open(uri, "db", [JOBS])
        try:
            server.kill()

            with pytest.raises(TransientError) as caught:
                await store.insert("jobs", "a", {"at": 1})

            assert caught.value.category is Category.DEPENDENCY
            server.restart()
            assert await store.insert("jobs", "a", {"at": 1})
        finally:
            await store.close()

    with mongo_server(own=True) as server:
        asyncio.run(work(server))
