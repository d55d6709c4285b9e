"""One native server process: started, paused, killed, restarted, and never left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from cinelog_testkit.availability import UnavailableError
from cinelog_testkit.waiting import wait_until

# Linux kills the child when the *thread* that started it ends (prctl(2),
# PR_SET_PDEATHSIG). Tests may start servers from short-lived threads, so one
# thread that lives as long as the process starts all of them.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="server-starter")

# A wrapper instead of preexec_fn, which can deadlock in a process with threads.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the test run has ended")
os.execvp(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a server is started."""

    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


class ServerProcess:
    """A server of our own; it dies with the test run, however that ends."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._log = command.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def alive(self) -> bool:
        """Tell whether the process runs (paused counts as running)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; what it needs to be ready is the caller's to await."""
        assert not self.alive(), "the server runs already"
        _STARTER.submit(self._spawn).result()

    def _spawn(self) -> None:
        argv = [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *self._command.argv]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                cwd=self._command.folder,
                env={**os.environ, **self._command.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the test run, which then ends its servers in order.
                start_new_session=True,
            )

    def pause(self) -> None:
        """Stop the process from running, as a frozen machine would (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process run on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once, as a crash would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, *, patience_s: float = 5.0) -> None:
        """End the process in order, or by force after `patience_s`."""
        if self._process is None:
            return
        if self.alive():
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the server's log, to explain a failed start."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """A server that fault tests may kill, pause and restart, if this run started it natively.

    Each method raises `UnavailableError` for a server that somebody else started.
    """

    process: ServerProcess | None = field(default=None, repr=False)
    answers: Callable[[], bool] = field(default=lambda: True, repr=False)

    def own(self) -> ServerProcess:
        """Return the process behind the server."""
        if self.process is None:
            raise UnavailableError("this server was not started natively by the test run")
        return self.process

    def kill(self) -> None:
        """Kill the server as a crash would."""
        self.own().kill()

    def pause(self) -> None:
        """Freeze the server."""
        self.own().pause()

    def resume(self) -> None:
        """Let a frozen server run on."""
        self.own().resume()

    def restart(self) -> None:
        """Start the server anew on its old data and port; return when it answers."""
        self.own().kill()
        self.own().start()
        self.await_answer()

    def await_answer(self, *, deadline_s: float = 60.0) -> None:
        """Wait until the server answers.

        Raises:
            UnavailableError: Its process ended, or did not answer within `deadline_s`.
        """
        process = self.own()
        name = type(self).__name__
        try:
            wait_until(lambda: not process.alive() or self.answers(), deadline_s=deadline_s, what=name)
        except TimeoutError as late:
            raise UnavailableError(f"{late}: {process.last_words()}") from late
        if not process.alive():
            raise UnavailableError(f"{name} ended while starting: {process.last_words()}")
