"""An encoder child whose device, played by the processor, stops answering in the middle of a unit.

Run with `python -m`. Its process id is left in the folder that `CINELOG_TEST_HUNG` names, where there is one.
"""

import os
import threading
from pathlib import Path

import msgspec
from cinelog_common.child_channel import Send, serve
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.domain.tasks import EncodeTask, TaskProgress
from msgspec.structs import replace

from cinelog_testkit.devices import UNITS_BEFORE_IT_BREAKS

HUNG_ENV = "CINELOG_TEST_HUNG"


def handle(frame: bytes, send: Send) -> None:
    """Encode a unit and report; hang half way through one that the device no longer takes."""
    task = msgspec.msgpack.decode(frame, type=EncodeTask)

    def report(done: int, total: int) -> None:
        send(msgspec.msgpack.encode(TaskProgress(done=done, total=total)))
        if task.n >= UNITS_BEFORE_IT_BREAKS and done * 2 >= total:
            _hang()

    played = replace(task.recipe, family="cpu", encoder="libx264", preset="medium")
    send(msgspec.msgpack.encode(encode_unit(replace(task, recipe=played), report)))


def _hang() -> None:
    if folder := os.environ.get(HUNG_ENV):
        (Path(folder) / str(os.getpid())).touch()
    threading.Event().wait()


if __name__ == "__main__":
    serve(handle)
