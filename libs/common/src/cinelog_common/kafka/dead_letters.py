"""Puts records aside that nobody can work on, with what is needed to judge and to replay them."""

from typing import Protocol

import msgspec

from cinelog_common.clock import Clock
from cinelog_common.kafka.records import Headers, Position, Record

TOPIC = "cinelog.dlq"
PREFIX = "dlq_"
KEPT_BYTES = 900_000
"""A larger value is cut: the letter must fit where the record did not."""
KEPT_HEADER_BYTES = 64 << 10
"""Headers beyond this are left out: they count towards a record's size like its value."""
KEPT_KEY_BYTES = 16 << 10
_MOST_REASON_CHARS = 4_000


class Sender(Protocol):
    """What appends a record; `producer.Producer` is one."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append a record and return where it lies."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record was put aside.

    Attributes:
        category: A word of `errors.Category`.
        sentence: What is wrong with it, for the operator.
        times: How often it was tried.
        since_ms: Since when, in milliseconds since the Unix epoch; None takes the record's own time.
    """

    category: str
    sentence: str
    times: int = 1
    since_ms: int | None = None


def letter_headers(record: Record, reason: Reason, *, now_s: float) -> Headers:
    """Return the letter's headers: the record's own, then ours, which all begin with `dlq_`.

    A letter that is put aside again keeps one set: the headers of the last time.
    """
    kept, left_out = _kept(record.headers)
    ours = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "category": reason.category,
        "reason": reason.sentence[:_MOST_REASON_CHARS],
        "times": str(reason.times),
        "since_ms": str(record.timestamp_ms if reason.since_ms is None else reason.since_ms),
        "at_ms": str(round(now_s * 1000)),
    }
    if record.value is not None and len(record.value) > KEPT_BYTES:
        ours["cut_from_bytes"] = str(len(record.value))
    if record.key is not None and len(record.key) > KEPT_KEY_BYTES:
        ours["key_cut_from_bytes"] = str(len(record.key))
    if left_out:
        ours["headers_left_out"] = str(left_out)
    return kept + tuple((PREFIX + name, text.encode(errors="replace")) for name, text in ours.items())


def _kept(headers: Headers) -> tuple[Headers, int]:
    """Return the record's own headers, as many as fit, and how many do not."""
    kept: list[tuple[str, bytes]] = []
    left_out, room = 0, KEPT_HEADER_BYTES
    for name, value in headers:
        if name.startswith(PREFIX):
            continue
        size = len(name.encode(errors="replace")) + len(value or b"")
        if size > room:
            left_out += 1
        else:
            room -= size
            kept.append((name, value))
    return tuple(kept), left_out


class DeadLetters:
    """Sends records to the dead-letter topic."""

    def __init__(self, sender: Sender, *, clock: Clock, topic: str = TOPIC) -> None:
        self._sender = sender
        self._clock = clock
        self._topic = topic

    async def put(self, record: Record, reason: Reason) -> Position:
        """Put a record aside under its own key; when this returns it is safe there.

        Raises:
            TransientError: The log did not acknowledge in time; the record must not be committed past.
        """
        value = record.value if record.value is None else record.value[:KEPT_BYTES]
        key = record.key if record.key is None else record.key[:KEPT_KEY_BYTES]
        # Kafka refuses a tombstone without a key, and so does aiokafka.
        if value is None and key is None:
            value = b""
        headers = letter_headers(record, reason, now_s=self._clock.now())
        return await self._sender.send(self._topic, value, key=key, headers=headers)
