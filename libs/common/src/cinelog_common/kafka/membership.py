"""What a queue needs from its place in a consumer group; kept by `group` (Kafka) and `testing` (memory)."""

from collections.abc import Collection, Mapping
from typing import Protocol

import msgspec

from cinelog_common.kafka.records import Committed, Partition, Record


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a consumer group.

    Attributes:
        topics: All must exist.
        session_s: Silence after which the broker gives the partitions to others; so the time that work of a
            killed process lies still.
        heartbeat_s: A third of the session at most.
        fetch_bytes: Most bytes fetched ahead per partition.
    """

    bootstrap: str
    group: str
    topics: tuple[str, ...]
    client_id: str = "cinelog"
    session_s: float = 15.0
    heartbeat_s: float = 3.0
    fetch_bytes: int = 256 * 1024


class Listener(Protocol):
    """Hears of changes in the group. Both calls must return quickly: the whole group waits for them."""

    async def on_revoked(self) -> None:
        """All partitions are about to be dealt out anew; the last moment to commit as their owner."""

    def on_assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours now, and no others; all are paused."""


class Member(Protocol):
    """One member of a group. Everything but `poll` may be called while `poll` waits."""

    async def start(self, listener: Listener) -> None:
        """Join the group.

        Raises:
            TransientError: No broker answers, or a topic does not exist yet.
        """

    async def stop(self) -> None:
        """Leave the group, within seconds; does not commit."""

    async def poll(self, *, limit: int, timeout_s: float) -> list[Record]:
        """Return up to `limit` records of partitions that are not paused, in order within each partition.

        Never waits longer than `timeout_s`; being called again and again is what keeps the membership.

        Raises:
            TransientError: The broker does not answer; call again.
        """

    def pause(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these; what is not ours any more is ignored."""

    def resume(self, partitions: Collection[Partition]) -> None:
        """Deliver again; what is not ours any more is ignored."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Deliver this offset next; what is not ours any more is ignored."""

    async def commit(self, marks: Mapping[Partition, Committed]) -> None:
        """Commit for the group.

        Raises:
            TransientError: Refused or unanswered: nothing, or everything, may have been committed.
        """

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed; where it has nothing, the start of the log.

        Raises:
            TransientError: The broker does not answer.
        """
