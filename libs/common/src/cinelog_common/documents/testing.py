"""A fake document store, and what every document store promises."""

# ruff: noqa: D102 - the tests' names are sentences
import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from cinelog_common.documents.checking import (
    MAX_BODY_BYTES,
    BadCursorError,
    BadDocumentError,
    checked_id,
    checked_query,
    declared,
    encoded,
    page,
    place,
)
from cinelog_common.documents.ports import (
    FIRST,
    Body,
    Collection,
    Document,
    DocumentStore,
    Page,
    Query,
    Version,
)


class FakeDocumentStore:
    """Documents in memory."""

    def __init__(self, collections: Iterable[Collection]) -> None:
        self._collections = declared(collections)
        self._documents: dict[str, dict[str, Document]] = {name: {} for name in self._collections}
        self._counters: Counter[str] = Counter()

    async def get(self, collection: str, id_: str) -> Document | None:
        """Return a document."""
        return self._documents[collection].get(checked_id(id_))

    async def insert(self, collection: str, id_: str, body: Body) -> bool:
        """Keep a new document."""
        document = self._document(collection, id_, body, FIRST)
        return self._documents[collection].setdefault(id_, document) is document

    async def put(self, collection: str, id_: str, body: Body, version: Version) -> bool:
        """Keep a newer document."""
        document = self._document(collection, id_, body, version)
        there = await self.get(collection, id_)
        if there is not None and there.version >= version:
            return False
        self._documents[collection][id_] = document
        return True

    async def update(self, collection: str, id_: str, body: Body, expected: Version) -> bool:
        """Keep the next document."""
        document = self._document(collection, id_, body, (expected[0], expected[1] + 1))
        there = await self.get(collection, id_)
        if there is None or there.version != expected:
            return False
        self._documents[collection][id_] = document
        return True

    async def find(self, collection: str, query: Query) -> Page:
        """Go through the documents."""
        kind = self._collections[collection]
        query = checked_query(kind, query)
        after = place(query.after) if query.after is not None else None

        def order(document: Document) -> tuple[float, str]:
            return (document.body[kind.order_by], document.id)

        found = [
            each
            for each in self._documents[collection].values()
            if all(_same(each.body.get(name), value) for name, value in query.where.items())
            and (after is None or order(each) < after)
        ]
        return page(kind, sorted(found, key=order, reverse=True)[: query.limit + 1], query.limit)

    async def delete(self, collection: str, id_: str) -> bool:
        """Forget a document."""
        return self._documents[collection].pop(checked_id(id_), None) is not None

    async def counter(self, name: str) -> int:
        """Count."""
        self._counters[checked_id(name)] += 1
        return self._counters[name]

    async def probe(self) -> None:
        """Memory takes writes."""

    async def close(self) -> None:
        """Nothing is held open."""

    def _document(self, collection: str, id_: str, body: Body, version: Version) -> Document:
        data = encoded(self._collections[collection], body)
        # Through JSON, so that nobody shares the caller's object.
        return Document(id=checked_id(id_), version=version, body=msgspec.json.decode(data))


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


JOBS = Collection(name="jobs", order_by="at", index=("state", "account"))
NOTES = Collection(name="notes", order_by="at")

DEEP: list[Any] = []
for _ in range(60):
    DEEP = [DEEP]


