from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cinelog_common.kafka.compacted import ReaderSettings, Take
from cinelog_common.kafka.conformance import (
    GroupConformance,
    ProducerConformance,
    ReaderConformance,
    World,
)
from cinelog_common.kafka.membership import GroupSettings
from cinelog_common.kafka.records import Partition
from cinelog_common.kafka.testing import FakeLog, FakeMember, FakeProducer, FakeReader


class Memory:
    bootstrap = "memory"

    def __init__(self, topics: Mapping[str, int]) -> None:
        self.log = FakeLog(topics)
        self.producer = FakeProducer(self.log)

    def member(self, settings: GroupSettings) -> FakeMember:
        return FakeMember(self.log, settings)

    def reader(self, settings: ReaderSettings, take: Take) -> FakeReader:
        return FakeReader(self.log, settings, take)

    async def committed(self, topic: str, group: str) -> dict[Partition, int]:
        return {
            partition: mark.offset
            for (name, partition), mark in self.log.committed.items()
            if name == group and partition.topic == topic
        }


@asynccontextmanager
async def memory(topics: Mapping[str, int]) -> AsyncIterator[World]:
    yield Memory(topics)


class TestFakeProducer(ProducerConformance):
    world = staticmethod(memory)


class TestFakeReader(ReaderConformance):
    world = staticmethod(memory)


class TestFakeMember(GroupConformance):
    world = staticmethod(memory)
