"""A bound on how many bytes a second are taken in."""

from typing import Final

_BURST_S: Final = 0.25


class Throttle:
    """Shares `rate_bps` bytes a second among all who ask; a quarter of a second's worth may come at once."""

    def __init__(self, rate_bps: int) -> None:
        self._rate_bps = rate_bps
        self._free_at = float("-inf")

    def wait_s(self, now: float, taken: int) -> float:
        """Take note of `taken` more bytes; return how long whoever took them must not go on.

        Args:
            now: Seconds of a monotonic clock.
            taken: Bytes.
        """
        self._free_at = max(self._free_at, now - _BURST_S) + taken / self._rate_bps
        return max(0.0, self._free_at - now)
