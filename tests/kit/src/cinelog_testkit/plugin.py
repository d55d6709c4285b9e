"""The pytest fixtures: one server of each kind a test run, started when the first test asks for it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from cinelog_common.priorities import forgo_realtime
from hypothesis import settings

if TYPE_CHECKING:
    from cinelog_testkit.kafka import KafkaServer
    from cinelog_testkit.mongo import MongoServer
    from cinelog_testkit.s3 import S3Server

# Conformance classes live beside the ports; their asserts should explain themselves as tests' do.
_PACKAGES = (
    "common.objects",
    "common.documents",
    "common.kafka",
    "download",
    "transcode",
    "merge",
    "storage",
)
pytest.register_assert_rewrite(*(f"cinelog_{each}.testing" for each in (*_PACKAGES, "gateway")))


def pytest_configure() -> None:
    """Let no encoder that a test opens here take the machine, and no property fail because others have it."""
    forgo_realtime(children=False)
    settings.register_profile("cinelog", deadline=None)
    settings.load_profile("cinelog")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Keep together what shares servers and films, where tests run in several processes."""
    from cinelog_testkit.spreading import ByFile

    return ByFile(config, log)


@pytest.fixture(scope="session")
def kafka() -> Iterator["KafkaServer"]:
    """A Kafka that all tests of the run share; each takes topics and groups of its own."""
    from cinelog_testkit.servers import kafka_server

    with kafka_server() as server:
        yield server


@pytest.fixture(scope="session")
def mongo() -> Iterator["MongoServer"]:
    """A MongoDB that all tests of the run share; each takes a database of its own."""
    from cinelog_testkit.servers import mongo_server

    with mongo_server() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator["S3Server"]:
    """An S3 server that all tests of the run share; each takes a bucket of its own."""
    from cinelog_testkit.servers import s3_server

    with s3_server() as server:
        yield server
