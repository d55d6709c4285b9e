"""What a process may not do to the rest of the machine.

SVT-AV1 makes itself and every thread of its process SCHED_FIFO at priority 99 where it may, which is
wherever it runs as root, as in most containers (seen with 4.1.0). Measured: the process that
opened it once kept two cores to itself in the kernel for minutes, and neither the log nor a signal
came through. No niceness holds against that; without the right, it goes on as everybody does.
"""

import contextlib
import ctypes
import resource
import struct
import sys

_PR_CAPBSET_DROP = 24
_CAP_SYS_NICE = 23
_VERSION = 0x20080522
_HEADER = struct.Struct("Ii")
_SETS = struct.Struct("6I")
"""Effective, permitted and inheritable, first of the lower 32 capabilities, then of the upper ones."""


def forgo_realtime(*, children: bool = True) -> None:
    """Give up the right to real-time scheduling, for this process and with `children` for what it starts.

    Where there is no such right, or no Linux, nothing changes. Niceness can be raised as before.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    libc = ctypes.CDLL(None)
    # What root executes gets back what the bounding set holds.
    if children:
        libc.prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)
    header = ctypes.create_string_buffer(_HEADER.pack(_VERSION, 0), _HEADER.size)
    sets = ctypes.create_string_buffer(_SETS.size)
    if libc.capget(header, sets) != 0:
        return
    kept = list(_SETS.unpack(sets.raw))
    kept[:3] = [held & ~(1 << _CAP_SYS_NICE) for held in kept[:3]]
    # Less can always be had.
    libc.capset(header, ctypes.create_string_buffer(_SETS.pack(*kept), _SETS.size))
