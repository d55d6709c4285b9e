"""What this machine lets us use."""

import os
from math import ceil
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota: Path = CPU_QUOTA) -> int:
    """Return the cores this process may use: by its affinity, and by its container's quota."""
    allowed = getattr(os, "sched_getaffinity", None)
    cores = len(allowed(0)) if allowed else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, ceil(int(limit) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        # No cgroup v2 here, so no quota that we could know of.
        pass
    return max(1, cores)
