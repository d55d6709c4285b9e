"""Which vendors' devices may be here: a look at a few files, so that nobody waits for a driver.

What is found is only plausible. Whether it works is proven by encoding a frame, in a child process.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from cinelog_common.contract.values import Value

_ROOT = Path("/")
_NVIDIA = ("dev/nvidiactl", "dev/nvidia0", "usr/lib/wsl/lib/libcuda.so.1")
"""The driver's own device files; the last one is its door from within WSL."""
_VENDORS = {"intel": "0x8086", "amd": "0x1002"}
"""PCI numbers, as `/sys/class/drm/*/device/vendor` tells them."""


class Device(Value, frozen=True, kw_only=True):
    """What was found of one vendor."""

    pool: str
    plausible: bool
    """Whether it is worth asking its encoders for a frame."""
    detail: str
    """What was found, or what is lacking."""


def look(root: Path = _ROOT, *, system: str = sys.platform) -> tuple[Device, ...]:
    """Return what was found of every vendor; takes no more than a few file lookups."""
    nodes = dict(_render_nodes(root))
    return (
        _nvidia(root),
        *(_rendering(pool, number, nodes) for pool, number in _VENDORS.items()),
        Device(
            pool="apple",
            plausible=system == "darwin",
            detail="VideoToolbox comes with macOS" if system == "darwin" else "this is not macOS",
        ),
    )


def plausible_pools(root: Path = _ROOT, *, system: str = sys.platform) -> tuple[str, ...]:
    """Return the pools whose devices may be here, the processor's own first."""
    return ("cpu", *(device.pool for device in look(root, system=system) if device.plausible))


def _nvidia(root: Path) -> Device:
    found = [f"/{name}" for name in _NVIDIA if (root / name).exists()]
    detail = f"{found[0]} is there" if found else "no driver is loaded, or its device files are not passed in"
    return Device(pool="nvidia", plausible=bool(found), detail=detail)


def _render_nodes(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the render nodes that the kernel knows, and their vendor's number."""
    for entry in sorted(root.glob("sys/class/drm/renderD*")):
        try:
            yield root / "dev" / "dri" / entry.name, (entry / "device" / "vendor").read_text().strip()
        except OSError:
            # Virtual devices have no vendor.
            continue


def _rendering(pool: str, number: str, nodes: dict[Path, str]) -> Device:
    own = [node for node, vendor in nodes.items() if vendor == number]
    if not own:
        return Device(pool=pool, plausible=False, detail="the kernel shows no such graphics device")
    usable = [node for node in own if os.access(node, os.R_OK | os.W_OK)]
    if usable:
        return Device(pool=pool, plausible=True, detail=f"/dev/dri/{usable[0].name} is there")
    if any(node.exists() for node in own):
        lack = "may not be opened by this user: it belongs to the group render or video"
    else:
        lack = "is not passed in to this process"
    return Device(pool=pool, plausible=False, detail=f"/dev/dri/{own[0].name} {lack}")
