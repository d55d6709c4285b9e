"""Chooses the kernel: `CINELOG_FASTIO` = `native` (the default) or `pure`.

This is the one module of the package that reads the environment. The choice belongs to the process and not to
one service's settings: this library is below them all, and its kernel stands as soon as it is imported.
A missing native build is an error and no reason for the slow twin, which would show only as a slow service.
"""

import importlib
import os
from typing import TYPE_CHECKING, Final, cast

from cinelog_fastio.kernel import Kernel

if TYPE_CHECKING:
    from cinelog_fastio import _native, _pure

    # Holds both to the protocol, which the cast below cannot.
    KERNELS: tuple[Kernel, Kernel] = (_native, _pure)

VARIABLE: Final = "CINELOG_FASTIO"


def choose(name: str) -> Kernel:
    """Return the kernel of that name.

    Raises:
        ImportError: The name is unknown, or the native kernel has not been built.
    """
    if name not in ("native", "pure"):
        raise ImportError(f"{VARIABLE} is {name!r}; it must be 'native' or 'pure'")
    try:
        return cast("Kernel", importlib.import_module(f"cinelog_fastio._{name}"))
    except ModuleNotFoundError as error:
        if name != "native" or not str(error.name).startswith("cinelog_fastio._native"):
            raise
        raise ImportError(
            "cinelog_fastio._native has not been built for this Python; run requirements/install.sh,"
            f" or set {VARIABLE}=pure to use the slower pure twin"
        ) from error


name: Final = os.environ.get(VARIABLE) or "native"
kernel: Kernel = choose(name)
