"""Sitting out short failures, and the errors that a fetch ends with."""

import asyncio
from collections.abc import Awaitable, Callable

from cinelog_common.errors import Category, PermanentError, TransientError
from loguru import logger

from cinelog_download.domain.limits import FetchPolicy

Sleep = Callable[[float], Awaitable[object]]


class Patience:
    """Sits out short failures of one connection."""

    def __init__(self, policy: FetchPolicy, name: str, *, sleep: Sleep = asyncio.sleep) -> None:
        """`sleep` waits so many seconds; tests look at them instead."""
        self._policy = policy
        self._name = name
        self._sleep = sleep
        self._attempt = 0

    async def sit_out(self, error: TransientError, *, gained: int) -> None:
        """Wait, or raise `error` if it happened too often in a row or asks for too long a wait.

        Few `gained` bytes do not count: a source that drips would keep us for ever.
        """
        self._attempt = 1 if gained >= self._policy.stall_bytes else self._attempt + 1
        wait_s = self._policy.retries.wait_s(self._attempt, error.retry_after_s)
        if wait_s is None:
            raise error
        logger.bind(action="fetch.retried", part=self._name).info("{} Trying again.", error.message)
        await self._sleep(wait_s)


def too_large(most: int) -> PermanentError:
    """Return the error of a source that is larger than the settings allow."""
    return PermanentError(
        f"The source is larger than {most / 1e9:.1f} GB.",
        category=Category.LIMIT_EXCEEDED,
        action="Use a smaller source, or raise CINELOG_DOWNLOAD_MAX_SOURCE_BYTES for the download service.",
    )


def broken_off(why: str) -> TransientError:
    """Return the error of a connection that brought less than it should."""
    return TransientError(
        f"The source cannot be fetched: {why}.",
        category=Category.SOURCE_UNREACHABLE,
        action="Try again; what is there already is kept.",
    )
