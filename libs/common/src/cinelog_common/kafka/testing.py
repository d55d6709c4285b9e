"""A log in memory, for the unit tests of whoever reads and writes one.

`FakeLog` keeps topics and groups; its members, readers and producers behave as those on Kafka do, and pass
the same `conformance`. `WorkQueue` and `EventConsumer` run on a `FakeMember` unchanged.
"""

import asyncio
import itertools
import zlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from loguru import logger

from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_common.kafka.compacted import ReaderSettings, Take
from cinelog_common.kafka.membership import GroupSettings, Listener
from cinelog_common.kafka.records import Committed, Headers, Partition, Position, Record


class FakeLog:
    """Topics (name to partitions) and the groups that read them.

    Attributes:
        committed: What each group has committed.
        down: While true, every request fails as if no broker answered.
        refusing_commits: While true, commits fail as they do while a group rebalances.
    """

    def __init__(self, topics: Mapping[str, int], *, max_record_bytes: int = 1024 * 1024) -> None:
        self.committed: dict[tuple[str, Partition], Committed] = {}
        self.down = False
        self.refusing_commits = False
        self.max_record_bytes = max_record_bytes
        self._records: dict[Partition, list[Record]] = {
            Partition(topic, number): [] for topic, count in topics.items() for number in range(count)
        }
        self._members: defaultdict[str, list[FakeMember]] = defaultdict(list)
        self._watchers: set[asyncio.Event] = set()

    def partitions(self, topics: Collection[str]) -> list[Partition]:
        """Return the partitions of these topics, in order."""
        return sorted(partition for partition in self._records if partition.topic in topics)

    def records(self, topic: str) -> list[Record]:
        """Return everything in a topic, partition after partition."""
        return [record for p in self.partitions([topic]) for record in self._records[p]]

    def end(self, partition: Partition) -> int:
        """Return the offset of the next record."""
        return len(self._records[partition])

    def read(self, partition: Partition, offset: int) -> Sequence[Record]:
        """Return the records from an offset on."""
        return self._records[partition][offset:]

    def append(self, record: Record) -> Position:
        """Write a record at the end of its partition; its own offset is ignored."""
        if record.source not in self._records:
            raise TransientError(f"There is no {record.source}.", category=Category.DEPENDENCY)
        log = self._records[record.source]
        position = Position(partition=record.partition, offset=len(log))
        log.append(
            Record(
                topic=record.topic,
                partition=record.partition,
                offset=position.offset,
                timestamp_ms=record.timestamp_ms,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
        )
        self.wake()
        return position

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for watcher in self._watchers:
            watcher.set()

    def watch(self) -> asyncio.Event:
        """Return an event that is set at every change, until `unwatch`."""
        event = asyncio.Event()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        """Forget a watcher."""
        self._watchers.discard(event)

    def check_up(self) -> None:
        """Raise what a request raises while the log is down."""
        if self.down:
            raise TransientError("The log is down.", category=Category.DEPENDENCY)

    async def join(self, member: "FakeMember") -> None:
        """Let a member in and deal out the partitions anew."""
        group = member.settings.group
        await self._revoke(group)
        self._members[group].append(member)
        self._assign(group)

    async def leave(self, member: "FakeMember") -> None:
        """Let a member go; the others get its partitions."""
        group = member.settings.group
        if member in self._members[group]:
            self._members[group].remove(member)
            await self._revoke(group)
            self._assign(group)

    async def rebalance(self, group: str) -> None:
        """Deal out the partitions of a group anew among the same members."""
        await self._revoke(group)
        self._assign(group)

    async def _revoke(self, group: str) -> None:
        for member in self._members[group]:
            await member.revoke()

    def _assign(self, group: str) -> None:
        """Give partitions to those who had them as far as that is even, as the sticky assignor does."""
        members = self._members[group]
        if not members:
            return
        partitions = self.partitions(members[0].settings.topics)
        most = -(-len(partitions) // len(members))
        shares: dict[FakeMember, list[Partition]] = {
            member: [p for p in partitions if p in member.owned][:most] for member in members
        }
        given = {p for share in shares.values() for p in share}
        for partition in partitions:
            if partition not in given:
                min(shares.values(), key=len).append(partition)
        for member, share in shares.items():
            member.assign(share)


class FakeMember:
    """A `membership.Member` of a group of a `FakeLog`."""

    def __init__(self, log: FakeLog, settings: GroupSettings) -> None:
        self.settings = settings
        self.owned: frozenset[Partition] = frozenset()
        self.commits = 0
        self._log = log
        self._listener: Listener | None = None
        self._paused: set[Partition] = set()
        self._positions: dict[Partition, int] = {}
        self._rebalancing = False
        self._changed: asyncio.Event | None = None

    async def start(self, listener: Listener) -> None:
        """Join the group."""
        self._log.check_up()
        if {p.topic for p in self._log.partitions(self.settings.topics)} != set(self.settings.topics):
            raise TransientError("A topic does not exist.", category=Category.DEPENDENCY)
        self._listener = listener
        self._changed = self._log.watch()
        await self._log.join(self)

    async def stop(self) -> None:
        """Leave the group."""
        self._forget()
        await self._log.leave(self)

    async def die(self) -> None:
        """End as a killed process does: no word, and the group notices."""
        self._listener = None
        await self.stop()

    async def poll(self, *, limit: int, timeout_s: float) -> list[Record]:
        """Return delivered records."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            self._log.check_up()
            changed = self._changed
            if changed is None:
                raise TransientError("Not a member.", category=Category.DEPENDENCY)
            changed.clear()
            if records := self._deliver(limit):
                return records
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return []

    def pause(self, partitions: Collection[Partition]) -> None:
        """Deliver nothing of these."""
        self._paused |= set(partitions)

    def resume(self, partitions: Collection[Partition]) -> None:
        """Deliver again."""
        self._paused -= set(partitions)
        self._log.wake()

    def seek(self, partition: Partition, offset: int) -> None:
        """Deliver this offset next."""
        if partition in self.owned:
            self._positions[partition] = offset
            self._log.wake()

    async def commit(self, marks: Mapping[Partition, Committed]) -> None:
        """Commit for the group; refused while it rebalances and for what is not ours."""
        await asyncio.sleep(0)
        self._log.check_up()
        if self._log.refusing_commits or self._rebalancing or not self.owned.issuperset(marks):
            raise TransientError("The group rebalances.", category=Category.DEPENDENCY)
        self.commits += 1
        for partition, mark in marks.items():
            self._log.committed[self.settings.group, partition] = mark

    async def committed(self, partitions: Collection[Partition]) -> dict[Partition, Committed]:
        """Return what the group has committed."""
        await asyncio.sleep(0)
        self._log.check_up()
        nothing = Committed(offset=0)
        return {p: self._log.committed.get((self.settings.group, p), nothing) for p in partitions}

    async def revoke(self) -> None:
        """Tell the listener; from then on commits are refused until the assignment."""
        if self._listener is not None:
            await self._listener.on_revoked()
        self._rebalancing = True

    def assign(self, partitions: Collection[Partition]) -> None:
        """Own these, all paused and at what is committed."""
        self.owned = frozenset(partitions)
        self._rebalancing = False
        self._paused = set(partitions)
        group = self.settings.group
        self._positions = {
            p: mark.offset if (mark := self._log.committed.get((group, p))) else 0 for p in partitions
        }
        if self._listener is not None:
            self._listener.on_assigned(partitions)

    def _deliver(self, limit: int) -> list[Record]:
        records: list[Record] = []
        for partition in sorted(self.owned - self._paused):
            for record in self._log.read(partition, self._positions[partition])[: limit - len(records)]:
                records.append(record)
                self._positions[partition] = record.offset + 1
        return records

    def _forget(self) -> None:
        self.owned = frozenset()
        if self._changed is not None:
            self._changed.set()
            self._log.unwatch(self._changed)
            self._changed = None


class FakeProducer:
    """A `producer.Producer` that writes to a `FakeLog`.

    Attributes:
        sent: Everything it wrote, in order.
    """

    def __init__(self, log: FakeLog) -> None:
        self.sent: list[Record] = []
        self._log = log
        self._turns: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)

    async def start(self) -> None:
        """Connect to nothing."""
        self._log.check_up()

    async def stop(self) -> None:
        """Disconnect from nothing."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append a record."""
        await asyncio.sleep(0)
        self._log.check_up()
        if len(value or b"") > self._log.max_record_bytes:
            raise PermanentError("The record is too large.", category=Category.LIMIT_EXCEEDED)
        count = max(1, len(self._log.partitions([topic])))
        if partition is None:
            partition = (next(self._turns[topic]) if key is None else zlib.crc32(key)) % count
        record = Record(
            topic=topic, partition=partition, offset=-1, timestamp_ms=0, key=key, value=value, headers=headers
        )
        position = self._log.append(record)
        self.sent.append(self._log.read(record.source, position.offset)[0])
        return position


class FakeReader:
    """A `compacted.CompactedReader` of a `FakeLog`."""

    def __init__(self, log: FakeLog, settings: ReaderSettings, take: Take) -> None:
        self._log = log
        self._settings = settings
        self._take = take
        self._ready = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether everything that lay in the topics at the start has been taken in."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until everything that lay in the topics at the start has been taken in."""
        await self._ready.wait()

    async def start(self) -> None:
        """Begin to read."""
        self._log.check_up()
        positions = {
            p: self._log.end(p) if self._settings.from_end else 0
            for p in self._log.partitions(self._settings.topics)
        }
        self._loop = asyncio.create_task(self._follow(positions))

    async def stop(self) -> None:
        """Stop reading."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])

    async def _follow(self, positions: dict[Partition, int]) -> None:
        changed = self._log.watch()
        try:
            while True:
                changed.clear()
                for partition, offset in positions.items():
                    for record in list(self._log.read(partition, offset)):
                        positions[partition] = record.offset + 1
                        await self._take_in(record)
                self._ready.set()
                await changed.wait()
        finally:
            self._log.unwatch(changed)

    async def _take_in(self, record: Record) -> None:
        try:
            await self._take(record)
        except Exception as error:  # noqa: BLE001 - as the reader on Kafka does
            logger.bind(action="reader.record").error("Not taken in: {!r}", error)
