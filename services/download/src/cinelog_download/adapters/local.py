"""Files of this machine: nothing is fetched, the source is its own part file."""

import asyncio
import os
import stat
from pathlib import Path

from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.answers import Validator, changed, empty
from cinelog_download.domain.splices import Splice


def inspect_file(path: Path) -> tuple[int, Validator]:
    """Return size and version of a file that can be a source. Blocks.

    Raises:
        PermanentError: SOURCE_NOT_FOUND, SOURCE_FORBIDDEN, UNSUPPORTED_SOURCE, NOT_MEDIA if it is empty.
    """
    try:
        # A named pipe without a writer would block here for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PermanentError(
            f"There is no file {path}.", category=Category.SOURCE_NOT_FOUND, action="Check the path."
        ) from error
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "the path is unsound").lower()
        raise PermanentError(
            f"The file {path} cannot be read: {reason}.",
            category=Category.SOURCE_FORBIDDEN,
            action="Let the service read it.",
        ) from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise PermanentError(
            f"{path} is no file: it is a folder or a device.",
            category=Category.UNSUPPORTED_SOURCE,
            action="Give the path of one file.",
        )
    if status.st_size == 0:
        raise empty()
    return status.st_size, Validator(etag=f'"{status.st_size:x}-{status.st_mtime_ns:x}"')


class LocalFetch:
    """A source that is there already; see `ports.Fetch`."""

    accepts_ranges = True
    splices: tuple[Splice, ...] = ()

    def __init__(self, path: Path, size: int, validator: Validator) -> None:
        self._path = path
        self._size = size
        self._validator = validator
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._complete.set_result(None)

    @classmethod
    async def open(cls, path: Path, expected: Validator | None = None) -> "LocalFetch":
        """Look at the file.

        Raises:
            PermanentError: As `inspect_file`; SOURCE_CHANGED if it is not the `expected` version.
        """
        size, validator = await asyncio.to_thread(inspect_file, path)
        if expected is not None and validator.contradicts(expected):
            raise changed("the file was written to")
        return cls(path, size, validator)

    @property
    def path(self) -> Path:
        """The source itself."""
        return self._path

    @property
    def size(self) -> int | None:
        """The file's size in bytes."""
        return self._size

    @property
    def bytes_fetched(self) -> int:
        """All of them."""
        return self._size

    @property
    def validator(self) -> Validator:
        """Made of size and time of the last change."""
        return self._validator

    @property
    def complete(self) -> "asyncio.Future[None]":
        """Done from the start."""
        return self._complete

    def available(self, start: int, length: int) -> bool:
        """Everything is."""
        del start, length
        return True

    async def wait_for(self, start: int, length: int) -> None:
        """Return at once."""

    async def close(self) -> None:
        """Leave the source as it is."""
