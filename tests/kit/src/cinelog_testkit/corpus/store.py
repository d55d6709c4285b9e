"""Where the corpus lies: outside the checkout, made once per version of what makes it."""

import fcntl
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from cinelog_testkit.corpus.damages import HOSTILE
from cinelog_testkit.corpus.sources import LONG, SOURCES

_NOT_MAKING = frozenset({"__init__.py", "store.py", "viewing.py", "results.py", "running.py", "wishes.py"})


def corpus_folder() -> Path:
    """Return the folder of this version's films, made if need be."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "cinelog" / "corpus" / version()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def version() -> str:
    """Return what changes with the generator's own text and with the codecs that it uses."""
    import av

    digest = hashlib.blake2b(repr(sorted(av.library_versions.items())).encode(), digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _NOT_MAKING:
            digest.update(path.read_bytes())
    return digest.hexdigest()


def names() -> tuple[str, ...]:
    """Return the file name of every kind."""
    return (*SOURCES, *HOSTILE, *LONG)


def film(name: str) -> Path:
    """Return the film called `name`, made if this is the first time that it is wanted.

    Raises:
        KeyError: There is no such kind.
    """
    maker = {**SOURCES, **LONG, **HOSTILE}[name]
    folder = corpus_folder()
    path = folder / name
    if path.exists():
        return path
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            draft = folder / "drafts" / name
            draft.parent.mkdir(exist_ok=True)
            maker(draft)
            # By one rename, so that who sees it sees all of it.
            draft.rename(path)
    return path


def films(wanted: Iterable[str]) -> dict[str, Path]:
    """Return each film by its name."""
    return {name: film(name) for name in wanted}
