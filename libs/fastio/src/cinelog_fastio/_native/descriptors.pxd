"""Whole reads and writes at an offset, without Python; how they failed is a number."""

from libc.errno cimport EINTR, errno
from libc.stdint cimport uint8_t
from libc.string cimport strerror
from posix.types cimport off_t
from posix.unistd cimport pread, pwrite

cdef enum:
    # A piece and the hash's state stay within the second-level cache: a write reads what the read has just left there.
    # Two threads that write into one file take turns in the kernel, at 64 KiB so often that it cost a tenth.
    PIECE_BYTES = 1 << 18
    # Beside the values of errno, which are positive.
    AT_END = -1


cdef inline int read_whole(int descriptor, uint8_t *into, size_t length, off_t offset, size_t *got) noexcept nogil:
    """Fill `into`; return 0, an errno value, or AT_END with what there was in `got`."""
    cdef ssize_t count
    got[0] = 0
    while got[0] < length:
        count = pread(descriptor, into + got[0], length - got[0], offset + <off_t> got[0])
        if count > 0:
            got[0] += count
        elif count == 0:
            return AT_END
        elif errno != EINTR:
            return errno
    return 0


cdef inline int write_whole(int descriptor, const uint8_t *data, size_t length, off_t offset) noexcept nogil:
    """Write all of `data`; return 0 or an errno value."""
    cdef size_t written = 0
    cdef ssize_t count
    while written < length:
        count = pwrite(descriptor, data + written, length - written, offset + <off_t> written)
        if count >= 0:
            written += count
        elif errno != EINTR:
            return errno
    return 0


cdef inline int raise_errno(int code) except -1:
    raise OSError(code, strerror(code).decode())
