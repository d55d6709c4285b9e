"""Answers that resolving opened and fetching will go on with: the source is asked only once."""

import asyncio
from typing import Final

from cinelog_download.adapters.http import HttpBody

_MAX_PARKED: Final = 64


class Parking:
    """Holds open answers for a while; what nobody takes is closed."""

    def __init__(self, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._count = 0
        self._bodies: dict[str, HttpBody] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def park(self, body: HttpBody) -> str:
        """Hold `body` and return the name to take it by."""
        while len(self._bodies) >= _MAX_PARKED:
            self.drop(next(iter(self._bodies)))
        self._count += 1
        name = f"opening-{self._count}"
        self._bodies[name] = body
        self._timers[name] = asyncio.get_running_loop().call_later(self._keep_s, self.drop, name)
        return name

    def take(self, name: str) -> HttpBody | None:
        """Return what is parked as `name`, which is the caller's from now on; None if it is gone."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        return self._bodies.pop(name, None)

    def drop(self, name: str) -> None:
        """Close what is parked as `name`, if it still is."""
        body = self.take(name)
        if body is not None:
            task = asyncio.get_running_loop().create_task(body.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all that is parked."""
        for name in list(self._bodies):
            self.drop(name)
        await asyncio.gather(*self._closing)
