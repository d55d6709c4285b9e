"""A child for the tests: does what the frame says."""

import os
import resource
import signal
import subprocess
import sys
import time

from cinelog_common.child_channel import Channel, Send, serve


def handle(frame: bytes, send: Send) -> None:  # noqa: C901, PLR0912 - a flat table of what it can be told
    word, _, rest = frame.partition(b" ")
    match word:
        case b"echo":
            send(rest)
        case b"pid":
            send(str(os.getpid()).encode())
        case b"print":
            print("a stray print")  # noqa: T201 - what the channel must survive
            send(b"printed")
        case b"die":
            os.kill(os.getpid(), signal.Signals[rest.decode()])
        case b"raise":
            raise ValueError(rest.decode())
        case b"exit":
            sys.stderr.write("the last words\n")
            sys.stderr.flush()
            os._exit(int(rest))
        case b"hang":
            send(b"hanging")
            time.sleep(600)
        case b"grandchild":
            send(str(subprocess.Popen(["sleep", "600"]).pid).encode())
        case b"limits":
            values = [resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE)]
            send(repr((values, os.nice(0), os.environ.get("COLOUR"))).encode())
        case b"realtime":
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            except PermissionError:
                send(b"refused")
            else:
                send(b"taken")
        case b"wall":
            os.write(Channel()._sink, b"\xff\xff\xff\xff")
        case b"flood":
            send(b"flooding")
            send(bytes(20_000_000))
        case b"stdin":
            send(subprocess.run(["cat"], capture_output=True, check=True).stdout)
        case b"noise":
            sys.stderr.write("x" * 3_000_000)
            send(b"loud")
        case _:
            raise AssertionError(frame)


if __name__ == "__main__":
    serve(handle)
