"""Apache Kafka 4, one or several combined nodes (broker and controller) of KRaft."""

import base64
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cinelog_testkit.availability import UnavailableError
from cinelog_testkit.cache import made_once
from cinelog_testkit.network import free_ports
from cinelog_testkit.process import Command, ServerProcess
from cinelog_testkit.waiting import wait_until

VERSION = "4.1.1"
_READY_S = 90.0

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-server</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
"""

_PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=4194304
# After kill -9 a restart is ready in 5 s instead of 12 s with these three.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.min.session.timeout.ms=1000
"""


@dataclass(frozen=True)
class KafkaServer:
    """A Kafka cluster that answers at `bootstrap`."""

    bootstrap: str
    nodes: tuple["KafkaNode", ...] = field(default=(), repr=False)

    def node(self, index: int = 0) -> "KafkaNode":
        """Return a node that this test run started, to kill, pause or restart it.

        Raises:
            UnavailableError: The cluster was not started natively by this run.
        """
        if not self.nodes:
            raise UnavailableError("this Kafka was not started by the test run; its nodes can't be killed")
        return self.nodes[index]

    def kill(self, index: int = 0) -> None:
        """Kill a node as a crash would."""
        self.node(index).process.kill()

    def restart(self, index: int = 0) -> None:
        """Start a killed or running node anew on its old data and port; return when it answers."""
        self.node(index).restart()

    def pause(self, index: int = 0) -> None:
        """Freeze a node."""
        self.node(index).process.pause()

    def resume(self, index: int = 0) -> None:
        """Let a frozen node run on."""
        self.node(index).process.resume()


@dataclass(frozen=True)
class KafkaNode:
    """One node of a natively started cluster."""

    port: int
    cluster_id: str
    process: ServerProcess

    def restart(self) -> None:
        """Start the node anew and wait until it answers for its cluster."""
        self.process.kill()
        self.process.start()
        _await_nodes([self], brokers=1)


def brokers_of(bootstrap: str, *, timeout_s: float = 2.0) -> tuple[str, int]:
    """Ask a broker who it is: the cluster's id, and how many brokers are alive in it.

    Raises:
        OSError: Nobody answers there, or not as Kafka.
    """
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    # DescribeCluster (key 60) version 0, request header 2: the one request that tells the cluster's id alone.
    body = struct.pack(">hhih", 60, 0, 1, 1) + b"k" + b"\0" + b"\0" + b"\0"
    with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        answer = _exactly(connection, min(size, 1 << 20))
    try:
        # correlation id, tags, throttle time, error, message, cluster id, controller, brokers
        error = struct.unpack_from(">h", answer, 9)[0]
        _message, at = _compact_string(answer, 11)
        cluster_id, at = _compact_string(answer, at)
        count = answer[at + 4] - 1
    except (IndexError, struct.error, UnicodeDecodeError) as broken:
        raise OSError(f"{bootstrap} does not answer as Kafka does") from broken
    if error:
        raise OSError(f"{bootstrap} answers with Kafka error {error}")
    return cluster_id, count


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("the connection was closed early")
        data += more
    return data


def _compact_string(data: bytes, at: int) -> tuple[str, int]:
    length = data[at]  # an unsigned varint; our strings are shorter than 127 bytes
    end = at + max(length, 1)
    return data[at + 1 : end].decode(), end


def libraries() -> Path:
    """Return the folder of Kafka's jars, downloaded once.

    Raises:
        UnavailableError: Java or Maven is missing, or the download failed.
    """
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None:
            raise UnavailableError(f"`{program}` is missing (Debian package {package})")
    return made_once(f"kafka-{VERSION}", _download) / "libs"


