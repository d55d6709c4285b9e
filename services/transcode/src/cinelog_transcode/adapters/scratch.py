"""The folder on the worker's own disk where units are worked on."""

import shutil
from pathlib import Path


def sweep(root: Path, *, before: float, keep: str) -> int:
    """Remove what workers left in `root` that died, and return how many folders that were.

    Args:
        root: Holds one folder for each worker; may be missing.
        keep: Folders whose names begin so are this process's own.
        before: Seconds since the Unix epoch; a folder that was touched since then is left alone.
    """
    if not root.is_dir():
        return 0
    removed = 0
    for folder in root.iterdir():
        if folder.name.startswith(keep):
            continue
        try:
            old = folder.stat().st_mtime < before
        except FileNotFoundError:
            # Another worker sweeps too.
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
