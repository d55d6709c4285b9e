"""Files of a destination folder: brought in by a link where that is possible, revealed by a rename."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from cinelog_common.errors import Category, PermanentError

from cinelog_storage.domain.holdings import Stamp

_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EACCES}
)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MASTER = "master.m3u8"
_SIGNED = (1 << 63) - 1


def placed(source: Path, target: Path) -> None:
    """Make `target` have the content of `source`: a film is not copied to be in two places."""
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)


def written(path: Path, text: str) -> None:
    """Write a small text file."""
    path.write_text(text, encoding="utf-8")


def stamp_of(path: Path) -> Stamp:
    """Return what tells this file, or this folder's master playlist, from any other.

    Raises:
        OSError: It is not there.
    """
    found = (path / _MASTER if path.is_dir() else path).stat()
    # Some file systems use all 64 bits of an inode; documents hold signed ones.
    return (found.st_size, found.st_mtime_ns, found.st_ino & _SIGNED)


def moved_into_place(staged: Path, target: Path) -> bool:
    """Rename `staged` to `target`; the caller has seen that what is there may go.

    False if something came there that may not.
    """
    if staged.is_dir():
        if target.exists():
            aside = staged.with_name(f"{staged.name}.old")
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        try:
            staged.rename(target)
        except OSError as error:
            if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
                return False
            raise
        return True
    if target.exists():
        staged.replace(target)
        return True
    try:
        # A link never writes over what appeared in between; a rename would.
        os.link(staged, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        staged.replace(target)
    return True


@contextlib.contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Turn what the operating system says while writing into `folder` into our errors."""
    try:
        yield
    except OSError as error:
        raise _translation(folder, error) from error
    except ExceptionGroup as group:
        # Several copies at a time fail together; the first says it all.
        first = group.exceptions[0]
        if isinstance(first, OSError):
            raise _translation(folder, first) from group
        raise first from group


def _translation(folder: Path, error: OSError) -> PermanentError:
    if error.errno in _FULL:
        return PermanentError(
            f"There is no space left in {folder}.",
            category=Category.NO_SPACE,
            action="Free some space, then run it again.",
        )
    return PermanentError(
        f"{folder} cannot be written: {error.strerror or error}.",
        category=Category.NOT_WRITABLE,
        action="Choose another folder, or change its permissions.",
    )
