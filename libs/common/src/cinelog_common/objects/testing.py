"""A fake object store, and what every object store promises."""

# ruff: noqa: D102 - the tests' names are sentences
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from cinelog_common.clock import Clock, ManualClock
from cinelog_common.objects.errors import BadKeyError, ConflictError, ObjectMissingError
from cinelog_common.objects.keys import checked, checked_prefix
from cinelog_common.objects.ports import Created, Exists, ObjectInfo, ObjectStore, StoredObject
from cinelog_common.objects.probing import prove


class FakeObjectStore:
    """Objects in memory.

    Attributes:
        objects: What is stored, by key; for a test to look at, and to damage.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.objects: dict[str, StoredObject] = {}
        self._clock = clock or ManualClock()
        self._version = 0

    async def create(self, key: str, data: bytes | Path) -> Created | Exists:
        """Keep the content."""
        taken = await self.head(key)
        if taken is not None:
            return Exists(info=taken)
        return Created(info=self._keep(key, data))

    async def link_from(self, key: str, path: Path) -> Created | Exists:
        """Keep the file's content."""
        return await self.create(key, path)

    async def replace(self, key: str, data: bytes, *, if_match: str | None) -> ObjectInfo:
        """Compare and keep."""
        before = await self.head(key)
        if (before and before.etag) != if_match:
            raise ConflictError(key)
        return self._keep(key, data)

    async def get(self, key: str) -> bytes:
        """Return the content."""
        return (await self.read(key)).data

    async def read(self, key: str) -> StoredObject:
        """Return content and etag."""
        try:
            return self.objects[checked(key)]
        except KeyError as error:
            raise ObjectMissingError(key) from error

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return a part."""
        if start < 0 or length < 0:
            raise ValueError("a range begins at 0 or later and is not negative")
        return (await self.get(key))[start : start + length]

    async def fetch_to(self, key: str, path: Path) -> ObjectInfo:
        """Write the content to a file."""
        stored = await self.read(key)
        path.write_bytes(stored.data)
        return stored.info

    async def head(self, key: str) -> ObjectInfo | None:
        """Return what is known."""
        stored = self.objects.get(checked(key))
        return stored.info if stored else None

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """Go through the keys."""
        checked_prefix(prefix)
        for key in sorted(self.objects, key=str.encode):
            if key.startswith(prefix):
                yield self.objects[key].info

    async def delete(self, key: str) -> None:
        """Forget the object."""
        self.objects.pop(checked(key), None)

    async def delete_prefix(self, prefix: str) -> int:
        """Forget the objects."""
        found = [info.key async for info in self.list(prefix)]
        for key in found:
            del self.objects[key]
        return len(found)

    def local_path(self, key: str) -> Path | None:
        """Return None: there are no files."""
        checked(key)
        return None

    async def probe(self) -> None:
        """Prove the fake."""
        await prove(self, "the fake")

    async def close(self) -> None:
        """Nothing is held open."""

    def _keep(self, key: str, data: bytes | Path) -> ObjectInfo:
        content = data.read_bytes() if isinstance(data, Path) else bytes(data)
        self._version += 1
        now = self._clock.now()
        info = ObjectInfo(key=key, size_bytes=len(content), etag=f"v{self._version}", modified=now)
        self.objects[key] = StoredObject(info=info, data=content)
        return info


HOSTILE_KEYS = (
    *("", "/", "/absolute", "a//b", "trailing/", "..", "../up", "a/../../b", "a/..", ".", "./a", "a/./b"),
    *(".drafts/x", "a/.hidden", "nul\0byte", "new\nline", "back\\slash", "tab\tbed", "surrogate \ud800"),
    *("x" * 201, "/".join(["y" * 100] * 12)),
)


class ObjectStoreConformance:
    """What every object store promises. A subclass says in `open_store` how its store is opened."""

    def open_store(self) -> AbstractAsyncContextManager[ObjectStore]:
        """Return an empty store."""
        raise NotImplementedError

    def test_what_was_created_is_read_back(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                created = await store.create("a/b.bin", b"content")

                stored = await store.read("a/b.bin")

                assert isinstance(created, Created)
                assert stored.data == await store.get("a/b.bin") == b"content"
                assert stored.info.etag == created.info.etag
                assert (created.info.key, created.info.size_bytes) == ("a/b.bin", 7)
                head = await store.head("a/b.bin")
                assert head is not None
                assert (head.etag, head.size_bytes) == (created.info.etag, 7)
                assert abs(head.modified - created.info.modified) < 5

        asyncio.run(work())

    def test_an_empty_object_is_an_object(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                assert isinstance(await store.create("empty", b""), Created)

                assert await store.get("empty") == b""
                assert await store.get_range("empty", 0, 10) == b""
                assert isinstance(await store.create("empty", b"late"), Exists)

        asyncio.run(work())

    def test_the_second_writer_learns_of_the_first(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                first = await store.create("key", b"first")

                second = await store.create("key", b"second, and longer")

                assert isinstance(second, Exists)
                assert (second.info.etag, second.info.size_bytes) == (first.info.etag, 5)
                assert await store.get("key") == b"first"

        asyncio.run(work())

    def test_of_fifty_writers_at_once_one_wins_and_all_learn_of_it(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                contents = [f"writer {n}".encode() * (n + 1) for n in range(50)]

                outcomes = await asyncio.gather(*(store.create("race/key", each) for each in contents))

                winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Created)]
                assert len(winners) == 1
                assert await store.get("race/key") == contents[winners[0]]
                assert {outcome.info.etag for outcome in outcomes} == {outcomes[winners[0]].info.etag}
                assert [info.key async for info in store.list("race/")] == ["race/key"]

        asyncio.run(work())

    def test_long_content_from_a_file_and_from_memory_comes_back_whole(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                content = os.urandom(1 << 20) * 20 + b"the end"
                file = tmp_path / "long"
                file.write_bytes(content)

                from_file = await store.create("long/file", file)
                from_memory = await store.create("long/memory", content)
                late = await store.create("long/file", file)

                info = await store.fetch_to("long/file", tmp_path / "back")
                assert (tmp_path / "back").read_bytes() == content
                assert await store.get("long/memory") == content
                assert isinstance(from_file, Created)
                assert isinstance(from_memory, Created)
                assert isinstance(late, Exists)
                assert info.size_bytes == from_file.info.size_bytes == len(content)
                assert info.etag == from_file.info.etag

        asyncio.run(work())

    def test_of_several_writers_of_long_content_one_wins(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                contents = [bytes([n]) * (9 << 20) for n in range(4)]

                outcomes = await asyncio.gather(*(store.create("long", each) for each in contents))

                winners = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Created)]
                assert len(winners) == 1
                assert await store.get("long") == contents[winners[0]]

        asyncio.run(work())

    def test_a_finished_file_is_linked_once(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                (tmp_path / "one").write_bytes(b"one")
                (tmp_path / "two").write_bytes(b"two")

                first = await store.link_from("deep/down/linked", tmp_path / "one")
                second = await store.link_from("deep/down/linked", tmp_path / "two")

                assert isinstance(first, Created)
                assert isinstance(second, Exists)
                assert await store.get("deep/down/linked") == b"one"
                assert (tmp_path / "one").read_bytes() == b"one"

        asyncio.run(work())

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 3, b"012"),
            (2, 5, b"23456"),
            (8, 100, b"89"),
            (10, 1, b""),
            (50, 5, b""),
            (3, 0, b""),
            (5, 1 << 40, b"56789"),
        ],
    )
    def test_a_range_ends_where_the_object_ends(self, start: int, length: int, expected: bytes) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.create("digits", b"0123456789")

                assert await store.get_range("digits", start, length) == expected

        asyncio.run(work())

    def test_what_is_not_there_is_missing(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.create("folder/object", b"x")
                for key in ("nothing", "folder", "folder/object/below"):
                    assert await store.head(key) is None
                    with pytest.raises(ObjectMissingError):
                        await store.get(key)
                    with pytest.raises(ObjectMissingError):
                        await store.get_range(key, 0, 1)
                    with pytest.raises(ObjectMissingError):
                        await store.fetch_to(key, tmp_path / "none")
                    await store.delete(key)

                assert not (tmp_path / "none").exists()
                assert list(tmp_path.iterdir()) == []
                assert await store.get("folder/object") == b"x"

        asyncio.run(work())

    def test_a_hostile_key_is_refused_by_every_method(self, tmp_path: Path) -> None:
        async def refuse(store: ObjectStore, key: str) -> None:
            calls = (
                lambda: store.create(key, b""),
                lambda: store.replace(key, b"", if_match=None),
                lambda: store.link_from(key, tmp_path),
                lambda: store.get(key),
                lambda: store.read(key),
                lambda: store.get_range(key, 0, 1),
                lambda: store.fetch_to(key, tmp_path / "file"),
                lambda: store.head(key),
                lambda: store.delete(key),
                lambda: store.delete_prefix(key + "/"),
                lambda: anext(store.list(key + "/")),
            )
            for call in calls:
                with pytest.raises(BadKeyError):
                    await call()
            with pytest.raises(BadKeyError):
                store.local_path(key)

        async def work() -> None:
            async with self.open_store() as store:
                for key in HOSTILE_KEYS:
                    await refuse(store, key)

        asyncio.run(work())

    def test_names_in_any_script_are_keys(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                keys = ["p/film ä ö.mp4", "p/映画", "p/a+b&c=d?e#f%41", "p/it's (1) [2]"]
                for key in keys:
                    await store.create(key, key.encode())

                found = [info.key async for info in store.list("p/")]

                assert found == sorted(keys, key=str.encode)
                assert [await store.get(key) for key in keys] == [key.encode() for key in keys]

        asyncio.run(work())

    def test_a_replacement_needs_the_version_that_was_read(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                first = await store.replace("list", b"first", if_match=None)
                second = await store.replace("list", b"again", if_match=first.etag)

                for stale in (first.etag, None, '"0123456789abcdef0123456789abcdef"'):
                    with pytest.raises(ConflictError):
                        await store.replace("list", b"stale", if_match=stale)
                with pytest.raises(ConflictError):
                    await store.replace("nothing", b"", if_match=second.etag)

                assert await store.get("list") == b"again"
                assert await store.head("nothing") is None
                assert (await store.read("list")).info.etag == second.etag != first.etag

        asyncio.run(work())

    def test_replacements_that_race_are_all_counted(self) -> None:
        async def add(store: ObjectStore, word: bytes) -> None:
            while True:
                stored = await store.read("words")
                try:
                    await store.replace("words", stored.data + word, if_match=stored.info.etag)
                except ConflictError:
                    continue
                return

        async def work() -> None:
            async with self.open_store() as store:
                await store.replace("words", b"", if_match=None)

                await asyncio.gather(*(add(store, bytes([65 + n])) for n in range(8)))

                assert sorted(await store.get("words")) == list(b"ABCDEFGH")

        asyncio.run(work())

    def test_a_folder_is_listed_in_order_and_without_its_neighbours(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for key in ("jobs/1/b", "jobs/1/a/x", "jobs/1/a-b", "jobs/10/c", "jobs/2"):
                    await store.create(key, b"12345")

                found = [info async for info in store.list("jobs/1/")]

                assert [info.key for info in found] == ["jobs/1/a-b", "jobs/1/a/x", "jobs/1/b"]
                assert {info.size_bytes for info in found} == {5}
                assert [info.key async for info in store.list("nobody/")] == []
                head = await store.head("jobs/1/b")
                assert head is not None
                assert head.etag == found[2].etag

        asyncio.run(work())

    def test_more_objects_than_one_page_are_listed_and_deleted(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                keys = [f"many/{n:05d}" for n in range(1030)]
                for n in range(0, len(keys), 50):
                    await asyncio.gather(*(store.create(key, b"") for key in keys[n : n + 50]))

                assert [info.key async for info in store.list("many/")] == keys

                assert await store.delete_prefix("many/") == 1030
                assert [info async for info in store.list("many/")] == []

        asyncio.run(work())

    def test_deleting_a_folder_spares_its_neighbours(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for key in ("jobs/1/a", "jobs/1/b/c", "jobs/10/d", "jobs/1.txt"):
                    await store.create(key, b"")

                deleted = await store.delete_prefix("jobs/1/")

                assert deleted == 2
                assert [info.key async for info in store.list("jobs/")] == ["jobs/1.txt", "jobs/10/d"]
                assert await store.delete_prefix("jobs/1/") == 0

        asyncio.run(work())

    def test_a_deleted_object_can_be_created_again(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.create("a/b/c", b"old")
                await store.delete("a/b/c")

                assert isinstance(await store.create("a/b/c", b"new"), Created)
                assert await store.get("a/b/c") == b"new"

        asyncio.run(work())

    def test_creating_beside_a_delete_neither_fails_nor_loses(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                for n in range(60):
                    await store.create(f"busy/{n}/old", b"")
                    await asyncio.gather(
                        store.delete(f"busy/{n}/old"), store.create(f"busy/{n}/new", b"kept")
                    )

                assert [info.key async for info in store.list("busy/")] == sorted(
                    f"busy/{n}/new" for n in range(60)
                )

        asyncio.run(work())

    def test_a_fetched_file_may_be_written_to(self, tmp_path: Path) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.create("key", b"original")
                file = tmp_path / "copy"
                file.write_bytes(b"what was there before is replaced")

                await store.fetch_to("key", file)
                fetched = file.read_bytes()
                file.write_bytes(b"scribble")

                assert fetched == b"original"
                assert await store.get("key") == b"original"

        asyncio.run(work())

    def test_a_local_path_leads_to_the_content(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.create("a/b", b"content")

                path = store.local_path("a/b")

                assert path is None or path.read_bytes() == b"content"

        asyncio.run(work())

    def test_a_sound_store_passes_its_probe_and_keeps_nothing_of_it(self) -> None:
        async def work() -> None:
            async with self.open_store() as store:
                await store.probe()

                assert [info async for info in store.list("probes/")] == []

        asyncio.run(work())
