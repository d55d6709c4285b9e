# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Packing packets into records and walking records; `_pure.records` in C."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from cinelog_fastio._native.hashing cimport RELEASE_BYTES, digest

from cinelog_fastio.records import BundleError, Packet

# layout.RECORD, layout.CHECKSUM, layout.SIDE_DATA and layout.NO_TIMESTAMP
cdef enum:
    HEAD_BYTES = 40
    RECORD_OVERHEAD = 48
    ENTRY_BYTES = 6

cdef int64_t NO_TIMESTAMP = -(<int64_t> 0x7FFFFFFFFFFFFFFF) - 1

cdef enum:
    # What a cursor finds wrong; the words are in `_reason`.
    SOUND = 0
    TOO_SHORT = 1
    TOO_LONG = 2
    MISMATCH = 3
    RESERVED = 4


cdef inline uint64_t _load(const uint8_t *at, int width) noexcept nogil:
    cdef uint64_t value = 0
    cdef int index
    for index in range(width):
        value |= (<uint64_t> at[index]) << (8 * index)
    return value


cdef inline void _store(uint8_t *at, uint64_t value, int width) noexcept nogil:
    cdef int index
    for index in range(width):
        at[index] = <uint8_t> (value >> (8 * index))


cdef inline uint64_t _fold(uint64_t chain, uint64_t checksum) noexcept nogil:
    cdef uint8_t both[16]
    _store(both, chain, 8)
    _store(both + 8, checksum, 8)
    return digest(both, 16)


cdef inline int64_t _time(ticks) except? 0:
    if ticks is None:
        return NO_TIMESTAMP
    cdef int64_t value = ticks
    if value == NO_TIMESTAMP:
        raise ValueError("the lowest timestamp means that there is none")
    return value


cdef bytes _pack_side_data(entries):
    pieces = []
    cdef uint8_t head[6]
    for name, data in entries:
        encoded = (<str?> name).encode()
        if len(encoded) > 0xFFFF or len(data) > 0xFFFFFFFF:
            raise ValueError("side data do not fit")
        _store(head, len(encoded), 2)
        _store(head + 2, len(data), 4)
        pieces += (head[:6], encoded, data)
    return b"".join(pieces)


cdef bytes _pack_record(packet, Py_buffer *payload):
    cdef bytes side_data = b""
    entries = packet.side_data
    if entries:
        side_data = _pack_side_data(entries)
    cdef Py_ssize_t side_length = len(side_data)
    cdef Py_ssize_t size = HEAD_BYTES + payload.len + side_length
    if payload.len > 0xFFFFFFFF or side_length > 0xFFFFFFFF or len(entries) > 0xFFFF:
        raise ValueError("payload or side data do not fit")
    cdef int64_t pts = _time(packet.pts)
    cdef int64_t dts = _time(packet.dts)
    cdef int64_t duration = packet.duration
    cdef uint32_t flags = packet.flags
    cdef uint64_t value
    cdef bytes record = PyBytes_FromStringAndSize(NULL, size + 8)
    cdef uint8_t *at = <uint8_t *> PyBytes_AS_STRING(record)
    _store(at, payload.len, 4)
    _store(at + 4, side_length, 4)
    _store(at + 8, <uint64_t> pts, 8)
    _store(at + 16, <uint64_t> dts, 8)
    _store(at + 24, <uint64_t> duration, 8)
    _store(at + 32, flags, 4)
    _store(at + 36, len(entries), 2)
    _store(at + 38, 0, 2)
    memcpy(at + HEAD_BYTES, payload.buf, payload.len)
    memcpy(at + HEAD_BYTES + payload.len, PyBytes_AS_STRING(side_data), side_length)
    if size < RELEASE_BYTES:
        value = digest(at, size)
    else:
        with nogil:
            value = digest(at, size)
    _store(at + size, value, 8)
    return record


def pack_record(packet, index):
    """Return the record of `packet`; see `Kernel.pack_record`."""
    cdef Py_buffer payload
    PyObject_GetBuffer(packet.data, &payload, PyBUF_SIMPLE)
    try:
        return _pack_record(packet, &payload)
    except (OverflowError, TypeError, ValueError) as error:
        raise BundleError(f"packet {index}: {error}") from error
    finally:
        PyBuffer_Release(&payload)


