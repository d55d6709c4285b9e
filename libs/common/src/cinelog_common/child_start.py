"""What a child process runs first: its leash and limits, and only then its module.

Limits are in force before the module's imports, since those already run other people's code.
"""

import contextlib
import ctypes
import json
import os
import resource
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cinelog_common import child_channel
from cinelog_common.priorities import forgo_realtime

_PR_SET_PDEATHSIG = 1

_LIMITS = {
    "address_space_bytes": resource.RLIMIT_AS,
    "cpu_s": resource.RLIMIT_CPU,
    "open_files": resource.RLIMIT_NOFILE,
    "file_size_bytes": resource.RLIMIT_FSIZE,
}


def main(module: str, parent: int) -> None:
    """Read the parent's first frame (limits, environment, niceness), obey it, and run `module`."""
    _die_with(parent)
    child_channel.adopt()
    frame = child_channel.Channel().receive()
    if frame is None:
        return
    _obey(json.loads(frame))
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        # It died before the leash was on.
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _obey(options: dict[str, Any]) -> None:
    os.environ.update(options["env"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name, value in options["limits"].items():
        if value is not None:
            _, hard = resource.getrlimit(_LIMITS[name])
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(_LIMITS[name], (bound, bound))
    os.nice(options["nice"])
    forgo_realtime()
    # If memory runs out, a child that can be started again should go before its parent.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
