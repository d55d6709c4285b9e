"""Warm children: started once, used for many tasks, and gone when nobody needs them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from cinelog_common.children import Child, ChildOptions

_PLAIN = ChildOptions()


class ChildPool:
    """Up to `size` children of one module, kept warm between tasks and ended when idle for `idle_s`."""

    def __init__(
        self, module: str, *, size: int, idle_s: float = 30.0, options: ChildOptions = _PLAIN
    ) -> None:
        self._module = module
        self._options = options
        self._idle_s = idle_s
        self._slots = asyncio.Semaphore(size)
        self._idle: dict[Child, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._warming: asyncio.Task[None] | None = None
        self._busy = 0
        self._closed = False

    @contextlib.asynccontextmanager
    async def child(self) -> AsyncIterator[Child]:
        """Hand out a child for one task; waits while all `size` are taken.

        Leave the context only when the conversation is over. If it is left by an
        exception, a cancellation included, the child is killed: nobody knows what it is doing.
        """
        async with self._slots:
            self._busy += 1
            try:
                async with self._kept_if_sound() as child:
                    yield child
            finally:
                self._busy -= 1

    async def warm(self, count: int) -> None:
        """Start children until `count` are there, so that the first tasks need not wait for imports."""
        while not self._closed and self._busy + len(self._idle) < count:
            async with self._slots:
                await self._keep(await self._start())

    def warm_later(self, count: int, after_s: float) -> None:
        """Warm the pool beside other work, once the processes that are needed before these have started."""

        async def warm() -> None:
            await asyncio.sleep(after_s)
            await self.warm(count)

        assert self._warming is None
        self._warming = asyncio.create_task(warm(), name=f"child.warm {self._module}")

    async def close(self) -> None:
        """End the idle children; those handed out end when they come back."""
        self._closed = True
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait((self._warming,))
        for child, timer in list(self._idle.items()):
            timer.cancel()
            self._end(child)
        await asyncio.gather(*self._ending)

    async def __aenter__(self) -> Self:
        """Return the pool itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        await self.close()

    @contextlib.asynccontextmanager
    async def _kept_if_sound(self) -> AsyncIterator[Child]:
        child = self._idle_one() or await self._start()
        try:
            yield child
        except BaseException:
            await child.kill()
            raise
        await self._keep(child)

    async def _start(self) -> Child:
        options = self._options
        return await Child.start(self._module, env=options.env, limits=options.limits, nice=options.nice)

    def _idle_one(self) -> Child | None:
        while self._idle:
            # The last one that came back: the others can go idle long enough to end.
            child, timer = self._idle.popitem()
            timer.cancel()
            if child.alive:
                return child
            self._end(child)
        return None

    async def _keep(self, child: Child) -> None:
        if self._closed or not child.alive:
            await child.kill()
            return
        self._idle[child] = asyncio.get_running_loop().call_later(self._idle_s, self._end, child)

    def _end(self, child: Child) -> None:
        self._idle.pop(child, None)
        task = asyncio.create_task(child.kill(), name=f"child.kill {self._module} {child.pid}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
