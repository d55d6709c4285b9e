"""The fake and the folder keep the same promises."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cinelog_common.collections import COLLECTIONS
from cinelog_common.documents.testing import FakeDocumentStore
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.objects.ports import ObjectStore
from cinelog_common.objects.testing import FakeObjectStore
from cinelog_storage.adapters.folder import FolderShelves
from cinelog_storage.ports import ShelfMaker
from cinelog_storage.testing import FakeShelves, ShelfConformance


class TestFakeShelves(ShelfConformance):
    @asynccontextmanager
    async def open_shelves(self) -> AsyncIterator[tuple[ShelfMaker, ObjectStore]]:
        objects = FakeObjectStore()
        self._shelves = FakeShelves(objects)
        yield self._shelves, objects

    def seen(self) -> set[str]:
        return set(self._shelves.shown)

    def hidden(self) -> bool:
        return bool(self._shelves.staged)


class FolderShelfCase(ShelfConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.root = tmp_path
        self.destination = str(tmp_path / "shelf")

    def store(self) -> ObjectStore:
        raise NotImplementedError

    @asynccontextmanager
    async def open_shelves(self) -> AsyncIterator[tuple[ShelfMaker, ObjectStore]]:
        objects = self.store()
        yield FolderShelves(objects, FakeDocumentStore(COLLECTIONS)), objects

    def seen(self) -> set[str]:
        return {str(path) for path in Path(self.destination).glob("[!.]*")}

    def hidden(self) -> bool:
        return bool(list(Path(self.destination).glob(".*")))


class TestFolderOverFolder(FolderShelfCase):
    def store(self) -> ObjectStore:
        return FolderObjectStore(self.root / "objects", durable=False)


class TestFolderOverRemoteStore(FolderShelfCase):
    def store(self) -> ObjectStore:
        return FakeObjectStore()
