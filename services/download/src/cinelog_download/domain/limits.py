"""The numbers and rules that bound resolving and fetching; settings fill them in."""

from typing import Final

import msgspec

from cinelog_download.domain.addresses import AddressPolicy
from cinelog_download.domain.blips import RetryPolicy
from cinelog_download.domain.connections import ConnectionPolicy

_MIB: Final = 1 << 20
LEAST_REQUEST_BYTES: Final = 64 * 1024
"""Shorter ranges are not worth a request."""


class FetchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How sources are resolved and fetched."""

    addresses: AddressPolicy = AddressPolicy()
    retries: RetryPolicy = RetryPolicy()
    connections: ConnectionPolicy = ConnectionPolicy()
    chunk_bytes: int = 8 * _MIB
    """What may be fetched twice after a crash: what is under way and what is not noted yet is never more."""
    first_bytes: int = _MIB
    """What the very first request asks for, before anything is known of it; a quarter chunk at most."""
    rate_bps: int | None = None
    """Bytes per second that all fetches of the process may take together; None is as many as come."""
    journal_bytes: int = _MIB
    """How many bytes may be there without being noted in the journal; a part of a chunk at most."""
    connect_timeout_s: float = 10.0
    answer_timeout_s: float = 30.0
    """From the request to the answer's headers, connecting included."""
    stall_window_s: float = 30.0
    stall_bytes: int = 16 * 1024
    """A connection that brings less than this in a window is given up."""
    max_source_bytes: int = 256 << 30
    reserve_bytes: int = 64 * _MIB
    """What a fetch leaves free on the scratch volume."""
    redirects: int = 10
    user_agent: str = "Mozilla/5.0 (compatible; Cinelog)"
    parked_s: float = 30.0
    """How long an answer that resolving opened waits to be fetched."""
    sounds: int = 8
    """How many sound tracks are fetched, where each is a file of its own."""
    page_timeout_s: float = 90.0
    """How long yt-dlp may take over a page."""
    page_bytes: int = 256 * _MIB
    """How much it may read meanwhile."""
    page_connections: int = 32
    local_cookies: bool = False
    """Whether cookies of this machine, from a file or a browser, may be used."""

    @property
    def request_bytes(self) -> int:
        """The longest range of one request: the next one begins before it ends, and both are at stake."""
        return max(self.chunk_bytes // 2, 1)

    @property
    def opening_bytes(self) -> int:
        """The range of the very first request."""
        return max(1, min(self.first_bytes, self.chunk_bytes // 4))

    @property
    def at_stake_bytes(self) -> int:
        """What may be under way or not yet noted at a time: a crash loses it.

        The next attempt opens the source anew, which may bring its first bytes once more: with those it
        stays below one chunk.
        """
        spare = min(2 * LEAST_REQUEST_BYTES, self.chunk_bytes // 8)
        return max(1, self.chunk_bytes - self.opening_bytes - spare)

    @property
    def note_bytes(self) -> int:
        """How many bytes may be there without being noted."""
        return max(1, min(self.journal_bytes, self.at_stake_bytes // 4))
