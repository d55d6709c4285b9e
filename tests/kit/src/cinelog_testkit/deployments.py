"""Cinelog as it is run in production: each service a process, on real Kafka, MongoDB and S3."""

import asyncio
import json
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
from cinelog_common.objects.s3 import S3ObjectStore, S3Options

from cinelog_testkit.commands import CINELOG, cinelog, environment
from cinelog_testkit.gateways import GatewayClient
from cinelog_testkit.kafka import KafkaServer
from cinelog_testkit.mongo import MongoServer
from cinelog_testkit.names import unique
from cinelog_testkit.network import free_port
from cinelog_testkit.process import Command, ServerProcess
from cinelog_testkit.programs import kcat_path
from cinelog_testkit.s3 import S3Server
from cinelog_testkit.waiting import wait_until

READY = '"service.ready"'
_ONE_OF_EACH = ("merge", "download", "storage", "gateway")


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """What a deployment runs on. Kafka's topics have fixed names: it is this deployment's alone."""

    kafka: KafkaServer
    mongo: MongoServer
    s3: S3Server


class ServiceProcess:
    """One `cinelog service` process."""

    def __init__(self, name: str, folder: Path, env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "server.log"
        self._process = ServerProcess(
            Command(argv=(CINELOG, "service", name, "--drain", "5", "--log", "json"), folder=folder, env=env)
        )
        self.name = name

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has logged, over all its starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def starts(self) -> int:
        """How often it has said that it takes work."""
        return self.log.count(READY)

    def start(self) -> None:
        """Start it; it is ready some seconds later."""
        self._process.start()

    def await_ready(self, starts: int = 1, *, deadline_s: float = 60.0) -> None:
        """Wait until it has said `starts` times that it takes work.

        Raises:
            TimeoutError: It did not.
        """
        try:
            wait_until(lambda: self.starts >= starts, deadline_s=deadline_s, what=self.name)
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {self._process.last_words()}") from None

    def crash_and_restart(self) -> None:
        """Kill it with everything it started, as a machine's end would, and start it anew."""
        starts = self.starts
        self.kill()
        self.start()
        self.await_ready(starts + 1)

    def kill(self) -> None:
        """Kill it with everything it started."""
        family = psutil.Process(self.pid).children(recursive=True)
        self._process.kill()
        for each in family:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue

    def pause(self) -> None:
        """Freeze it."""
        self._process.pause()

    def resume(self) -> None:
        """Let it run on."""
        self._process.resume()

    def stop(self) -> None:
        """End it in order."""
        self._process.stop(patience_s=15)


class Deployment:
    """The services, their servers, and what can be seen of them from outside."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._folder = folder
        self._servers = servers
        self._bucket = S3Options(
            bucket=unique("bucket"),
            endpoint=servers.s3.endpoint,
            access_key=servers.s3.access_key,
            secret_key=servers.s3.secret_key,
            region=servers.s3.region,
        )
        port = free_port()
        self.gateway = GatewayClient(f"http://127.0.0.1:{port}")
        self.env = {
            "CINELOG_KAFKA": servers.kafka.bootstrap,
            "CINELOG_PARTITIONS": "4",
            "CINELOG_POOLS": "cpu",
            "CINELOG_SESSION_S": "6",
            "CINELOG_MONGO": servers.mongo.uri,
            "CINELOG_MONGO_DATABASE": unique("db"),
            "CINELOG_S3_ENDPOINT": servers.s3.endpoint,
            "CINELOG_S3_BUCKET": self._bucket.bucket,
            "CINELOG_S3_ACCESS_KEY": servers.s3.access_key,
            "CINELOG_S3_SECRET_KEY": servers.s3.secret_key,
            "CINELOG_S3_REGION": servers.s3.region,
            "CINELOG_GATEWAY_PORT": str(port),
            "CINELOG_DOWNLOAD_ALLOW_PRIVATE_SOURCES": "1",
            "CINELOG_TRANSCODE_SLOTS": "1",
        }
        self.services: dict[str, ServiceProcess] = {}

    def prepare(self) -> None:
        """Make the bucket and the topics."""
        asyncio.run(_make_bucket(self._bucket))
        done = cinelog("topics", "apply", env=self.env)
        assert done.code == 0, done.err

    def start(self, name: str, label: str | None = None) -> ServiceProcess:
        """Start one more process of a service, known as `label`; it may not be ready yet."""
        label = label or name
        env = environment({**self.env, "CINELOG_SCRATCH": str(self._folder / label / "scratch")})
        process = ServiceProcess(name, self._folder / label, env)
        process.start()
        self.services[label] = process
        return process

    def stop(self) -> None:
        """End every process, all at once."""
        with ThreadPoolExecutor() as stopping:
            list(stopping.map(ServiceProcess.stop, self.services.values()))

    def produce(self, topic: str, value: bytes, *words: str) -> None:
        """Append one record with kcat, as other systems do."""
        path = self._folder / unique("record")
        path.write_bytes(value)
        argv = [kcat_path(), "-b", self._servers.kafka.bootstrap, "-P", "-t", topic, *words, str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def records(self, topic: str) -> list[dict[str, Any]]:
        """Return every record of a topic as kcat tells of it, headers as an object."""
        argv = [kcat_path(), "-b", self._servers.kafka.bootstrap, "-C", "-t", topic]
        argv += ["-o", "beginning", "-e", "-q", "-J"]
        done = subprocess.run(argv, capture_output=True, timeout=60, check=True)
        lines = done.stdout.decode(errors="replace").splitlines()
        return [_with_headers(json.loads(line, strict=False)) for line in lines if line.strip()]

    def events(self, job: str, kind: str = "") -> list[dict[str, Any]]:
        """Return the events of one job, all or those of one type such as `segment.encoded`."""
        found = []
        for record in self.records("cinelog.events"):
            name = record["headers"].get("ce_type", "")
            if record["headers"].get("ce_subject") == job and f".{kind}." in f".{name}.":
                found.append(json.loads(record["payload"]))
        return found

    def objects(self, prefix: str) -> dict[str, int]:
        """Return the sizes of all objects below `prefix`."""
        return asyncio.run(_listed(self._bucket, prefix))

    def object(self, key: str) -> bytes:
        """Return an object's bytes."""
        return asyncio.run(_read(self._bucket, key))


def _with_headers(record: dict[str, Any]) -> dict[str, Any]:
    pairs = record.get("headers") or []
    return {**record, "headers": dict(zip(pairs[::2], pairs[1::2], strict=True))}


async def _make_bucket(options: S3Options) -> None:
    from aiobotocore.session import get_session

    client = get_session().create_client(
        "s3",
        endpoint_url=options.endpoint,
        aws_access_key_id=options.access_key,
        aws_secret_access_key=options.secret_key,
        region_name=options.region,
    )
    async with client as s3:
        await s3.create_bucket(Bucket=options.bucket)


async def _listed(options: S3Options, prefix: str) -> dict[str, int]:
    store = await S3ObjectStore.open(options)
    try:
        return {found.key: found.size_bytes async for found in store.list(prefix)}
    finally:
        await store.close()


async def _read(options: S3Options, key: str) -> bytes:
    store = await S3ObjectStore.open(options)
    try:
        return await store.get(key)
    finally:
        await store.close()


@contextmanager
def deployed(servers: Servers, folder: Path, *, transcoders: int = 2) -> Iterator[Deployment]:
    """Run one process of each service, and several that transcode, while the context is open."""
    deployment = Deployment(servers, folder)
    deployment.prepare()
    try:
        for name in _ONE_OF_EACH:
            deployment.start(name)
        for number in range(transcoders):
            deployment.start("transcode", f"transcode-{number}")
        for process in deployment.services.values():
            process.await_ready()
        yield deployment
    finally:
        deployment.stop()
