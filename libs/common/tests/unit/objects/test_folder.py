import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.objects.folder import FolderObjectStore
from cinelog_common.objects.keys import checked
from cinelog_common.objects.ports import Created, Exists
from cinelog_common.objects.testing import ObjectStoreConformance
from hypothesis import given
from hypothesis import strategies as st


class TestFolderObjectStore(ObjectStoreConformance):
    @pytest.fixture(autouse=True)
    def _root(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.root = tmp_path_factory.mktemp("store")

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[FolderObjectStore]:
        # Without fsync: what a power cut leaves is not to be seen in a test.
        store = FolderObjectStore(self.root, durable=False)
        yield store
        await store.close()


class TestFolderWithoutHardLinks(TestFolderObjectStore):
    @pytest.fixture(autouse=True)
    def _no_links(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)


def test_a_linked_file_takes_no_second_copy(tmp_path: Path) -> None:
    async def work() -> None:
        store = FolderObjectStore(tmp_path / "store")
        (tmp_path / "part").write_bytes(b"film")

        await store.link_from("source/film", tmp_path / "part")

        path = store.local_path("source/film")
        assert path is not None
        assert path.samefile(tmp_path / "part")

    asyncio.run(work())


def test_a_file_on_another_file_system_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_link = os.link

    def link(source: Path, target: Path) -> None:
        if ".drafts" not in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real_link(source, target)

    async def work() -> None:
        monkeypatch.setattr(os, "link", link)
        store = FolderObjectStore(tmp_path / "store")
        (tmp_path / "part").write_bytes(b"film")

        first = await store.link_from("film", tmp_path / "part")
        second = await store.link_from("film", tmp_path / "part")

        assert isinstance(first, Created)
        assert isinstance(second, Exists)
        assert await store.get("film") == b"film"

    asyncio.run(work())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (errno.ENOSPC, (PermanentError, Category.NO_SPACE)),
        (errno.EDQUOT, (PermanentError, Category.NO_SPACE)),
        (errno.EROFS, (PermanentError, Category.NOT_WRITABLE)),
        (errno.EACCES, (PermanentError, Category.NOT_WRITABLE)),
        (errno.EIO, (TransientError, Category.DEPENDENCY)),
    ],
)
def test_a_disk_that_refuses_is_named(
    code: int,
    expected: tuple[type[CinelogError], Category],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    async def work() -> None:
        store = FolderObjectStore(tmp_path)
        monkeypatch.setattr(Path, "write_bytes", refuse)

        with pytest.raises(CinelogError) as caught:
            await store.create("key", b"data")

        assert (type(caught.value), caught.value.category) == expected
        assert caught.value.action
        assert list((tmp_path / ".drafts").iterdir()) == []
        assert await store.head("key") is None

    asyncio.run(work())


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path: Path) -> None:
    async def work() -> None:
        (tmp_path / "file").touch()
        store = FolderObjectStore(tmp_path / "file" / "store")

        with pytest.raises(PermanentError) as caught:
            await store.probe()

        assert caught.value.category is Category.NOT_WRITABLE

    asyncio.run(work())


def test_drafts_of_a_crash_are_swept_away_and_fresh_ones_are_not(tmp_path: Path) -> None:
    async def work() -> None:
        store = FolderObjectStore(tmp_path)
        await store.create("a", b"")
        for name, mtime in (("old", 1_000_000), ("fresh", None)):
            (tmp_path / ".drafts" / name).touch()
            if mtime is not None:
                os.utime(tmp_path / ".drafts" / name, (mtime, mtime))

        await store.probe()

        assert [each.name for each in (tmp_path / ".drafts").iterdir()] == ["fresh"]

    asyncio.run(work())


def test_what_a_durable_store_created_was_flushed_with_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        flushed: list[str] = []
        real_fsync = os.fsync

        def fsync(handle: int) -> None:
            flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink()))
            real_fsync(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        store = FolderObjectStore(tmp_path / "store")

        await store.create("a/b", b"")

        names = {Path(each).relative_to(tmp_path).as_posix() for each in flushed}
        assert {"store", "store/a"} <= names
        assert any(name.startswith("store/.drafts/") for name in names)

    asyncio.run(work())


@given(st.text(max_size=40))
def test_an_accepted_key_stays_below_the_root(key: str) -> None:
    try:
        checked(key)
    except PermanentError:
        return

    path = os.path.normpath(f"/root/store/{key}")

    assert path == f"/root/store/{key}"
