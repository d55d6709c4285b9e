"""Topics as they should be, and where groups and logs stand."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.structs import TopicPartition

from cinelog_common.kafka.group import close
from cinelog_common.kafka.records import Partition
from cinelog_common.kafka.translation import translated

LEADERS_S = 30.0
_POLL_S = 0.1


class TopicSpec(Protocol):
    """One topic as it should be."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def partitions(self) -> int:
        """How many partitions it has at least."""

    @property
    def cleanup(self) -> str:
        """`delete` or `compact`."""

    @property
    def retention_ms(self) -> int | None:
        """How long records are kept, in milliseconds; None leaves it to the broker."""

    @property
    def max_message_bytes(self) -> int:
        """The largest record batch."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of an existing topic that is not as it should be; it is reported, never changed."""

    topic: str
    setting: str
    wanted: str
    found: str


class TopicsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was, or would be, done.

    Attributes:
        created: Topics that were missing.
        extended: Topics that had too few partitions.
        drifted: What differs and needs a person.
    """

    created: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    drifted: tuple[Drift, ...] = ()

    @property
    def as_wanted(self) -> bool:
        """Whether there was nothing to do or say."""
        return not (self.created or self.extended or self.drifted)


async def check_topics(bootstrap: str, specs: Sequence[TopicSpec], *, replication: int = 1) -> TopicsReport:
    """Compare the topics of a cluster with these; change nothing.

    Raises:
        TransientError: No broker answers.
        PermanentError: The broker does not let us.
    """
    with translated(bootstrap, "checking topics"):
        return await _apply(bootstrap, specs, replication, write=False)


async def apply_topics(bootstrap: str, specs: Sequence[TopicSpec], *, replication: int = 1) -> TopicsReport:
    """Create what is missing, add partitions where there are too few, and wait until all have leaders.

    Does nothing when called again. Records carry the time of their append, as deadlines count from it.

    Raises:
        TransientError: No broker answers, or leaders did not appear in time.
        PermanentError: The broker refuses a topic.
    """
    with translated(bootstrap, "applying topics"):
        return await _apply(bootstrap, specs, replication, write=True)


async def _apply(
    bootstrap: str, specs: Sequence[TopicSpec], replication: int, *, write: bool
) -> TopicsReport:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, client_id="cinelog-admin")
    try:
        await admin.start()
        found = await _described(admin, specs)
        missing = [spec for spec in specs if spec.name not in found]
        short = [spec for spec in specs if len(found.get(spec.name, ())) < spec.partitions]
        short = [spec for spec in short if spec not in missing]
        report = TopicsReport(
            created=tuple(spec.name for spec in missing),
            extended=tuple(spec.name for spec in short),
            drifted=tuple(
                await _drift(admin, [spec for spec in specs if spec.name in found], found, replication)
            ),
        )
        if write:
            await _create(admin, missing, replication)
            for spec in short:
                await admin.create_partitions({spec.name: NewPartitions(total_count=spec.partitions)})
            async with asyncio.timeout(LEADERS_S):
                while not _led(await _described(admin, specs), specs):  # noqa: ASYNC110 - no broker tells
                    await asyncio.sleep(_POLL_S)
        return report
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec], replication: int) -> None:
    if not specs:
        return
    topics = [
        NewTopic(
            name=spec.name,
            num_partitions=spec.partitions,
            replication_factor=replication,
            topic_configs=_wanted(spec, replication),
        )
        for spec in specs
    ]
    response = await admin.create_topics(topics)
    # It never raises: each topic has its own answer.
    for name, code, *message in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"topic {name}: {message[0] if message and message[0] else error.__name__}")


async def _described(
    admin: AIOKafkaAdminClient, specs: Sequence[TopicSpec]
) -> dict[str, list[Mapping[str, Any]]]:
    # Asking for one that is missing would create it where the broker is set to.
    names = set(await admin.list_topics()) & {spec.name for spec in specs}
    if not names:
        return {}
    return {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics(sorted(names))}


def _led(found: Mapping[str, Sequence[Mapping[str, Any]]], specs: Sequence[TopicSpec]) -> bool:
    return all(
        len(partitions := found.get(spec.name, ())) >= spec.partitions
        and all(partition["leader"] >= 0 for partition in partitions)
        for spec in specs
    )


def _wanted(spec: TopicSpec, replication: int) -> dict[str, str]:
    wanted = {
        "cleanup.policy": spec.cleanup,
        "max.message.bytes": str(spec.max_message_bytes),
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(max(1, replication - 1)),
    }
    if spec.retention_ms is not None:
        wanted["retention.ms"] = str(spec.retention_ms)
    return wanted


async def _drift(
    admin: AIOKafkaAdminClient,
    specs: Sequence[TopicSpec],
    found: Mapping[str, Sequence[Mapping[str, Any]]],
    replication: int,
) -> list[Drift]:
    if not specs:
        return []
    drifts: list[Drift] = []
    for spec in specs:
        partitions = found[spec.name]
        facts = {"replication": str(min((len(p["replicas"]) for p in partitions), default=0))}
        wanted = {"replication": str(replication)}
        if len(partitions) > spec.partitions:
            # Never fewer again: keys would move. The ledger's topics must have equal counts.
            facts["partitions"], wanted["partitions"] = str(len(partitions)), str(spec.partitions)
        drifts += _differences(spec.name, wanted, facts)
    asked = [ConfigResource(ConfigResourceType.TOPIC, spec.name) for spec in specs]
    settings = _settings_of(await admin.describe_configs(asked))
    for spec in specs:
        drifts += _differences(spec.name, _wanted(spec, replication), settings.get(spec.name, {}))
    return drifts


def _differences(topic: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Drift]:
    for setting, value in wanted.items():
        if found.get(setting, "") != value:
            yield Drift(topic=topic, setting=setting, wanted=value, found=found.get(setting, ""))


def _settings_of(responses: Sequence[Any]) -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = {}
    for response in responses:
        for code, message, _, name, entries in response.resources:
            if code:
                raise for_code(code)(f"topic {name}: {message}")
            settings[name] = {entry[0]: entry[1] or "" for entry in entries}
    return settings


class LogOffsets:
    """Where groups and logs stand; keeps its connections between questions.

    Every question raises TransientError if the broker does not answer.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            TransientError: No broker answers.
        """
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, client_id="cinelog-offsets")
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, client_id="cinelog-offsets", enable_auto_commit=False
        )
        try:
            with translated(self._bootstrap, "connecting to read offsets"):
                await self._admin.start()
                await self._consumer.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect."""
        admin, self._admin = self._admin, None
        consumer, self._consumer = self._consumer, None
        if admin is not None:
            await admin.close()
        if consumer is not None:
            await close(consumer)

    async def committed(self, group: str, topics: Collection[str]) -> dict[Partition, int]:
        """Return the group's next offset to read, of each partition of these topics that has one."""
        with self._asking("reading committed offsets") as (admin, consumer):
            # The in-process broker does not answer for "all", only for partitions that are named.
            partitions = await self._partitions(consumer, topics)
            found = await admin.list_consumer_group_offsets(group, partitions=partitions)
        return {Partition(*partition): mark.offset for partition, mark in found.items() if mark.offset >= 0}

    async def log_starts(self, topics: Collection[str]) -> dict[Partition, int]:
        """Return the oldest offset that each partition of these topics still keeps."""
        with self._asking("reading log starts") as (_, consumer):
            found = await consumer.beginning_offsets(await self._partitions(consumer, topics))
        return {Partition(*partition): offset for partition, offset in found.items()}

    async def end_offsets(self, topics: Collection[str]) -> dict[Partition, int]:
        """Return the offset that the next record of each partition of these topics will have."""
        with self._asking("reading log ends") as (_, consumer):
            found = await consumer.end_offsets(await self._partitions(consumer, topics))
        return {Partition(*partition): offset for partition, offset in found.items()}

    async def _partitions(self, consumer: AIOKafkaConsumer, topics: Collection[str]) -> list[TopicPartition]:
        return [
            TopicPartition(topic, number)
            for topic in sorted(topics)
            for number in await consumer._client._wait_on_metadata(topic)  # noqa: SLF001
        ]

    @contextmanager
    def _asking(self, doing: str) -> Iterator[tuple[AIOKafkaAdminClient, AIOKafkaConsumer]]:
        with translated(self._bootstrap, doing):
            if self._admin is None or self._consumer is None:
                raise KafkaError("not started")
            yield self._admin, self._consumer
