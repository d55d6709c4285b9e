"""When a failed attempt is followed by another. Only the ledger retries."""

from cinelog_merge.domain.state import Setback

MAX_LOSSES = 100
"""So often work may be lost before it counts as failed: half an hour of attempts and no answer."""
MAX_ATTEMPTS = {"fetch": 5, "encode": 4, "probe": 2, "extend": 6, "assemble": 4, "publish": 6}
FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 60.0


def is_tombstone(kind: str, work: str) -> bool:
    """Whether this work ends a run without a result."""
    return kind == "publish" and work != "completed"


def exhausted(kind: str, work: str, setback: Setback) -> bool:
    """Whether no further attempt will be made.

    A tombstone is tried for ever: a run without an end is a stuck job.
    """
    if is_tombstone(kind, work):
        return False
    return setback.permanent or setback.attempt >= MAX_ATTEMPTS.get(kind, 4)


def retry_at_ms(setback: Setback) -> int:
    """Return when the next attempt is due: 1, 2, 4 … 60 s, or later if the other side asked for it."""
    delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** max(0, min(setback.attempt, 30) - 1))
    return setback.at_ms + int(1000 * max(delay, min(setback.retry_after_s, 3600.0)))
