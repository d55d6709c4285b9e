"""The folder store's file operations; they block, and raise what the system raises.

A key appears by link(2), which fails if the name is taken: that makes it atomic
and gives it one winner, on one machine and on network file systems alike.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from cinelog_common.errors import Category, PermanentError
from cinelog_common.objects.errors import ConflictError, ObjectMissingError
from cinelog_common.objects.ports import Created, Exists, ObjectInfo, StoredObject

# Keys never begin with a dot, so nothing in here can be an object.
_DRAFTS = ".drafts"
_LOCKS = ".locks"
_DRAFT_LIVES_S = 86_400
# A parent folder may be swept away as empty between making and using it.
_TRIES = 20
# What link(2) says on file systems that have no links (exFAT), or not to this file.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class Files:
    """Files below `root`, named by keys that the caller has checked."""

    def __init__(self, root: Path, *, durable: bool) -> None:
        self._root = root
        self._durable = durable

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self._root.joinpath(*key.split("/"))

    def create(self, key: str, data: bytes | Path) -> Created | Exists:
        """Write a draft and give it its name."""
        taken = self.head(key)
        if taken is not None:
            # Nothing is written for those who come late, as after a redelivery.
            return Exists(info=taken)
        with self._draft() as draft:
            if isinstance(data, Path):
                shutil.copyfile(data, draft)
            else:
                draft.write_bytes(data)
            try:
                return self._link(key, draft)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            with self._locked(key):
                return self._rename(key, draft)

    def link_from(self, key: str, path: Path) -> Created | Exists:
        """Give the file itself a second name; copy it where that cannot be."""
        try:
            return self._link(key, path)
        except OSError as error:
            if error.errno == errno.EXDEV or error.errno in _NO_LINKS:
                return self.create(key, path)
            raise

    def replace(self, key: str, data: bytes, if_match: str | None) -> ObjectInfo:
        """Compare and rename under a lock."""
        target = self.path(key)
        with self._draft() as draft, self._locked(key):
            before = self.head(key)
            if (before and before.etag) != if_match:
                raise ConflictError(key)
            draft.write_bytes(data)
            if before is None:
                return self._first(key, draft)
            # The clock of a file system ticks every few milliseconds; an etag must never come back.
            made, old = draft.stat(), target.stat()
            os.utime(draft, ns=(made.st_atime_ns, max(made.st_mtime_ns, old.st_mtime_ns + 1)))
            self._flush(draft)
            draft.replace(target)
            self._flush(target.parent)
            return _info(key, target.stat())

    def read(self, key: str) -> StoredObject:
        """Read content and etag through one descriptor, so that they belong together."""
        with self._opened(key) as handle:
            info = _info(key, os.fstat(handle.fileno()))
            return StoredObject(info=info, data=handle.read())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read a part; the file's size bounds it, whatever length a caller passes on."""
        with self._opened(key) as handle:
            left = os.fstat(handle.fileno()).st_size - start
            handle.seek(start)
            return handle.read(min(length, max(0, left)))

    def fetch_to(self, key: str, path: Path) -> ObjectInfo:
        """Copy to a draft beside `path` and rename it."""
        draft = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with self._opened(key) as source, draft.open("xb") as sink:
                info = _info(key, os.fstat(source.fileno()))
                shutil.copyfileobj(source, sink, 1 << 20)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        return info

    def head(self, key: str) -> ObjectInfo | None:
        """Look at the file; a folder is none."""
        path = self.path(key)
        try:
            return _info(key, path.stat()) if path.is_file() else None
        except FileNotFoundError:
            return None

    def walk(self, prefix: str) -> list[ObjectInfo]:
        """Return what is below a folder, in S3's order: by the keys' bytes ("a-b" before "a/b")."""
        found = []
        for folder, _, names in os.walk(self.path(prefix[:-1])):
            inner = Path(folder).relative_to(self._root).as_posix()
            found += [self.head(f"{inner}/{name}") for name in names if not name.startswith(".")]
        return sorted((each for each in found if each is not None), key=lambda each: each.key.encode())

    def delete(self, key: str) -> None:
        """Remove the file, and the folders that it leaves empty."""
        path = self.path(key)
        if path.is_dir():
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            self._flush(path.parent)
        folder = path.parent
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                # Not empty, or gone: somebody else's business.
                return
            folder = folder.parent

    def delete_prefix(self, prefix: str) -> int:
        """Remove every file below a folder, and the folder."""
        keys = [each.key for each in self.walk(prefix)]
        for key in keys:
            self.delete(key)
        return len(keys)

    def sweep(self) -> None:
        """Make the root, and remove the drafts of a day ago: their writers crashed."""
        with self._draft() as now:
            now.touch()
            for draft in now.parent.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if draft.stat().st_mtime < now.stat().st_mtime - _DRAFT_LIVES_S:
                        draft.unlink()

    def _link(self, key: str, source: Path) -> Created | Exists:
        target = self.path(key)
        self._flush(source)
        for _ in range(_TRIES):
            try:
                self._make(target.parent)
                os.link(source, target)
            except FileExistsError:
                taken = self.head(key)
                if taken is not None:
                    return Exists(info=taken)
            except FileNotFoundError:
                # A folder was swept away under us. If it is the source that is missing, this raises.
                source.stat()
            else:
                self._flush(target.parent)
                return Created(info=_info(key, source.stat()))
        raise _hopeless(key)

    def _rename(self, key: str, draft: Path) -> Created | Exists:
        """Give a draft its name on a file system without links; the caller holds the key's lock."""
        taken = self.head(key)
        if taken is not None:
            return Exists(info=taken)
        target = self.path(key)
        for _ in range(_TRIES):
            with contextlib.suppress(FileNotFoundError):
                self._make(target.parent)
                draft.rename(target)
                self._flush(target.parent)
                return Created(info=_info(key, target.stat()))
        raise _hopeless(key)

    def _first(self, key: str, draft: Path) -> ObjectInfo:
        try:
            placed = self._link(key, draft)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            placed = self._rename(key, draft)
        if isinstance(placed, Exists):
            raise ConflictError(key)
        return placed.info

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        # The folder's name must outlast a power cut as well as the file's.
        self._flush(folder.parent)

    def _flush(self, path: Path) -> None:
        if not self._durable:
            return
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        drafts = self._root / _DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        draft = drafts / uuid.uuid4().hex
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        locks = self._root / _LOCKS
        locks.mkdir(parents=True, exist_ok=True)
        # 256 locks for all keys: they need no sweeping, and a wrong neighbour waits only for a rename.
        name = hashlib.sha256(key.encode()).hexdigest()[:2]
        with (locks / name).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _opened(self, key: str) -> Iterator[BufferedReader]:
        try:
            handle = self.path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectMissingError(key) from error
        with handle:
            yield handle


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    etag = f"{stat.st_mtime_ns:x}-{stat.st_size:x}-{stat.st_ino:x}"
    return ObjectInfo(key=key, size_bytes=stat.st_size, etag=etag, modified=stat.st_mtime)


def _hopeless(key: str) -> PermanentError:
    said = f"{key} can be neither created nor read"
    return PermanentError(said, category=Category.NOT_WRITABLE, action="Look what is there under that name.")
