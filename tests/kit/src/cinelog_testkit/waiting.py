"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def wait_until(condition: Callable[[], bool], *, deadline_s: float, what: str) -> None:
    """Ask `condition` until it holds.

    Raises:
        TimeoutError: It did not hold within `deadline_s`; the message says `what` was awaited.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {deadline_s:g} s")
        time.sleep(0.03)


async def eventually(condition: Callable[[], bool], *, deadline_s: float = 20.0) -> None:
    """Wait until `condition` holds while other tasks run.

    Raises:
        TimeoutError: It did not hold within `deadline_s`.
    """
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - the condition is about the outside, where no event is set
            await asyncio.sleep(0.01)


def within(work: Coroutine[Any, Any, Result], *, deadline_s: float = 60.0) -> Result:
    """Run a test's coroutine to its end in an event loop of its own.

    Raises:
        TimeoutError: It did not end within `deadline_s`.
    """

    async def bounded() -> Result:
        async with asyncio.timeout(deadline_s):
            return await work

    return asyncio.run(bounded())


def is_running(pid: int) -> bool:
    """Tell whether a process runs; a zombie, ended but not yet reaped, does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
