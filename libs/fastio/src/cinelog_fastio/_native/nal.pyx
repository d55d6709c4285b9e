# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""NAL units from Annex B to length prefixes; `_pure.nal` in C."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcpy


cdef struct Unit:
    Py_ssize_t start
    Py_ssize_t length


cdef struct Units:
    Unit *items
    Py_ssize_t count
    Py_ssize_t room
    Py_ssize_t total


cdef Py_ssize_t _start_code(const uint8_t *data, Py_ssize_t offset, Py_ssize_t length) noexcept nogil:
    """Return where the next 00 00 01 begins at or after `offset`, or `length`."""
    cdef const uint8_t *one
    cdef Py_ssize_t at = offset + 2
    while at < length:
        # The one is the rarest byte of the three in coded data, and memchr looks at 32 bytes at once.
        one = <const uint8_t *> memchr(data + at, 1, length - at)
        if one == NULL:
            return length
        if (one - 1)[0] == 0 and (one - 2)[0] == 0:
            return one - data - 2
        at = one - data + 1
    return length


cdef int _add_unit(Units *units, const uint8_t *data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Note the unit less the zeros behind it; an empty one not at all. Return -1 without memory."""
    cdef void *more
    while end > start and data[end - 1] == 0:
        end -= 1
    if end == start:
        return 0
    if units.count == units.room:
        units.room = 2 * units.room + 64
        more = realloc(units.items, units.room * sizeof(Unit))
        if more == NULL:
            return -1
        units.items = <Unit *> more
    units.items[units.count].start = start
    units.items[units.count].length = end - start
    units.count += 1
    units.total += end - start + 4
    return 0


cdef int _find_units(const uint8_t *data, Py_ssize_t length, Units *units) noexcept nogil:
    """Note all units; return -1 without memory, -2 if the stream does not begin with a start code."""
    cdef Py_ssize_t code = _start_code(data, 0, length)
    cdef Py_ssize_t index, following
    for index in range(code):
        if data[index]:
            return -2
    if code == length:
        return -3 if length else 0
    while code < length:
        following = _start_code(data, code + 3, length)
        if _add_unit(units, data, code + 3, following) < 0:
            return -1
        code = following
    return 0


cdef bytes _with_lengths(const uint8_t *data, const Units *units):
    cdef bytes result = PyBytes_FromStringAndSize(NULL, units.total)
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(result)
    cdef Py_ssize_t index, length
    with nogil:
        for index in range(units.count):
            length = units.items[index].length
            at[0] = <uint8_t> (length >> 24)
            at[1] = <uint8_t> (length >> 16)
            at[2] = <uint8_t> (length >> 8)
            at[3] = <uint8_t> length
            memcpy(at + 4, data + units.items[index].start, length)
            at += 4 + length
    return result


def annexb_to_lengths(data):
    """Replace each start code by the unit's length in 4 bytes; see `Kernel.annexb_to_lengths`."""
    cdef Py_buffer buffer
    cdef Units units = Units(NULL, 0, 0, 0)
    cdef int code
    PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
    try:
        if buffer.len > 0xFFFFFFFF:
            raise ValueError("an Annex-B stream of 4 GiB or more has no 4-byte lengths")
        with nogil:
            code = _find_units(<const uint8_t *> buffer.buf, buffer.len, &units)
        if code == -1:
            raise MemoryError
        if code == -2:
            raise ValueError("no start code at the beginning of the Annex-B stream")
        if code == -3:
            raise ValueError("no start code in the Annex-B stream")
        return _with_lengths(<const uint8_t *> buffer.buf, &units)
    finally:
        free(units.items)
        PyBuffer_Release(&buffer)
