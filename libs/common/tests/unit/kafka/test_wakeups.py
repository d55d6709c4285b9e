import asyncio
import threading
from typing import Any

from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from cinelog_common.kafka import wakeups

ADDRESS = "127.0.0.1:9"


class Response:
    def __init__(self, records: bytes = b"", error: int = 0, end: int = 0) -> None:
        self.topics = [("t", [(0, error, end, 0, 0, None, records)])]


class Client:
    """Answers fetches with what it was given, at once."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.waits_ms: list[int] = []

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        await asyncio.sleep(0)
        if isinstance(request, FetchRequest):
            self.waits_ms.append(request._max_wait_ms)
            return self.answers.pop(0)
        return Response()


def fetch(wait_ms: int = 5_000, offset: int = 0) -> FetchRequest:
    return FetchRequest(wait_ms, 1, 1000, 0, [("t", [(0, offset, 1000)])])


def attached(*answers: Response) -> Client:
    client = Client(*answers)
    wakeups.register(ADDRESS)
    wakeups.attach(client, ADDRESS)
    return client


def test_a_fetch_that_finds_nothing_ends_when_this_process_appends() -> None:
    async def test() -> Any:
        consumer = attached(Response(), Response(b"records"))
        producer = Client()
        wakeups.attach(producer, ADDRESS)
        fetching = asyncio.create_task(consumer.send(1, fetch()))
        await asyncio.sleep(0.01)
        assert not fetching.done()

        await producer.send(1, ProduceRequest(None, -1, 1000, [("t", [(0, b"")])]))

        async with asyncio.timeout(1):
            response = await fetching
        assert consumer.waits_ms == [0, 0]
        return response

    assert asyncio.run(test()).topics[0][1][0][-1] == b"records"


def test_an_append_to_another_topic_does_not_end_it() -> None:
    async def test() -> None:
        consumer = attached(Response())
        fetching = asyncio.create_task(consumer.send(1, fetch(50)))
        await asyncio.sleep(0)
        found = wakeups.find(ADDRESS)
        assert found is not None

        found.notify(["other"])

        await fetching
        assert consumer.waits_ms == [0]  # it was not asked again

    asyncio.run(test())


def test_an_append_during_the_fetch_itself_is_not_missed() -> None:
    async def test() -> None:
        consumer = attached(Response(), Response(b"records"))
        fetching = asyncio.create_task(consumer.send(1, fetch()))
        await asyncio.sleep(0)  # the broker is being asked
        found = wakeups.find(ADDRESS)
        assert found is not None

        found.notify(["t"])

        async with asyncio.timeout(1):
            await fetching

    asyncio.run(test())


def test_records_and_errors_are_answered_at_once() -> None:
    async def test() -> None:
        async with asyncio.timeout(1):
            await attached(Response(b"records")).send(1, fetch())
            await attached(Response(error=6)).send(1, fetch())

    asyncio.run(test())


def test_an_append_in_another_thread_ends_it() -> None:
    async def test() -> None:
        consumer = attached(Response(), Response(b"records"))
        fetching = asyncio.create_task(consumer.send(1, fetch()))
        await asyncio.sleep(0.01)
        found = wakeups.find(ADDRESS)
        assert found is not None

        thread = threading.Thread(target=found.notify, args=(["t"],))
        thread.start()

        async with asyncio.timeout(1):
            await fetching
        thread.join()

    asyncio.run(test())


def test_a_broker_elsewhere_is_left_alone() -> None:
    async def test() -> None:
        client = Client(Response())
        wakeups.attach(client, "kafka.example:9092")

        await client.send(1, fetch(70))

        assert client.waits_ms == [70]

    asyncio.run(test())


def test_a_log_that_was_read_to_its_end_is_asked_again_only_after_an_append_or_the_wait() -> None:
    async def test() -> None:
        consumer = attached(
            Response(b"records", end=3), Response(b"more", end=4), Response(b"others'", end=5)
        )
        found = wakeups.find(ADDRESS)
        assert found is not None
        await consumer.send(1, fetch())

        fetching = asyncio.create_task(consumer.send(1, fetch(offset=3)))
        await asyncio.sleep(0.01)
        assert len(consumer.waits_ms) == 1
        found.notify(["t"])
        async with asyncio.timeout(1):
            assert (await fetching).topics[0][1][0][-1] == b"more"

        # Another process appended: nobody wakes this fetch, and it finds that when its wait is over.
        assert (await consumer.send(1, fetch(20, offset=4))).topics[0][1][0][-1] == b"others'"
        assert len(consumer.waits_ms) == 3

    asyncio.run(test())


def test_a_log_is_asked_where_it_was_not_read_to_its_end() -> None:
    async def test() -> None:
        consumer = attached(Response(b"one", end=3), Response(b"two", end=3), Response(error=1))
        async with asyncio.timeout(1):
            for offset in (0, 1, 9):
                await consumer.send(1, fetch(offset=offset))
        assert len(consumer.waits_ms) == 3

    asyncio.run(test())


def test_an_answer_that_an_append_overtook_says_nothing_of_the_end() -> None:
    async def test() -> None:
        consumer = attached(Response(b"records", end=3), Response(b"new", end=4))
        found = wakeups.find(ADDRESS)
        assert found is not None
        fetching = asyncio.create_task(consumer.send(1, fetch()))
        await asyncio.sleep(0)  # the broker is being asked, and has answered without the record below
        found.notify(["t"])
        await fetching
        async with asyncio.timeout(1):
            assert (await consumer.send(1, fetch(offset=3))).topics[0][1][0][-1] == b"new"

    asyncio.run(test())
