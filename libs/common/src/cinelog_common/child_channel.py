"""The child's end of the pipe to its parent (`cinelog_common.children` has the other).

A frame is its length as four bytes, little endian, and then that many bytes.
Nothing heavy is imported here: a child starts as fast as what it works with.
"""

import os
import select
import struct
from collections.abc import Callable

Send = Callable[[bytes], None]

_LENGTH = struct.Struct("<I")

# What `adopt` found: the frames' way in and out, which standard input and output no longer are.
_ends: list[int] = []


def adopt() -> None:
    """Take standard input and output for frames.

    From now on whatever prints reaches standard error, and programs that the
    child starts read nothing, instead of our frames. `child_start` calls this
    before the child's module is imported.
    """
    if not _ends:
        _ends.extend((os.dup(0), os.dup(1)))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)


class Channel:
    """Frames from and to the parent; blocking, for one thread."""

    def __init__(self, *, source: int | None = None, sink: int | None = None) -> None:
        """Talk over two file descriptors; by default those that `adopt` took."""
        self._source = _ends[0] if source is None else source
        self._sink = _ends[1] if sink is None else sink

    def ready(self, timeout_s: float = 0.0) -> bool:
        """Tell whether a frame (or the parent's end) has begun to arrive within `timeout_s`."""
        return bool(select.select([self._source], [], [], timeout_s)[0])

    def receive(self) -> bytes | None:
        """Wait for the next frame; None when the parent has closed its end."""
        head = self._exactly(_LENGTH.size)
        if head is None:
            return None
        return self._exactly(_LENGTH.unpack(head)[0])

    def send(self, payload: bytes) -> None:
        """Send one frame.

        Raises:
            BrokenPipeError: The parent is gone.
        """
        for part in (_LENGTH.pack(len(payload)), payload):
            view = memoryview(part)
            while view:
                view = view[os.write(self._sink, view) :]

    def _exactly(self, size: int) -> bytes | None:
        data = bytearray()
        while len(data) < size:
            more = os.read(self._source, min(size - len(data), 1 << 20))
            if not more:
                return None
            data += more
        return bytes(data)


def serve(handle: Callable[[bytes, Send], None], channel: Channel | None = None) -> None:
    """Hand every frame to `handle` until the parent closes its end.

    `handle` may send any number of frames. What it raises ends the child: the
    parent sees `ChildDiedError` with the traceback's last lines.
    """
    channel = channel or Channel()
    while (frame := channel.receive()) is not None:
        try:
            handle(frame, channel.send)
        except BrokenPipeError:
            # Nobody is left to answer to.
            return
