"""The servers' downloads, kept outside the checkout and safe for several test runs at once."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder of the downloads, made if need be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "cinelog" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` against other processes; the kernel frees it if this one dies."""
    with (cache_dir() / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; the first caller on this machine fills it with `make`.

    The folder appears by one rename when `make` is through, so that who sees it sees all of it.
    """
    folder = cache_dir() / name
    if folder.is_dir():
        return folder
    with locked(name):
        if not folder.is_dir():
            draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_dir()))
            try:
                make(draft)
                draft.rename(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    return folder
