"""The encoder child: one unit at a time, from a bundle to fragments. Killed if it stops reporting."""

import av
import msgspec
from cinelog_common.child_channel import Channel, Send, serve
from cinelog_common.clock import SystemClock
from cinelog_common.contract.values import Recipe
from cinelog_common.errors import CinelogError
from cinelog_common.memory import LARGE, SMALL, give_back_freed_memory, keep_freed_memory
from cinelog_common.objects.errors import of_the_system

from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.domain.tasks import EncodeTask, TaskProgress, UnitReport, failed

_REPORT_EVERY_S = 0.5
_MANY_PIXELS = 3 << 19
"""Of a rendition from which on an encoder's largest blocks are kept between units: clearing them anew takes
1 % of the time of encoding 1080p, and keeping them 3 % of memory. Of 720p it is 10 % of memory."""

_IDLE_S = 1.0
"""Longer than between two units of one film: those find the pages of the one before them."""


class IdleChannel(Channel):
    """Gives freed memory back while no task comes: a warm child is as large as its largest unit was."""

    def receive(self) -> bytes | None:
        """Wait for the next frame; None when the parent has closed its end."""
        if not self.ready(_IDLE_S):
            give_back_freed_memory()
        return super().receive()


class UnitMemory:
    """Lets each unit find the pages of the one before it, if both need the same."""

    def __init__(self) -> None:
        self._before: tuple[Recipe, int] | None = None

    def prepare(self, task: EncodeTask) -> None:
        """Choose what is kept, and give back what this task would leave unused beside its own."""
        most = max(one.width * one.height for one in task.recipe.renditions)
        keep_freed_memory(LARGE if most >= _MANY_PIXELS else SMALL)
        needs = (task.recipe, task.threads)
        if self._before is not None and self._before != needs:
            give_back_freed_memory()
        self._before = needs


_MEMORY = UnitMemory()


def handle(frame: bytes, send: Send) -> None:
    """Do one task and send its reports, the last of them a `UnitReport` or a `TaskFailed`."""
    task = msgspec.msgpack.decode(frame, type=EncodeTask)
    _MEMORY.prepare(task)
    clock = SystemClock()
    reported = clock.monotonic() - _REPORT_EVERY_S

    def report(done: int, total: int) -> None:
        nonlocal reported
        if clock.monotonic() - reported >= _REPORT_EVERY_S:
            reported = clock.monotonic()
            send(msgspec.msgpack.encode(TaskProgress(done=done, total=total)))

    answer: UnitReport | object
    try:
        answer = encode_unit(task, report)
    except CinelogError as error:
        answer = failed(error)
    except OSError as error:
        if isinstance(error, av.error.FFmpegError):
            raise
        answer = failed(of_the_system(error, f"cannot write to {task.folder}"))
    send(msgspec.msgpack.encode(answer))


if __name__ == "__main__":
    serve(handle, IdleChannel())
