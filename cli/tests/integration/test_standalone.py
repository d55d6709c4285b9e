"""The one process: who may use a folder, and that a failed start leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from cinelog import standalone
from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog_common.contract import topics
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.values import Source
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.platform import Platform


class FakeService:
    """Starts and stops, or fails to."""

    name = "fake"

    def __init__(self, *, fails: bool = False, slow: int = 0) -> None:
        self.history: list[str] = []
        self._fails = fails
        self._slow = slow

    async def start(self) -> None:
        if self._fails:
            raise TransientError("It does not come up.")
        for _ in range(self._slow):
            await asyncio.sleep(0)
        self.history.append("started")

    async def stop(self, deadline_s: float) -> None:
        self.history.append("stopped")
        if self._fails:
            raise TransientError("It does not go down.")

    def ready(self) -> bool:
        return self.history == ["started"]


def with_services(monkeypatch: pytest.MonkeyPatch, *services: FakeService) -> None:
    monkeypatch.setattr(standalone, "standalone_services", lambda *_: services)


def a_node(folder: Path) -> Standalone:
    return Standalone(StandaloneSettings(data=folder))


def test_a_folder_has_one_user_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_services(monkeypatch, FakeService())

    async def work() -> None:
        async with a_node(tmp_path / "data") as first:
            assert first.ready()
            with pytest.raises(PermanentError) as raised:
                await a_node(tmp_path / "data").start()
            assert raised.value.category is Category.NOT_WRITABLE
            assert "Another cinelog" in raised.value.message
            assert first.ready()
        async with a_node(tmp_path / "data"):
            """The first one is gone."""

    asyncio.run(work())


def test_every_start_is_a_new_epoch_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_services(monkeypatch, FakeService())

    async def work() -> list[int]:
        epochs = []
        for _ in range(3):
            async with a_node(tmp_path / "data") as node:
                epochs.append(node.platform.epoch)
        return epochs

    epochs = asyncio.run(work())

    assert epochs == sorted(set(epochs))


def test_what_was_promised_is_asked_for_by_a_node_that_works_and_before_anybody_else_can_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[str, int]] = []

    class Listening(FakeService):
        """A service that looks what is in the log when it starts."""

        def __init__(self, name: str, platform: Platform) -> None:
            super().__init__()
            self.name = name
            self._platform = platform

        async def start(self) -> None:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._platform.bootstrap)
            await consumer.start()
            parts = [TopicPartition(topics.EVENTS, n) for n in range(standalone.PARTITIONS)]
            found.append((self.name, sum((await consumer.end_offsets(parts)).values())))
            await consumer.stop()
            await super().start()

    monkeypatch.setattr(
        standalone,
        "standalone_services",
        lambda _, platform: [Listening(name, platform) for name in ("gateway", "transcode")],
    )

    async def work() -> list[int]:
        asked = []
        async with a_node(tmp_path / "data") as node:
            for name in ("one", "other"):
                await node.journal.requested(JobRequested(job=name, source=Source(url="https://a.example/")))
        for resuming in (False, True):
            async with Standalone(StandaloneSettings(data=tmp_path / "data"), resuming=resuming) as node:
                asked.append(node.resumed)
                assert node.ready()
        return asked

    assert asyncio.run(work()) == [0, 2]
    assert found[-4:] == [("transcode", 0), ("gateway", 0), ("transcode", 0), ("gateway", 2)]


def test_one_service_that_fails_to_start_leaves_no_other_half_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, broken = FakeService(slow=50), FakeService(fails=True)
    with_services(monkeypatch, broken, slow)

    async def work() -> None:
        with pytest.raises(TransientError):
            await a_node(tmp_path / "data").start()

    asyncio.run(work())

    assert slow.history == ["started", "stopped"]


def test_one_service_that_fails_to_stop_does_not_keep_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = FakeService(), FakeService()
    bad._fails = False
    with_services(monkeypatch, bad, good)

    async def work() -> None:
        node = a_node(tmp_path / "data")
        await node.start()
        bad._fails = True
        with pytest.raises(TransientError):
            await node.stop(1)
        bad._fails = False
        async with a_node(tmp_path / "data"):
            """The folder is free."""

    asyncio.run(work())

    assert good.history.count("stopped") == 2


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_data_folder_that_cannot_be_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    async def work() -> None:
        with pytest.raises(PermanentError) as raised:
            await a_node(tmp_path / name).start()
        assert raised.value.category is Category.NOT_WRITABLE

    asyncio.run(work())


def test_documents_that_are_no_database_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_services(monkeypatch)
    (tmp_path / "documents.sqlite").write_bytes(b"this is no database" * 100)

    async def work() -> None:
        with pytest.raises((PermanentError, TransientError)) as raised:
            await a_node(tmp_path).start()
        assert "documents.sqlite" in raised.value.message or raised.value.action

    asyncio.run(work())
