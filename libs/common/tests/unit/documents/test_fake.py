import contextlib
from collections.abc import AsyncIterator

from cinelog_common.documents.testing import JOBS, NOTES, DocumentStoreConformance, FakeDocumentStore


class TestFakeDocumentStore(DocumentStoreConformance):
    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[FakeDocumentStore]:
        yield FakeDocumentStore([JOBS, NOTES])
