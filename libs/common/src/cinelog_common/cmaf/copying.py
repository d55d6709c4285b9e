"""Copies byte ranges between files, in the kernel where it can."""

import errno
import os

import msgspec

_PIECE = 1 << 20
_KERNEL_LIMIT = 1 << 30
# Across file systems, on file systems without the call, or where a sandbox forbids it.
_NOT_HERE = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ENOTSOCK}
)


class ByteRange(msgspec.Struct, frozen=True, kw_only=True):
    """`count` bytes at `offset` of descriptor `source`, that go to `at` of descriptor `target`."""

    source: int
    target: int
    offset: int
    at: int
    count: int


def copy_range(wanted: ByteRange) -> int:
    """Copy the range; return the bytes copied: fewer than wanted only where the source ends.

    Raises:
        OSError: Reading or writing failed.
    """
    done = 0
    for copier in (_cloned, _sent, _carried):
        try:
            while done < wanted.count:
                copied = copier(wanted, done)
                if copied == 0:
                    return done
                done += copied
            return done
        except OSError as error:
            if error.errno not in _NOT_HERE or copier is _carried:
                raise
    return done


def _cloned(wanted: ByteRange, done: int) -> int:
    """Within one file system: shares extents where it can (btrfs, xfs), else copies in the kernel."""
    if not hasattr(os, "copy_file_range"):  # pragma: no cover - not on Linux
        raise OSError(errno.ENOSYS, "no copy_file_range")
    count = min(wanted.count - done, _KERNEL_LIMIT)
    return os.copy_file_range(wanted.source, wanted.target, count, wanted.offset + done, wanted.at + done)


def _sent(wanted: ByteRange, done: int) -> int:
    os.lseek(wanted.target, wanted.at + done, os.SEEK_SET)
    return os.sendfile(
        wanted.target, wanted.source, wanted.offset + done, min(wanted.count - done, _KERNEL_LIMIT)
    )


def _carried(wanted: ByteRange, done: int) -> int:
    piece = os.pread(wanted.source, min(wanted.count - done, _PIECE), wanted.offset + done)
    written = 0
    while written < len(piece):
        written += os.pwrite(wanted.target, piece[written:], wanted.at + done + written)
    return written


def reserve(target: int, size: int) -> None:
    """Give `target` its final size at once, so that a full disk is met before the first copy.

    Where the file system cannot promise space, only the size is set.

    Raises:
        OSError: There is no space.
    """
    try:
        os.posix_fallocate(target, 0, size)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        os.ftruncate(target, size)
