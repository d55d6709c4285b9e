"""Real servers for tests, each by the first way that works.

An address in the environment, then a container, then a native process, then
a skip that names what is missing (a failure under CINELOG_REQUIRE_REAL=1).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from cinelog_testkit.availability import UnavailableError, give_up
from cinelog_testkit.containers import Image, running
from cinelog_testkit.kafka import VERSION as KAFKA_VERSION
from cinelog_testkit.kafka import KafkaServer, brokers_of, native_kafka
from cinelog_testkit.mongo import MongoServer, native_mongo, uri_of, writable
from cinelog_testkit.network import free_port
from cinelog_testkit.s3 import ACCESS_KEY, REGION, SECRET_KEY, S3Server, healthy, native_s3
from cinelog_testkit.s3 import VERSION as S3_VERSION
from cinelog_testkit.waiting import wait_until

__all__ = ["KafkaServer", "MongoServer", "S3Server", "kafka_server", "mongo_server", "s3_server"]

Server = TypeVar("Server")
Way = Callable[[], AbstractContextManager[Server]]


@contextmanager
def kafka_server(nodes: int = 1, *, own: bool = False) -> Iterator[KafkaServer]:
    """Give a Kafka cluster.

    Args:
        nodes: How many brokers; more than one are always started natively.
        own: Start one for this caller alone, whose nodes may be killed, paused and restarted.
    """
    ways: list[Way[KafkaServer]] = [lambda: native_kafka(nodes)]
    if nodes == 1 and not own:
        ways = [_given_kafka, _container_kafka, *ways]
    with _first_that_works("Kafka", ways) as server:
        yield server


@contextmanager
def _given_kafka() -> Iterator[KafkaServer]:
    bootstrap = _given("CINELOG_TEST_KAFKA")
    try:
        brokers_of(bootstrap)
    except OSError as error:
        raise UnavailableError(f"CINELOG_TEST_KAFKA={bootstrap} does not answer: {error}") from error
    yield KafkaServer(bootstrap=bootstrap)


@contextmanager
def _container_kafka() -> Iterator[KafkaServer]:
    port = free_port()
    env = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
    }
    bootstrap = f"127.0.0.1:{port}"
    image = Image(name=f"apache/kafka:{KAFKA_VERSION}", ports={port: port}, env=env)

    def answers() -> bool:
        try:
            return brokers_of(bootstrap)[1] == 1
        except OSError:
            return False

    with running(image):
        _await("Kafka in a container", answers)
        yield KafkaServer(bootstrap=bootstrap)


@contextmanager
def mongo_server(*, own: bool = False) -> Iterator[MongoServer]:
    """Give a MongoDB; with `own`, one for this caller alone that may be killed and restarted."""
    ways: list[Way[MongoServer]] = [native_mongo]
    if not own:
        ways = [_given_mongo, _container_mongo, *ways]
    with _first_that_works("MongoDB", ways) as server:
        yield server


@contextmanager
def _given_mongo() -> Iterator[MongoServer]:
    uri = _given("CINELOG_TEST_MONGO")
    if not writable(uri):
        raise UnavailableError(f"no primary answers at CINELOG_TEST_MONGO={uri}")
    yield MongoServer(uri=uri)


@contextmanager
def _container_mongo() -> Iterator[MongoServer]:
    port = free_port()
    uri = uri_of(port)
    # Inside and outside port are one, or the replica set's own address would be wrong outside.
    command = f"mongod --replSet rs0 --bind_ip_all --port {port}"
    with running(Image(name="mongo:8.0", ports={port: port}, command=command)):
        _await("MongoDB in a container", lambda: writable(uri))
        yield MongoServer(uri=uri)


@contextmanager
def s3_server(*, own: bool = False) -> Iterator[S3Server]:
    """Give an S3 server; with `own`, one for this caller alone that may be killed and restarted."""
    ways: list[Way[S3Server]] = [native_s3]
    if not own:
        ways = [_given_s3, _container_s3, *ways]
    with _first_that_works("S3", ways) as server:
        yield server


@contextmanager
def _given_s3() -> Iterator[S3Server]:
    endpoint = _given("CINELOG_TEST_S3")
    access_key, secret_key = _given("CINELOG_TEST_S3_ACCESS_KEY"), _given("CINELOG_TEST_S3_SECRET_KEY")
    if not healthy(endpoint):
        raise UnavailableError(f"CINELOG_TEST_S3={endpoint} does not answer")
    region = os.environ.get("CINELOG_TEST_S3_REGION", REGION)
    yield S3Server(endpoint=endpoint, access_key=access_key, secret_key=secret_key, region=region)


@contextmanager
def _container_s3() -> Iterator[S3Server]:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    command = f"--port :{port} --health /health --region {REGION} posix /tmp"
    image = Image(name=f"versity/versitygw:v{S3_VERSION}", ports={port: port}, env=env, command=command)
    with running(image):
        _await("S3 in a container", lambda: healthy(endpoint))
        yield S3Server(endpoint=endpoint)


def _given(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise UnavailableError(f"{variable} is not set")
    return value


def _await(what: str, condition: Callable[[], bool]) -> None:
    try:
        wait_until(condition, deadline_s=90, what=what)
    except TimeoutError as late:
        raise UnavailableError(str(late)) from late


@contextmanager
def _first_that_works(name: str, ways: list[Way[Server]]) -> Iterator[Server]:
    reasons = []
    with ExitStack() as stack:
        for way in ways:
            try:
                server = stack.enter_context(way())
            except UnavailableError as error:
                reasons.append(str(error))
                continue
            yield server
            return
    give_up(f"no real {name}: {'; '.join(reasons)}")
