"""What a run's source is recognised by: another one under the same address is another run."""

import hashlib
from collections.abc import Sequence

from cinelog_common.contract.values import Value

_HEAD_BYTES = 1 << 16
_HEAD_BYTES_OF_PIECES = 1 << 12


class InputMark(Value, frozen=True, kw_only=True):
    """What is known of one input once its first bytes are there."""

    format_id: str = ""
    size_bytes: int | None = None
    version: str = ""
    """The server's ETag or date, or the file's date."""
    head: str = ""
    """blake2b of the first bytes."""


class SourcePlan(Value, frozen=True, kw_only=True):
    """`source/plan.json`: written once per run, compared by every later attempt."""

    fingerprint: str
    inputs: tuple[InputMark, ...]
    segment_s: float
    max_segment_s: float


def head_bytes(*, in_pieces: bool) -> int:
    """Return how many of an input's first bytes are part of it; the last ones may come only at the very end.

    Of one that comes in pieces these are fewer: its sound may have one piece for seconds, and nothing
    begins before they are there.
    """
    return _HEAD_BYTES_OF_PIECES if in_pieces else _HEAD_BYTES


def head_digest(head: bytes) -> str:
    """Return the digest of an input's first bytes."""
    return hashlib.blake2b(head, digest_size=16).hexdigest()


def fingerprint(marks: Sequence[InputMark]) -> str:
    """Return 32 hex digits that change with any mark."""
    digest = hashlib.blake2b(digest_size=16)
    for mark in marks:
        for part in (mark.format_id, str(mark.size_bytes), mark.version, mark.head):
            digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def difference(first: SourcePlan, now: SourcePlan, *, by_version: bool = True) -> str | None:
    """Return in what the source is another one than at first, or None.

    A size that nobody knew at first is no difference, nor (unless `by_version`) is another ETag:
    pages lead to another mirror each time.
    """
    if len(first.inputs) != len(now.inputs):
        return f"it had {len(first.inputs)} files and has {len(now.inputs)}"
    for before, after in zip(first.inputs, now.inputs, strict=True):
        if None not in {before.size_bytes, after.size_bytes} and before.size_bytes != after.size_bytes:
            return f"it was {before.size_bytes} bytes long and is {after.size_bytes}"
        if before.head != after.head:
            return "it begins with other bytes"
        if before.format_id != after.format_id:
            return "it is offered in another format"
        if by_version and before.version != after.version:
            return f"it was version {before.version or 'unknown'} and is {after.version or 'unknown'}"
    return None