def _download(folder: Path) -> None:
    (folder / "pom.xml").write_text(_POM)
    argv = ["mvn", "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]
    argv.append(f"-DoutputDirectory={folder / 'libs'}")
    with tempfile.TemporaryDirectory(prefix="cinelog-maven-") as scratch:
        # Maven's own plug-ins and second copies would stay in the user's home.
        argv.append(f"-Dmaven.repo.local={scratch}")
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise UnavailableError(f"Maven could not fetch Kafka: {(done.stdout + done.stderr)[-600:]}")
    # Formatting takes a JVM 2.5 s and its result differs only in two ids: it is done once, here.
    properties = folder / "template.properties"
    properties.write_text(_properties(_Node(node=1, port=1, controller_port=2), [], folder / "template"))
    argv = _java(folder / "libs", "kafka.tools.StorageTool")
    argv += ["format", "-t", _new_id(), "-c", str(properties)]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise UnavailableError(f"Kafka could not format its storage: {(done.stdout + done.stderr)[-600:]}")


def _java(libs: Path, main: str) -> list[str]:
    heap = os.environ.get("CINELOG_TEST_KAFKA_HEAP", "384m")
    flags = ["-Xms128m", f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    # The glob is Java's own: it must arrive unexpanded.
    return ["java", *flags, "-cp", f"{libs}/*", main]


def _new_id() -> str:
    # Base64 without padding; Kafka's own tools read a leading dash as an option.
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


@dataclass(frozen=True)
class _Node:
    node: int
    port: int
    controller_port: int


def _properties(node: _Node, cluster: Sequence[_Node], data: Path) -> str:
    voters = ",".join(f"{each.node}@127.0.0.1:{each.controller_port}" for each in cluster or [node])
    return _PROPERTIES.format(
        node=node.node,
        port=node.port,
        controller_port=node.controller_port,
        voters=voters,
        data=data,
        replicas=min(3, max(1, len(cluster))),
    )


def _format(template: Path, data: Path, *, node: int, cluster_id: str) -> None:
    shutil.copytree(template, data)
    meta = data / "meta.properties"
    changed = {"cluster.id": cluster_id, "node.id": str(node), "directory.id": _new_id()}
    lines = [line for line in meta.read_text().splitlines() if line.partition("=")[0] not in changed]
    meta.write_text("\n".join([*lines, *(f"{key}={value}" for key, value in changed.items())]) + "\n")


@contextmanager
def native_kafka(nodes: int = 1) -> Iterator[KafkaServer]:
    """Start a cluster of `nodes` on free ports and its own data; end it afterwards.

    Raises:
        UnavailableError: It cannot be installed or does not come up here.
    """
    libs = libraries()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cinelog-kafka-")))
        cluster_id = _new_id()
        ports = free_ports(2 * nodes)
        cluster = [
            _Node(node=n + 1, port=ports[2 * n], controller_port=ports[2 * n + 1]) for n in range(nodes)
        ]
        started = []
        for node in cluster:
            home = folder / str(node.node)
            home.mkdir()
            _format(libs.parent / "template", home / "data", node=node.node, cluster_id=cluster_id)
            (home / "server.properties").write_text(_properties(node, cluster, home / "data"))
            argv = (*_java(libs, "kafka.Kafka"), str(home / "server.properties"))
            process = ServerProcess(Command(argv=argv, folder=home))
            # Stopping every combined node in order hangs the last one: it waits for a quorum.
            stack.callback(process.stop if nodes == 1 else process.kill)
            process.start()
            started.append(KafkaNode(port=node.port, cluster_id=cluster_id, process=process))
        try:
            _await_nodes(started, brokers=nodes)
        except TimeoutError as late:
            words = started[0].process.last_words()
            raise UnavailableError(f"Kafka did not come up ({late}): {words}") from late
        bootstrap = ",".join(f"127.0.0.1:{node.port}" for node in cluster)
        yield KafkaServer(bootstrap=bootstrap, nodes=tuple(started))


def _await_nodes(nodes: Sequence[KafkaNode], *, brokers: int) -> None:
    for node in nodes:
        address = f"127.0.0.1:{node.port}"

        def ready(node: KafkaNode = node, address: str = address) -> bool:
            if not node.process.alive():
                raise UnavailableError(f"Kafka ended while starting: {node.process.last_words()}")
            try:
                cluster_id, alive = brokers_of(address)
            except OSError:
                return False
            # Another run's broker may own the port: only our cluster's id counts.
            return cluster_id == node.cluster_id and alive >= brokers

        wait_until(ready, deadline_s=_READY_S, what=f"Kafka at {address}")
