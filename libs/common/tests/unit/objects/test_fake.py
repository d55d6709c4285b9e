import contextlib
from collections.abc import AsyncIterator

from cinelog_common.objects.testing import FakeObjectStore, ObjectStoreConformance


class TestFakeObjectStore(ObjectStoreConformance):
    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[FakeObjectStore]:
        yield FakeObjectStore()
