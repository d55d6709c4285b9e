"""The `cinelog` command as a process, as a user calls it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psutil

from cinelog_testkit.waiting import wait_until

CINELOG = str(Path(sys.executable).with_name("cinelog"))


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output; anything beside it is an error."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def path(self, kind: str) -> Path:
        """Where the output of this kind lies."""
        (found,) = (output["path"] for output in self.result["outputs"] if output["kind"] == kind)
        return Path(found)

    def output(self, kind: str) -> dict[str, Any]:
        """What the result says of the output of this kind."""
        (found,) = (output for output in self.result["outputs"] if output["kind"] == kind)
        assert isinstance(found, dict)
        return found


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this process's environment without what configures Cinelog, and with `changes`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CINELOG_")}
    return {**kept, **(changes or {})}


def cinelog(
    *words: str | Path,
    deadline_s: float = 60.0,
    env: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
) -> Finished:
    """Call the command and wait for its end; `before` are words of a program that starts it."""
    with Calling(*words, env=env, before=before) as call:
        return call.finish(deadline_s=deadline_s)


class Calling:
    """A running call; leaving the context ends it and everything it started."""

    def __init__(
        self, *words: str | Path, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
    ) -> None:
        # A session of its own, so that a signal reaches what a terminal's would reach, and nobody else.
        self._process = subprocess.Popen(
            [*before, CINELOG, *map(str, words)],
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    def finish(self, *, deadline_s: float = 60.0) -> Finished:
        """Wait for the end.

        Raises:
            subprocess.TimeoutExpired: It did not end within `deadline_s`.
        """
        out, err = self._process.communicate(timeout=deadline_s)
        return Finished(code=self._process.returncode, out=out, err=err)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would, and wait until what it had started has noticed by itself.

        Raises:
            TimeoutError: A child outlived it by more than ten seconds.
        """
        family = self.family()
        self._process.kill()
        self._process.wait()
        wait_until(lambda: not any(_runs(each) for each in family), deadline_s=10.0, what="no orphans")

    def family(self) -> list[psutil.Process]:
        """Return the processes it has started, directly or not."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def __enter__(self) -> Self:
        """Return the call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self.running():
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
