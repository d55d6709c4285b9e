"""What a user typed as a source, as what it means wherever it is read again."""

import contextlib
import os
from pathlib import Path


def absolute(source: str) -> str:
    """Return a path as one that does not depend on the folder the command was called in; a URL stays.

    What exists as a file is a file, whatever its name looks like.
    """
    if not source.strip() or ("://" in source and not os.path.exists(source)):  # noqa: PTH110 - any name may come
        return source
    return str(expanded(Path(source)).absolute())


def expanded(path: Path) -> Path:
    """Return `path` with `~` replaced by the home it stands for; one that stands for none is a plain name."""
    with contextlib.suppress(RuntimeError):
        return path.expanduser()
    return path