cdef class RecordCursor:
    """Walks records; see the protocol of the same name."""

    cdef Py_buffer _buffer
    cdef bint _held
    cdef const uint8_t *_base
    cdef Py_ssize_t _end
    cdef Py_ssize_t _start
    cdef Py_ssize_t _length, _side_length, _entries
    cdef readonly Py_ssize_t offset
    cdef readonly Py_ssize_t packets
    cdef readonly Py_ssize_t payload_bytes
    cdef readonly uint64_t chain

    def __cinit__(self, source, Py_ssize_t start, Py_ssize_t end, uint64_t chain):
        PyObject_GetBuffer(source, &self._buffer, PyBUF_SIMPLE)
        self._held = True
        if not 0 <= start <= end <= self._buffer.len:
            raise ValueError("the records lie outside the bundle")
        self._base = <const uint8_t *> self._buffer.buf
        self._end = end
        self.offset = start
        self.chain = chain

    def __dealloc__(self):
        if self._held:
            PyBuffer_Release(&self._buffer)

    def __iter__(self):
        """Return itself."""
        return self

    def __next__(self):
        """Return the next packet."""
        if self.offset == self._end:
            raise StopIteration
        cdef int fault
        if self._end - self.offset < RELEASE_BYTES or _load(self._base + self.offset, 4) < RELEASE_BYTES:
            fault = self._advance()
        else:
            with nogil:
                fault = self._advance()
        if fault != SOUND:
            self._broken(self._reason(fault))
        cdef const uint8_t *at = self._base + self._start
        packet = Packet(
            data=PyBytes_FromStringAndSize(<const char *> at + HEAD_BYTES, self._length),
            pts=_ticks(at + 8),
            dts=_ticks(at + 16),
            duration=<int64_t> _load(at + 24, 8),
            flags=<uint32_t> _load(at + 32, 4),
            side_data=self._side_data() if self._side_length or self._entries else (),
        )
        self.packets += 1
        return packet

    def skim(self):
        """Check all records that are left."""
        cdef int fault = SOUND
        with nogil:
            while self.offset < self._end:
                fault = self._advance()
                if fault != SOUND:
                    break
                if self._side_length or self._entries:
                    with gil:
                        self._side_data()
                self.packets += 1
        if fault != SOUND:
            self._broken(self._reason(fault))

    cdef int _advance(self) noexcept nogil:
        """Check the record at `offset` and go to the next; each length is held against the bytes that are left."""
        cdef const uint8_t *at = self._base + self.offset
        cdef Py_ssize_t left = self._end - self.offset
        cdef Py_ssize_t size
        cdef uint64_t written
        self._start = self.offset
        if left < RECORD_OVERHEAD:
            return TOO_SHORT
        self._length = _load(at, 4)
        self._side_length = _load(at + 4, 4)
        size = HEAD_BYTES + self._length + self._side_length
        if size > left - 8:
            return TOO_LONG
        written = _load(at + size, 8)
        if digest(at, size) != written:
            return MISMATCH
        if _load(at + 38, 2):
            return RESERVED
        self._entries = _load(at + 36, 2)
        self.chain = _fold(self.chain, written)
        self.offset += size + 8
        self.payload_bytes += self._length
        return SOUND

    cdef tuple _side_data(self):
        cdef const uint8_t *at = self._base + self._start + HEAD_BYTES + self._length
        cdef Py_ssize_t left = self._side_length
        cdef Py_ssize_t name_length, data_length
        found = []
        for _ in range(self._entries):
            if left < ENTRY_BYTES:
                self._broken("side data are cut short")
            name_length = _load(at, 2)
            data_length = _load(at + 2, 4)
            at += ENTRY_BYTES
            left -= ENTRY_BYTES
            if name_length + data_length > left:
                self._broken("side data claim more bytes than the record has")
            try:
                name = (<const char *> at)[:name_length].decode("utf-8")
            except UnicodeDecodeError as error:
                raise self._error("the name of side data is not UTF-8") from error
            found.append((name, PyBytes_FromStringAndSize(<const char *> at + name_length, data_length)))
            at += name_length + data_length
            left -= name_length + data_length
        if left:
            self._broken("bytes are left over after the side data")
        return tuple(found)

    cdef str _reason(self, int fault):
        left = self._end - self._start
        if fault == TOO_SHORT:
            return f"{left} bytes are too few for a record"
        if fault == TOO_LONG:
            size = self._length + self._side_length + RECORD_OVERHEAD
            return f"the record claims {size} bytes, but {left} are left"
        return "checksum mismatch" if fault == MISMATCH else "reserved bits are set"

    cdef _broken(self, str reason):
        raise self._error(reason)

    cdef _error(self, str reason):
        return BundleError(f"packet {self.packets} at byte {self._start}: {reason}")


cdef inline _ticks(const uint8_t *at):
    cdef int64_t ticks = <int64_t> _load(at, 8)
    return None if ticks == NO_TIMESTAMP else ticks
