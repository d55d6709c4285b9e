"""What lies in a log: records, and where they lie."""

from typing import NamedTuple

import msgspec

Headers = tuple[tuple[str, bytes], ...]


class Partition(NamedTuple):
    """One partition of one topic. Equals aiokafka's own pair, so that either finds the other in a mapping."""

    topic: str
    number: int


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record was written.

    Attributes:
        partition: The partition's number within its topic.
        offset: The record's number within the partition.
    """

    partition: int
    offset: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a log, undecoded.

    Attributes:
        timestamp_ms: Milliseconds since the Unix epoch, of the append or of the producer, as the topic says.
        value: None is a tombstone.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def source(self) -> Partition:
        """The partition the record lies in."""
        return Partition(self.topic, self.partition)


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a group has committed for a partition: the next offset to read, and a note of at most 4 KiB."""

    offset: int
    metadata: str = ""
