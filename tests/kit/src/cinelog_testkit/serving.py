"""`cinelog serve` as a process with its own data, to be killed and started again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cinelog_testkit.commands import CINELOG, environment
from cinelog_testkit.gateways import GatewayClient
from cinelog_testkit.network import free_port
from cinelog_testkit.process import Command, ServerProcess
from cinelog_testkit.waiting import wait_until


class Serve:
    """One `cinelog serve` and its data."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.data = folder / "data"
        port = free_port()
        argv = (CINELOG, "serve", "--port", str(port), "--data", str(self.data), *words)
        self._process = ServerProcess(Command(argv=argv, folder=folder, env=environment()))
        self.gateway = GatewayClient(f"http://127.0.0.1:{port}")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            TimeoutError: It does not come up.
        """
        self._process.start()
        try:
            wait_until(self.gateway.ready, deadline_s=30, what="serve")
        except TimeoutError as late:
            raise TimeoutError(f"{late}: {self._process.last_words()}") from None

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()

    def stop(self) -> None:
        """End it in order."""
        self._process.stop(patience_s=15)

    def segments(self, job: str) -> dict[str, int]:
        """Return the inode of each encoded segment of the picture, by its name."""
        found = (self.data / "objects").glob(f"jobs/{job}/1/encoded/*/*p/*.m4s")
        return {path.name: path.stat().st_ino for path in found}


@contextmanager
def served(folder: Path, *words: str) -> Iterator[Serve]:
    """Run `cinelog serve` with these further words while the context is open."""
    serve = Serve(folder, *words)
    try:
        serve.start()
        yield serve
    finally:
        serve.stop()
