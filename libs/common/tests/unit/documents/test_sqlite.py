import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cinelog_common.documents.ports import FIRST, Collection, Query
from cinelog_common.documents.sqlite import SqliteDocumentStore
from cinelog_common.documents.testing import JOBS, NOTES, DocumentStoreConformance
from cinelog_common.errors import Category, PermanentError, TransientError


class TestSqliteDocumentStore(DocumentStoreConformance):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[SqliteDocumentStore]:
        store = await SqliteDocumentStore.open(self.folder / "made" / "cinelog.db", [JOBS, NOTES])
        try:
            yield store
        finally:
            await store.close()


@contextlib.asynccontextmanager
async def opened(path: Path, *collections: Collection) -> AsyncIterator[SqliteDocumentStore]:
    store = await SqliteDocumentStore.open(path, collections or [JOBS])
    try:
        yield store
    finally:
        await store.close()


def test_documents_and_counters_outlast_the_process(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            await store.put("jobs", "a", {"at": 1}, (3, 4))
            await store.counter("epoch")

        async with opened(tmp_path / "db") as store:
            found = await store.get("jobs", "a")
            assert found is not None
            assert found.version == (3, 4)
            assert await store.counter("epoch") == 2

    asyncio.run(work())


def test_what_was_acknowledged_survives_a_killed_process(tmp_path: Path) -> None:
    script = f"""
import asyncio, os, pathlib, signal
from cinelog_common.documents.sqlite import SqliteDocumentStore
from cinelog_common.documents.testing import JOBS
async def work():
    store = await SqliteDocumentStore.open(pathlib.Path({str(tmp_path)!r}) / "db", [JOBS])
    await store.insert("jobs", "kept", {{"at": 1}})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(work())
"""
    subprocess.run([sys.executable, "-c", script], check=False)

    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            assert await store.get("jobs", "kept") is not None

    asyncio.run(work())


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            [synchronous] = await store._connection.execute_fetchall("PRAGMA synchronous")
            [journal] = await store._connection.execute_fetchall("PRAGMA journal_mode")

            assert (tuple(synchronous), tuple(journal)) == ((2,), ("wal",))

    asyncio.run(work())


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as one, opened(tmp_path / "db") as two:
            numbers = await asyncio.gather(*(each.counter("n") for each in (one, two) * 10))

            assert sorted(numbers) == list(range(1, 21))

    asyncio.run(work())


def test_an_index_may_be_added_to_a_file_that_has_documents(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            await store.insert("jobs", "a", {"at": 1, "title": "film"})

        wider = msgspec.structs.replace(JOBS, index=(*JOBS.index, "title"))
        async with opened(tmp_path / "db", wider) as store:
            found = await store.find("jobs", Query(where={"title": "film"}))
            assert [each.id for each in found.documents] == ["a"]

    asyncio.run(work())


def test_a_search_uses_an_index(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            sql = (
                "EXPLAIN QUERY PLAN SELECT id FROM documents_jobs WHERE json_extract(body, '$.state') = 'x'"
                " ORDER BY json_extract(body, '$.at') DESC, id DESC LIMIT 3"
            )
            plan = " ".join(str(row[3]) for row in await store._connection.execute_fetchall(sql))

            assert "USING INDEX documents_jobs_by_state_at" in plan
            assert "TEMP B-TREE" not in plan

    asyncio.run(work())


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a database at all" * 100)

    with pytest.raises(PermanentError, match="not a database") as caught:
        asyncio.run(SqliteDocumentStore.open(tmp_path / "db", [JOBS]))

    assert caught.value.action


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PermanentError) as caught:
        asyncio.run(SqliteDocumentStore.open(tmp_path / "file" / "db", [JOBS]))

    assert caught.value.category is Category.NOT_WRITABLE


def test_a_file_that_somebody_holds_locked_may_be_free_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cinelog_common.documents.sqlite._BUSY_MS", 50)

    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            with contextlib.closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")

                with pytest.raises(TransientError, match="locked") as caught:
                    await store.insert("jobs", "a", {"at": 1})

            assert caught.value.category is Category.DEPENDENCY
            assert await store.insert("jobs", "a", {"at": 1})

    asyncio.run(work())


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path / "db") as store:
            [pages] = await store._connection.execute_fetchall("PRAGMA page_count")
            await store._connection.execute_fetchall(f"PRAGMA max_page_count = {pages[0]}")

            with pytest.raises(PermanentError) as caught:
                await store.insert("jobs", "a", {"at": 1, "text": "x" * 100_000})

            assert caught.value.category is Category.NO_SPACE
            assert await store.update("jobs", "a", {"at": 1}, FIRST) is False

    asyncio.run(work())
