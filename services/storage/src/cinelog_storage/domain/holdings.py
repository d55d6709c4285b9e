"""What a job holds in a folder: its name there, and marks to know its own files again by. Pure."""

from collections.abc import Mapping

from cinelog_common.contract.values import Value

Stamp = tuple[int, int, int]
"""Size in bytes, time of change in nanoseconds and inode: of another file, at least one differs."""
MARKS_KEPT = 4


class Holding(Value, frozen=True, kw_only=True):
    """One job's place in one folder.

    Attributes:
        name: What its files are called, without a suffix.
        files: By file or folder name: the stamps of what it put there, the newest last.
        shown: Whether a run of it was revealed there.
    """

    job: str
    name: str
    files: dict[str, tuple[Stamp, ...]] = {}
    shown: bool = False


def with_stamps(holding: Holding, stamps: Mapping[str, Stamp]) -> Holding:
    """Return `holding` with what is about to be put there; the stamps before stay known for a while."""
    files = dict(holding.files)
    for name, stamp in stamps.items():
        files[name] = (*(known for known in files.get(name, ()) if known != stamp), stamp)[-MARKS_KEPT:]
    return Holding(job=holding.job, name=holding.name, files=files, shown=holding.shown)


def is_ours(holding: Holding | None, name: str, stamp: Stamp) -> bool:
    """Whether the file `name` that has `stamp` was put there by this job, and nobody changed it."""
    return holding is not None and stamp in holding.files.get(name, ())
