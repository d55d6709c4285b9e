"""Doubles for tests of the gateway: a ledger of a few lines, and a browser's end of a WebSocket."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self

import msgspec
from cinelog_common.announcer import Sender
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import Event, JobCancelRequested, JobDeleted, JobRequested, JobRetried
from cinelog_common.contract.status import JobState, JobStatus, Progress
from cinelog_common.kafka.compacted import ReaderSettings
from cinelog_common.kafka.records import Record
from starlette.types import ASGIApp, Message

from cinelog_gateway.adapters.jobs import ReaderMaker

WAIT_S = 5.0


class LittleLedger:
    """Answers events with snapshots as the ledger does: the first request of a job holds, runs only grow.

    Attributes:
        states: The latest snapshot of each job.
        events: Everything it was told, in order.
    """

    def __init__(self, sender: Sender, reader: ReaderMaker, *, bootstrap: str = "") -> None:
        self.states: dict[str, JobStatus] = {}
        self.events: list[Event] = []
        self._producer = sender
        self._reader = reader(ReaderSettings(bootstrap=bootstrap, topics=(topics.EVENTS,)), self._take)
        self._counter = 0

    async def start(self) -> None:
        """Begin to answer."""
        await self._reader.start()

    async def stop(self) -> None:
        """Fall silent."""
        await self._reader.stop()

    async def tell(self, status: JobStatus) -> JobStatus:
        """Write a snapshot, with the next version, as it comes from the ledger."""
        self._counter += 1
        told = msgspec.structs.replace(
            status, version=(1, self._counter), ledger=msgspec.Raw(b'{"secret": true}')
        )
        self.states[told.job] = told
        await self._producer.send(topics.STATUS, msgspec.json.encode(told), key=told.job.encode())
        return told

    async def change(self, job: str, **fields: Any) -> JobStatus:
        """Write the job's latest snapshot again, with other fields."""
        return await self.tell(msgspec.structs.replace(self.states[job], **fields))

    async def drop(self, job: str) -> None:
        """Write a tombstone."""
        await self._producer.send(topics.STATUS, None, key=job.encode())

    async def progress(self, progress: Progress) -> None:
        """Write progress, as a worker does."""
        await self._producer.send(topics.PROGRESS, msgspec.json.encode(progress), key=progress.job.encode())

    async def _take(self, record: Record) -> None:
        event = open_event(record.headers, record.value)
        self.events.append(event)
        state = self.states.get(event.job)
        match event:
            case JobRequested() if state is None:
                await self.tell(_requested(event))
            case JobCancelRequested() if state is not None and state.run == event.run:
                await self.change(event.job, state=JobState.CANCELLING)
            case JobRetried() if state is not None and state.run < event.run:
                await self.change(event.job, state=JobState.QUEUED, run=event.run, fraction=0.0, outputs=())
            case JobDeleted() if state is not None:
                await self.change(event.job, state=JobState.DELETED)


def _requested(event: JobRequested) -> JobStatus:
    return JobStatus(
        job=event.job,
        run=1,
        state=JobState.QUEUED,
        version=(0, 0),
        account=event.account,
        fingerprint=event.fingerprint,
        source_url=event.source.url,
        profile=event.options.profile,
        title=event.options.title or "",
        created_ms=event.requested_ms,
    )


class Socket:
    """The client's end of one WebSocket of an ASGI application.

    `holding` a message makes the application wait in `send`, as a slow network does.
    """

    def __init__(self, app: ASGIApp, path: str, headers: Mapping[str, str] | None = None) -> None:
        self._app = app
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode())
                for name, value in {"host": "127.0.0.1", **(headers or {})}.items()
            ],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8080),
            "subprotocols": [],
            "state": {},
            "extensions": {},
        }
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._outgoing: asyncio.Queue[Message] = asyncio.Queue()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect."""
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Go away, and wait until the application has noticed."""
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        self._flowing.set()
        assert self._task is not None
        async with asyncio.timeout(WAIT_S):
            await self._task

    async def message(self) -> Message:
        """Return the next ASGI message of the application."""
        async with asyncio.timeout(WAIT_S):
            return await self._outgoing.get()

    async def json(self) -> dict[str, Any]:
        """Return the next text that was sent, decoded."""
        message = await self.message()
        assert message["type"] == "websocket.send", message
        document: dict[str, Any] = msgspec.json.decode(message["text"])
        return document

    async def accepted(self) -> Self:
        """Wait until the application has accepted."""
        message = await self.message()
        assert message["type"] == "websocket.accept", message
        return self

    async def close_code(self) -> int:
        """Return what the application closes with."""
        message = await self.message()
        assert message["type"] == "websocket.close", message
        return int(message["code"])

    def say(self, text: str) -> None:
        """Send something to the application."""
        self._incoming.put_nowait({"type": "websocket.receive", "text": text})

    def hold(self) -> None:
        """Let the application wait in its next `send`."""
        self._flowing.clear()

    def release(self) -> None:
        """Let it go on."""
        self._flowing.set()

    @property
    def waiting(self) -> int:
        """How many messages were sent and not looked at."""
        return self._outgoing.qsize()

    async def _run(self) -> None:
        await self._app(self._scope, self._incoming.get, self._send)

    async def _send(self, message: Message) -> None:
        await self._flowing.wait()
        self._outgoing.put_nowait(message)
