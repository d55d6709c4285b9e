"""Asks the servers that the gateway needs whether they answer; at most every other second."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cinelog_common.clock import Clock
from cinelog_common.collections import JOBS
from cinelog_common.contract import topics
from cinelog_common.errors import CinelogError
from cinelog_common.kafka.admin import LogOffsets
from cinelog_common.platform import Platform
from loguru import logger

OK = "ok"
KEEP_S = 2.0
TIMEOUT_S = 2.0

Check = Callable[[], Awaitable[object]]


class Checks:
    """The port `Health` over one call for each thing that is needed."""

    def __init__(self, clock: Clock, checks: Mapping[str, Check], *, timeout_s: float = TIMEOUT_S) -> None:
        self._clock = clock
        self._checks = dict(checks)
        self._timeout_s = timeout_s
        self._asking = asyncio.Lock()
        self._latest: tuple[float, dict[str, str]] | None = None

    async def check(self) -> dict[str, str]:
        """Ask all at the same time; whoever asks meanwhile gets the same answer."""
        async with self._asking:
            now = self._clock.monotonic()
            if self._latest is None or now - self._latest[0] >= KEEP_S:
                answers = await asyncio.gather(*(self._ask(name) for name in self._checks))
                self._latest = (now, dict(zip(self._checks, answers, strict=True)))
            return dict(self._latest[1])

    async def _ask(self, name: str) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._checks[name]()
        except TimeoutError:
            return "no answer in time"
        except CinelogError as error:
            logger.bind(action="health.failed").warning("{}: {}", name, error.message)
            return "does not answer"
        return OK


class LogCheck:
    """Asks the log for its ends; connects when it is first asked."""

    def __init__(self, bootstrap: str) -> None:
        self._offsets = LogOffsets(bootstrap)
        self._connected = False

    async def __call__(self) -> None:
        """Ask.

        Raises:
            TransientError: No broker answers.
        """
        if not self._connected:
            await self._offsets.start()
            self._connected = True
        await self._offsets.end_offsets([topics.EVENTS])

    async def stop(self) -> None:
        """Disconnect."""
        self._connected = False
        await self._offsets.stop()


def checks_of(platform: Platform, log: LogCheck) -> dict[str, Check]:
    """Return the checks of what lies outside: the log and the two stores. They only read."""
    return {
        "log": log,
        "objects": lambda: platform.objects.head("health/ready"),
        "documents": lambda: platform.documents.get(JOBS.name, "health"),
    }
