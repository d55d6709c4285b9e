"""How many connections a source is worth: one, unless measuring shows that each is capped.

Several connections where one would do take bandwidth from everybody else and
bring nothing, so a further one has to prove itself against what was there before.
"""

import msgspec


class ConnectionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a further connection is tried, and when it is kept."""

    most: int = 4
    window_s: float = 2.0
    """How long each number of connections is measured."""
    gain: float = 1.3
    """A further connection stays if all together are at least so many times as fast."""
    worthwhile_s: float = 6.0
    """With less time than this left nothing is tried."""
    front_share: float = 0.2
    front_bytes: int = 32 << 20
    """Nothing is tried before this share, or so many bytes, came: a rival for the link delays the front,
    and with it the first segment."""


class ConnectionBudget:
    """Decides on the number of connections from bytes and times that it is told."""

    def __init__(self, policy: ConnectionPolicy) -> None:
        self._policy = policy
        self._settled = policy.most <= 1
        self._rate_before = 0.0
        self._since: float | None = None
        self._bytes = 0
        self.allowed = 1

    def observe(self, now: float, received: int, left: int) -> int:
        """Take note that `received` bytes came in all and `left` are missing; return the number to use.

        Args:
            now: Seconds of a monotonic clock.
            received: Bytes received since the fetch began; never falls.
            left: Bytes that are not there yet.
        """
        if self._settled:
            return self.allowed
        if self._since is None:
            self._restart(now, received)
            return self.allowed
        elapsed = now - self._since
        if elapsed >= self._policy.window_s:
            rate = (received - self._bytes) / elapsed
            self._judge(rate, received=received, left=left)
            self._restart(now, received)
        return self.allowed

    def fall_back(self) -> None:
        """Use one connection from now on: the source does not like several."""
        self.allowed = 1
        self._settled = True

    def _judge(self, rate: float, *, received: int, left: int) -> None:
        front = min(self._policy.front_bytes, self._policy.front_share * (received + left))
        if self._rate_before and rate < self._rate_before * self._policy.gain:
            self.allowed -= 1
            self._settled = True
        elif self.allowed == self._policy.most:
            self._settled = True
        elif received >= front and rate > 0 and left / rate > self._policy.worthwhile_s:
            self._rate_before = rate
            self.allowed += 1

    def _restart(self, now: float, received: int) -> None:
        self._since = now
        self._bytes = received
