"""How often a broken connection is tried again before the job hears of it."""

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts at one piece of the source, without the ledger's knowing."""

    attempts: int = 5
    """In a row without a single byte; then the error goes up."""
    first_s: float = 0.5
    most_s: float = 8.0
    """No longer wait is sat out here, ours or one that the server asked for."""

    def wait_s(self, attempt: int, asked_s: float | None = None) -> float | None:
        """Return the seconds to wait after failed `attempt` (from 1), or None to give up."""
        if attempt >= self.attempts or (asked_s is not None and asked_s > self.most_s):
            return None
        return max(min(self.first_s * 2.0 ** (attempt - 1), self.most_s), asked_s or 0.0)


class Stall:
    """Tells a slow source from a dead one: by progress, not by silence."""

    def __init__(self, *, window_s: float, least_bytes: int, now: float) -> None:
        self._window_s = window_s
        self._least_bytes = least_bytes
        self._since = now
        self._bytes = 0

    def stalled(self, now: float, received: int) -> bool:
        """Take note of `received` more bytes; True when a whole window brought fewer than the least."""
        self._bytes += received
        if self._bytes >= self._least_bytes:
            self._since, self._bytes = now, 0
            return False
        return now - self._since >= self._window_s
