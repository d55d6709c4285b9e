# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Hashing and writing by file descriptor; `_pure.files` in C."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EFAULT
from libc.stdint cimport uint8_t, uint64_t
from libc.stdlib cimport free, malloc
from posix.types cimport off_t

from cinelog_fastio._native.descriptors cimport PIECE_BYTES, raise_errno, read_whole, write_whole
from cinelog_fastio._native.hashing cimport XXH3_state_t, digest, free_state, new_state, state_digest, update
from cinelog_fastio._native.views cimport View, close_view, look, open_view


def checksum_range(int descriptor, off_t start, length):
    """Hash a range of a file; see `Kernel.checksum_range`."""
    cdef bint bounded = length is not None
    cdef off_t end = start + <off_t> length if bounded else 0
    cdef off_t offset = start
    cdef size_t wanted, got
    cdef int code = 0
    cdef uint64_t value = 0
    cdef XXH3_state_t *state = new_state()
    cdef uint8_t *piece = <uint8_t *> malloc(PIECE_BYTES)
    try:
        if state == NULL or piece == NULL:
            raise MemoryError
        with nogil:
            while code == 0 and (not bounded or offset < end):
                wanted = PIECE_BYTES
                if bounded and end - offset < <off_t> wanted:
                    wanted = end - offset
                code = read_whole(descriptor, piece, wanted, offset, &got)
                update(state, piece, got)
                offset += got
            value = state_digest(state)
    finally:
        free(piece)
        free_state(state)
    if code > 0:
        raise_errno(code)
    if bounded and offset < end:
        raise EOFError(f"the file ends at byte {offset}, {end - offset} bytes before the range does")
    return value


def copy_checked(int source, int target, *, off_t start, off_t length, off_t at):
    """Copy a range of a file and hash all of it in one pass; see `Kernel.copy_checked`."""
    cdef off_t end = start + length
    cdef off_t offset = 0
    cdef size_t wanted, got
    cdef const uint8_t *data
    cdef int code = 0
    cdef uint64_t value = 0
    cdef View view
    cdef XXH3_state_t *state = new_state()
    open_view(&view, source, <uint8_t *> malloc(PIECE_BYTES))
    try:
        if state == NULL or view.piece == NULL:
            raise MemoryError
        with nogil:
            while code == 0:
                # To the target's next boundary: a write that ends within a block makes the next one's smaller.
                wanted = PIECE_BYTES - ((at - start + offset) & (PIECE_BYTES - 1))
                data = look(&view, offset, wanted, &got, &code)
                update(state, data, got)
                if code <= 0 and offset < end and offset + <off_t> got > start:
                    code = _write_part(target, data, got, start - offset, end - offset, at - start + offset) or code
                offset += got
            value = state_digest(state)
    finally:
        close_view(&view)
        free(view.piece)
        free_state(state)
    if code == EFAULT:
        raise EOFError(f"the file became shorter while it was copied, after byte {offset}")
    if code > 0:
        raise_errno(code)
    if offset < end:
        raise EOFError(f"the file ends at byte {offset}, within the range to copy")
    return value


cdef inline int _write_part(
    int target, const uint8_t *piece, off_t length, off_t start, off_t end, off_t at
) noexcept nogil:
    """Write what of `piece` lies between `start` and `end`, all counted from its first byte, which goes to `at`."""
    cdef off_t low = start if start > 0 else 0
    cdef off_t high = end if end < length else length
    return write_whole(target, piece + low, high - low, at + low)


def write_checked(int descriptor, off_t offset, data):
    """Write all of `data` at `offset`; return its checksum."""
    cdef Py_buffer buffer
    cdef int code
    cdef uint64_t value
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    with nogil:
        code = write_whole(descriptor, <const uint8_t *> buffer.buf, buffer.len, offset)
        value = digest(buffer.buf, buffer.len)
    PyBuffer_Release(&buffer)
    if code > 0:
        raise_errno(code)
    return value
