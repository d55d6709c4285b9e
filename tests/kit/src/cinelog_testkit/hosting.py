"""Asynchronous servers for tests that are not asynchronous themselves."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

Hosted = TypeVar("Hosted")


@contextmanager
def hosted(context: AbstractAsyncContextManager[Hosted]) -> Iterator[Hosted]:
    """Enter `context` on a thread with an event loop of its own; leave it there, too."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        # Closed by the thread that ran it: another one may be running a loop of its own.
        try:
            loop.run_forever()
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    async def enter() -> Hosted:
        return await context.__aenter__()

    async def leave() -> None:
        await context.__aexit__(None, None, None)

    thread = threading.Thread(target=run, name="hosted", daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(enter(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
