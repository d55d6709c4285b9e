"""Child processes that may be killed at any moment; hostile bytes are handled only there.

The parent talks in frames (`child_channel` has the child's end) and never
blocks: whatever a child does, it can be killed and another one started.
"""

import asyncio
import collections
import contextlib
import os
import signal
import struct
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import msgspec
from loguru import logger

from cinelog_common.errors import Category, TransientError

_LENGTH = struct.Struct("<I")
_STDERR_LINES = 20
_STDERR_LINE_CHARS = 500
# After the pipe closed, a sound child is gone in milliseconds.
_GRACE_S = 2.0


class ChildLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel lets a child use; None sets no limit of ours. Core dumps are always off."""

    address_space_bytes: int | None = None
    """Virtual memory: threads and mapped files count too."""
    cpu_s: int | None = None
    """Processor time over the child's whole life, all of a warm child's tasks together."""
    open_files: int | None = None
    file_size_bytes: int | None = None


class ChildOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a child is started."""

    limits: ChildLimits = ChildLimits()
    env: dict[str, str] = {}
    nice: int = 0


_NO_LIMITS = ChildLimits()


class ChildDiedError(TransientError):
    """A child process ended, or broke its protocol, before it answered.

    Attributes:
        exit_code: Its exit status; None if a signal ended it.
        signal_name: The signal that ended it, as in "SIGSEGV"; None if it exited.
        stderr: The last lines it wrote to standard error.
    """

    def __init__(self, module: str, returncode: int, stderr: tuple[str, ...]) -> None:
        self.exit_code = returncode if returncode >= 0 else None
        self.signal_name = _signal_name(-returncode) if returncode < 0 else None
        self.stderr = stderr
        how = f"was ended by {self.signal_name}" if self.signal_name else f"exited with {self.exit_code}"
        last = f": {stderr[-1]}" if stderr else ""
        super().__init__(
            f"the child process {module} {how}{last}",
            category=Category.LIMIT_EXCEEDED if self.signal_name == "SIGXCPU" else Category.INTERNAL,
            action="It is started again by itself; if it ends each time, look at its input.",
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Child:
    """One child process. Made by `start`, ended by `kill` or by leaving its context."""

    max_frame_bytes = 1 << 28
    """A longer frame than this is taken for a broken child, so that none can fill our memory."""

    def __init__(self, module: str, process: asyncio.subprocess.Process) -> None:
        self._module = module
        self._process = process
        self._expected: int | None = None
        self._receiving = False
        self._ending: asyncio.Task[int] | None = None
        self._stderr: collections.deque[str] = collections.deque(maxlen=_STDERR_LINES)
        self._listening = asyncio.create_task(self._listen(), name=f"child.stderr {module} {process.pid}")

    @classmethod
    async def start(
        cls,
        module: str,
        *,
        env: Mapping[str, str] | None = None,
        limits: ChildLimits = _NO_LIMITS,
        nice: int = 0,
    ) -> Self:
        """Start `python -m module`, which should call `child_channel.serve`.

        Args:
            env: Added to our own environment before `module` is imported.
            limits: In force before `module` is imported.
            nice: How much lower than ours its priority is.
        """
        process = await asyncio.create_subprocess_exec(
            # -P: no module is ever taken from the working directory.
            *(sys.executable, "-P", "-m", "cinelog_common.child_start", module, str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
            # A group of its own: Ctrl-C is for the parent, and `kill` reaches grandchildren.
            start_new_session=True,
        )
        child = cls(module, process)
        options = ChildOptions(limits=limits, env=dict(env or {}), nice=nice)
        try:
            await child.send(msgspec.json.encode(options))
        except BaseException:
            await child.kill()
            raise
        return child

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended, as far as is known."""
        return self._process.returncode is None

    async def send(self, payload: bytes) -> None:
        """Send one frame; waits while the child is not reading.

        Raises:
            ChildDiedError: It has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.writelines((_LENGTH.pack(len(payload)), payload))
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise await self._died() from error

    async def receive(self) -> bytes:
        """Wait for the next frame. May be cancelled at any point and called again.

        Raises:
            ChildDiedError: It has ended, or sent a frame that is too long.
        """
        assert not self._receiving, "two tasks wait for one child's frames"
        self._receiving = True
        try:
            payload = await self._frame()
        except asyncio.IncompleteReadError:
            payload = None
        finally:
            self._receiving = False
        if payload is None:
            raise await self._died()
        return payload

    async def _frame(self) -> bytes | None:
        assert self._process.stdout is not None
        # What is read of a frame is kept here and in the reader, so a cancelled call loses nothing.
        if self._expected is None:
            (self._expected,) = _LENGTH.unpack(await self._process.stdout.readexactly(_LENGTH.size))
        if self._expected > self.max_frame_bytes:
            self._stderr.append(f"it announced a frame of {self._expected} bytes")
            self._signal()
            return None
        payload = await self._process.stdout.readexactly(self._expected)
        self._expected = None
        return payload

    async def kill(self) -> None:
        """End the process and its own children at once, and return when it is gone; harmless if it is."""
        self._signal()
        await self._ended()

    async def __aenter__(self) -> Self:
        """Return the child itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the child."""
        await self.kill()

    def _signal(self) -> None:
        # Without a return code the process is not reaped, so its id and group are still its own.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _ended(self) -> int:
        # One task for all who wait, which none of them can cancel: the process is always reaped.
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"child.end {self._module} {self.pid}")
        return await asyncio.shield(self._ending)

    async def _end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(ConnectionError):
            await self._process.stdin.wait_closed()
        discarding = asyncio.create_task(self._discard())
        waiting = asyncio.create_task(self._process.wait())
        # What the child started in a session of its own may hold the pipes open: it is not waited for.
        await asyncio.wait({waiting, discarding, self._listening}, timeout=_GRACE_S)
        if self.alive:
            self._signal()
            await asyncio.wait({waiting, discarding, self._listening}, timeout=_GRACE_S)
        for task in (waiting, discarding, self._listening):
            task.cancel()
        returncode = self._process.returncode
        return -signal.SIGKILL if returncode is None else returncode

    async def _discard(self) -> None:
        # asyncio waits for the pipe's end too, which it does not see while a full buffer stops its reading.
        assert self._process.stdout is not None
        while not self._receiving and await self._process.stdout.read(1 << 16):
            pass

    async def _died(self) -> ChildDiedError:
        return ChildDiedError(self._module, await self._ended(), tuple(self._stderr))

    async def _listen(self) -> None:
        """Keep the last lines of standard error; a child that is not listened to would block."""
        assert self._process.stderr is not None
        rest = b""
        while data := await self._process.stderr.read(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._note(line)
            rest = rest[-_STDERR_LINE_CHARS:]
        if rest:
            self._note(rest)

    def _note(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()[:_STDERR_LINE_CHARS]
        self._stderr.append(text)
        logger.bind(action="child.stderr", module=self._module, child=self.pid).debug("{}", text)
