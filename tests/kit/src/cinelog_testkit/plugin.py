"""The pytest fixtures: one server of each kind a test run, started when the first test asks for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cinelog_testkit.kafka import KafkaServer


@pytest.fixture(scope="session")
def kafka() -> Iterator["KafkaServer"]:
    """A Kafka that all tests of the run share; each takes topics and groups of its own."""
    from cinelog_testkit.servers import kafka_server

    with kafka_server() as server:
        yield server
