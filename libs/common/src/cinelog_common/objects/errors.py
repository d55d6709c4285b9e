"""What an object store raises beside the common errors."""

import errno

from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError


class ObjectMissingError(PermanentError):
    """There is no object under this key.

    Attributes:
        key: The key that was asked for.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"there is no object {key}", category=Category.INTERNAL)


class ConflictError(TransientError):
    """Somebody else changed the object since it was read; read it again and repeat.

    Attributes:
        key: The object's key.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the object {key} was changed by somebody else", category=Category.DEPENDENCY)


class BadKeyError(PermanentError):
    """A string that is no sound object key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key[:80]!r} is no object key: {reason}", category=Category.INVALID_REQUEST)


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_CLOSED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)


def of_the_system(error: OSError, what: str) -> CinelogError:
    """Return our error for one that the operating system gave while doing `what`."""
    said = f"{what[:1].upper()}{what[1:]}: {error.strerror or error}."
    if error.errno in _FULL:
        return PermanentError(said, category=Category.NO_SPACE, action="Free some space and retry the job.")
    if error.errno in _CLOSED:
        action = "Give Cinelog a folder that it may write."
        return PermanentError(said, category=Category.NOT_WRITABLE, action=action)
    return TransientError(said, category=Category.DEPENDENCY, action="Look after the disk.")