class DocumentStoreConformance:
    """What every document store promises. A subclass says in `open_store` how its store is opened."""

    def open_store(self) -> AbstractAsyncContextManager[DocumentStore]:
        """Return an empty store with the collections `JOBS` and `NOTES`."""
        raise NotImplementedError

    def test_a_document_comes_back_as_it_was(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                body: Body = {
                    "at": 1.5,
                    "none": None,
                    "flags": [True, False],
                    "numbers": [0, -1, 2**63 - 1, -(2**63), 2**31, 0.1, -0.0, 1e300],
                    "text": "ä 映画 \U0001f3ac \n \\ \" '",
                    "nested": {"$set": {"a.b": 1}, "$": [], "": {}, "_id": "x", "a.b.": None},
                }

                assert await store.insert("jobs", "job 1", body)

                found = await store.get("jobs", "job 1")
                assert found == Document(id="job 1", version=FIRST, body=body)
                # Equal is not enough: 1 == 1.0 == True, and drivers have integers of their own.
                assert msgspec.json.encode(found.body) == msgspec.json.encode(body)

        asyncio.run(work())

    def test_what_is_not_there_is_none(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.insert("jobs", "a", {"at": 1})

                assert await store.get("jobs", "b") is None
                assert await store.get("notes", "a") is None
                assert not await store.delete("jobs", "b")
                assert not await store.update("jobs", "b", {"at": 1}, FIRST)

        asyncio.run(work())

    def test_the_second_insert_changes_nothing(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                first = await store.insert("jobs", "a", {"at": 1})
                second = await store.insert("jobs", "a", {"at": 2})

                found = await store.get("jobs", "a")
                assert (first, second) == (True, False)
                assert found is not None
                assert found.body == {"at": 1}

        asyncio.run(work())

    def test_of_many_inserts_at_once_one_wins(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                won = await asyncio.gather(*(store.insert("jobs", "a", {"at": n}) for n in range(30)))

                found = await store.get("jobs", "a")
                assert sum(won) == 1
                assert found is not None
                assert found.body == {"at": won.index(True)}

        asyncio.run(work())

    def test_versions_in_any_order_and_number_leave_the_newest(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                versions = [(epoch, offset) for epoch in (1, 2) for offset in (0, 7, 2**40)] * 2
                random.Random(7).shuffle(versions)

                stored = [await store.put("jobs", "a", {"at": 0, "of": list(v)}, v) for v in versions]

                found = await store.get("jobs", "a")
                newest = [max(versions[: n + 1]) for n in range(len(versions))]
                assert stored == [n == 0 or newest[n] > newest[n - 1] for n in range(len(versions))]
                assert found == Document(id="a", version=(2, 2**40), body={"at": 0, "of": [2, 2**40]})

        asyncio.run(work())

    def test_versions_that_race_leave_the_newest(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                order = list(range(30))
                random.Random(3).shuffle(order)

                await asyncio.gather(*(store.put("jobs", "a", {"at": n}, (1, n)) for n in order))

                found = await store.get("jobs", "a")
                assert found == Document(id="a", version=(1, 29), body={"at": 29})

        asyncio.run(work())

    def test_an_update_needs_the_version_that_was_read(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.insert("jobs", "a", {"at": 1})

                first = await store.update("jobs", "a", {"at": 2}, FIRST)
                stale = await store.update("jobs", "a", {"at": 3}, FIRST)

                found = await store.get("jobs", "a")
                assert (first, stale) == (True, False)
                assert found == Document(id="a", version=(0, 1), body={"at": 2})

        asyncio.run(work())

    def test_updates_that_race_are_all_counted(self) -> None:
        async def add(store: DocumentStore) -> None:
            while True:
                found = await store.get("jobs", "a")
                assert found is not None
                body = {"at": found.body["at"] + 1}
                if await store.update("jobs", "a", body, found.version):
                    return

        async def work() -> None:
            async with self.open_store() as store:
                await store.insert("jobs", "a", {"at": 0})

                await asyncio.gather(*(add(store) for _ in range(8)))

                found = await store.get("jobs", "a")
                assert found == Document(id="a", version=(0, 8), body={"at": 8})

        asyncio.run(work())

    def test_documents_are_found_newest_first_by_their_fields(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for n in range(6):
                    state = "done" if n % 2 else "running"
                    await store.insert("jobs", f"job {n}", {"at": n, "state": state, "account": "me"})
                await store.insert("jobs", "without", {"at": 9})

                async def ids(**where: str | int) -> list[str]:
                    return [each.id for each in (await store.find("jobs", Query(where=where))).documents]

                assert await ids(state="done") == ["job 5", "job 3", "job 1"]
                assert await ids(state="done", account="me") == ["job 5", "job 3", "job 1"]
                assert await ids(state="done", account="you") == []
                assert await ids() == ["without", "job 5", "job 4", "job 3", "job 2", "job 1", "job 0"]

        asyncio.run(work())

    def test_a_value_is_no_query_and_text_is_no_number(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.insert("jobs", "number", {"at": 1, "state": 5})
                await store.insert("jobs", "text", {"at": 2, "state": "5"})
                await store.insert("jobs", "hostile", {"at": 3, "state": "' OR 1=1 --"})

                async def ids(value: str | int) -> list[str]:
                    found = await store.find("jobs", Query(where={"state": value}))
                    return [each.id for each in found.documents]

                assert await ids(5) == ["number"]
                assert await ids("5") == ["text"]
                assert await ids("' OR 1=1 --") == ["hostile"]
                assert await ids("$ne") == []

        asyncio.run(work())

    def test_pages_follow_each_other_without_a_gap_or_a_repetition(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for n in range(23):
                    # Several of the same moment: the id decides.
                    await store.insert("jobs", f"job {n:02d}", {"at": n // 5 + 0.5, "state": "done"})

                seen: list[str] = []
                query = Query(where={"state": "done"}, limit=4)
                while True:
                    found = await store.find("jobs", query)
                    seen += [each.id for each in found.documents]
                    assert len(found.documents) <= 4
                    if found.next is None:
                        break
                    # What is new comes before what was seen, and does not disturb.
                    await store.insert("jobs", f"new {len(seen)}", {"at": 100, "state": "done"})
                    query = msgspec.structs.replace(query, after=found.next)

                assert seen == [f"job {n:02d}" for n in reversed(range(23))]

        asyncio.run(work())

    def test_a_full_last_page_is_known_to_be_the_last(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for n in range(4):
                    await store.insert("notes", str(n), {"at": n})

                assert (await store.find("notes", Query(limit=4))).next is None
                assert (await store.find("notes", Query(limit=3))).next is not None
                assert (await store.find("jobs", Query())).documents == []

        asyncio.run(work())

    @pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "WzFd", "\udce4", "a" * 5000])
    def test_a_cursor_that_is_not_ours_is_refused(self, cursor: str) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                with pytest.raises(BadCursorError):
                    await store.find("jobs", Query(after=cursor))

        asyncio.run(work())

    def test_a_field_without_an_index_is_a_mistake(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                with pytest.raises(ValueError, match="no index"):
                    await store.find("notes", Query(where={"state": "done"}))

        asyncio.run(work())

    @pytest.mark.parametrize(
        "value",
        [2**63, float("nan"), float("inf"), "a\0b", "\ud800", b"bytes", {1: 2}, {"a\0": 1}, DEEP, {1, 2}],
        ids=ascii,
    )
    def test_what_one_store_could_not_hold_every_store_refuses(self, value: object) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for write in (
                    store.insert("jobs", "a", {"at": 1, "value": value}),
                    store.put("jobs", "a", {"at": 1, "value": [value]}, (1, 1)),
                    store.update("jobs", "a", {"at": 1, "value": value}, FIRST),
                ):
                    with pytest.raises(BadDocumentError):
                        await write
                assert await store.get("jobs", "a") is None

        asyncio.run(work())

    def test_a_document_needs_a_number_to_sort_by_and_a_sound_id(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for body in ({}, {"at": None}, {"at": "today"}, {"at": True}):
                    with pytest.raises(BadDocumentError):
                        await store.insert("jobs", "a", body)
                for id_ in ("", "a\0", "x" * 501, "\ud800"):
                    with pytest.raises(BadDocumentError):
                        await store.insert("jobs", id_, {"at": 1})

        asyncio.run(work())

    def test_the_largest_document_fits_and_a_larger_one_is_refused(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                room = MAX_BODY_BYTES - len(msgspec.json.encode({"at": 1, "text": ""}))
                body = {"at": 1, "text": "x" * room}

                assert await store.insert("jobs", "large", body)

                found = await store.get("jobs", "large")
                assert found is not None
                assert found.body == body
                with pytest.raises(BadDocumentError, match="bytes"):
                    await store.insert("jobs", "larger", {"at": 1, "text": "x" * (room + 1)})

        asyncio.run(work())

    def test_a_deleted_document_is_gone_and_may_come_again(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.put("jobs", "a", {"at": 1}, (5, 5))

                assert await store.delete("jobs", "a")

                assert await store.get("jobs", "a") is None
                assert await store.put("jobs", "a", {"at": 2}, (1, 1))

        asyncio.run(work())

    def test_a_counter_never_returns_the_same_number(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                first = await store.counter("epoch")

                numbers = await asyncio.gather(*(store.counter("epoch") for _ in range(30)))

                assert first == 1
                assert sorted(numbers) == list(range(2, 32))
                assert await store.counter("another") == 1

        asyncio.run(work())

    def test_a_sound_store_passes_its_probe(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.probe()

                assert (await store.find("jobs", Query())).documents == []

        asyncio.run(work())
