# cython: language_level=3
"""XXH3 as the vendored library has it; `checksum` for Python, the rest for the other modules."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t


cdef extern from "hashing.h" nogil:
    uint64_t XXH3_64bits(const void *data, size_t length)
    XXH3_state_t *XXH3_createState()
    int XXH3_freeState(XXH3_state_t *state)
    int XXH3_64bits_reset(XXH3_state_t *state)
    int XXH3_64bits_update(XXH3_state_t *state, const void *data, size_t length)
    uint64_t XXH3_64bits_digest(const XXH3_state_t *state)


cdef uint64_t digest(const void *data, size_t length) noexcept nogil:
    return XXH3_64bits(data, length)


cdef XXH3_state_t *new_state() noexcept nogil:
    """Return an empty state, or NULL without memory."""
    cdef XXH3_state_t *state = XXH3_createState()
    if state != NULL:
        XXH3_64bits_reset(state)
    return state


cdef void free_state(XXH3_state_t *state) noexcept nogil:
    XXH3_freeState(state)


cdef void update(XXH3_state_t *state, const void *data, size_t length) noexcept nogil:
    XXH3_64bits_update(state, data, length)


cdef uint64_t state_digest(const XXH3_state_t *state) noexcept nogil:
    return XXH3_64bits_digest(state)


def checksum(data):
    """Return the xxh3-64 of `data`."""
    cdef Py_buffer buffer
    cdef uint64_t value
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    try:
        if buffer.len < RELEASE_BYTES:
            return XXH3_64bits(buffer.buf, buffer.len)
        with nogil:
            value = XXH3_64bits(buffer.buf, buffer.len)
        return value
    finally:
        PyBuffer_Release(&buffer)
