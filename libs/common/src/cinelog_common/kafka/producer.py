"""Sends records and returns when the log has them."""

import asyncio
import itertools
import random
from collections.abc import Iterator
from contextlib import suppress

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)
from loguru import logger

from cinelog_common.errors import Category, TransientError
from cinelog_common.kafka import wakeups
from cinelog_common.kafka.records import Headers, Position
from cinelog_common.kafka.translation import translated

_SEQUENCE_LOST = (OutOfOrderSequenceNumber, UnknownProducerId, InvalidProducerEpoch, ProducerFenced)
"""The broker no longer agrees on this producer's numbering: only a new producer can go on."""


class ProducerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How records are sent.

    Attributes:
        linger_s: How long a record may wait for company. Records that arrive while a request is on its way
            share the next one anyway, so the default only costs latency where there is no load.
        max_record_bytes: Largest record sent; the topic's own limit must be at least this.
        deadline_s: How long one send may take, reconnecting and waiting for leaders included.
    """

    bootstrap: str
    client_id: str = "cinelog"
    linger_s: float = 0.0
    max_record_bytes: int = 1024 * 1024
    deadline_s: float = 30.0


class Producer:
    """An idempotent producer that waits for all in-sync replicas.

    Records of one key go to one partition (murmur2, as Java's clients do it); records without a key are
    dealt out to the partitions in turn, so that no worker gets more than its share.
    """

    def __init__(self, settings: ProducerSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaProducer | None = None
        self._rebuilding = asyncio.Lock()
        self._turns: dict[str, Iterator[int]] = {}

    async def start(self) -> None:
        """Connect.

        Raises:
            TransientError: No broker answers.
        """
        self._client = await self._connect()

    async def stop(self) -> None:
        """Send what is still waiting, for at most the deadline, and disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await _close(client, self._settings.deadline_s)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> Position:
        """Append a record and return where it lies; it then survives the loss of any minority of brokers.

        A `TransientError` does not say that the record was not written: sending it again may write it twice.

        Raises:
            TransientError: The broker did not acknowledge in time.
            PermanentError: The record is too large (`LIMIT_EXCEEDED`), or the topic cannot be written.
        """
        doing = f"writing {len(value or b'')} bytes to {topic}"
        with translated(self._settings.bootstrap, doing):
            for _ in range(2):
                client = self._connected()
                try:
                    async with asyncio.timeout(self._settings.deadline_s):
                        if partition is None and key is None:
                            partition = await self._next_partition(client, topic)
                        sent = await client.send(
                            topic, value, key=key, partition=partition, headers=list(headers)
                        )
                        meta = await sent
                except _SEQUENCE_LOST as error:
                    await self._rebuild(client, error)
                else:
                    return Position(partition=meta.partition, offset=meta.offset)
        raise self._failed(doing)

    async def _next_partition(self, client: AIOKafkaProducer, topic: str) -> int:
        turns = self._turns.get(topic)
        if turns is None:
            # Producers that start together must not all begin with the same partition.
            turns = self._turns[topic] = itertools.count(random.randrange(1 << 16))
        partitions = sorted(await client.partitions_for(topic))
        return int(partitions[next(turns) % len(partitions)])

    async def _connect(self) -> AIOKafkaProducer:
        settings = self._settings
        client = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap,
            client_id=settings.client_id,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=round(settings.linger_s * 1000),
            max_batch_size=64 * 1024,
            max_request_size=settings.max_record_bytes,
            metadata_max_age_ms=60_000,
        )
        wakeups.attach(client.client, settings.bootstrap)
        try:
            with translated(settings.bootstrap, "connecting to write"):
                async with asyncio.timeout(settings.deadline_s):
                    await client.start()
        except BaseException:
            await _close(client, 1.0)
            raise
        return client

    async def _rebuild(self, broken: AIOKafkaProducer, error: Exception) -> None:
        async with self._rebuilding:
            if self._client is not broken:
                return
            logger.bind(action="producer.rebuilt").warning("The broker lost our sequence: {!r}", error)
            self._client = await self._connect()
        await _close(broken, 1.0)

    def _connected(self) -> AIOKafkaProducer:
        if self._client is None:
            raise self._failed("writing before start or after stop")
        return self._client

    def _failed(self, doing: str) -> TransientError:
        return TransientError(
            f"Kafka at {self._settings.bootstrap} failed {doing}.",
            category=Category.DEPENDENCY,
            action="Check the broker's log; the record can be sent again.",
        )


async def _close(client: AIOKafkaProducer, deadline_s: float) -> None:
    """Close a producer; one that cannot flush in time, or whose sender has failed, is closed without it."""
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(deadline_s):
            await client.stop()
    # What follows has nothing to do unless stop() gave up: then it left all of these open.
    client._message_accumulator.fail_all(KafkaError("the producer was closed"))  # noqa: SLF001
    await client._sender.close()  # noqa: SLF001
    await client.client.close()
