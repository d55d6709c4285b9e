# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Copying and hashing in one pass; `_pure.appender` in C."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EINTR, ENOMEM
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free, malloc
from posix.types cimport off_t

import os
from threading import Thread

from cinelog_fastio._native.descriptors cimport AT_END, PIECE_BYTES, raise_errno, read_whole, write_whole
from cinelog_fastio._native.hashing cimport XXH3_state_t, free_state, new_state, state_digest, update


cdef extern from "pthread.h" nogil:
    ctypedef struct pthread_mutex_t:
        pass
    ctypedef struct pthread_cond_t:
        pass
    int pthread_mutex_init(pthread_mutex_t *mutex, const void *attributes)
    int pthread_mutex_destroy(pthread_mutex_t *mutex)
    int pthread_mutex_lock(pthread_mutex_t *mutex)
    int pthread_mutex_unlock(pthread_mutex_t *mutex)
    int pthread_cond_init(pthread_cond_t *condition, const void *attributes)
    int pthread_cond_destroy(pthread_cond_t *condition)
    int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    int pthread_cond_broadcast(pthread_cond_t *condition)


cdef class _Copy:
    """One range, whose pieces any thread takes as it gets free; only hashing waits for its turn."""

    cdef int source, target, code
    cdef off_t start, into, length, taken, hashed
    cdef XXH3_state_t *state
    cdef pthread_mutex_t lock
    cdef pthread_cond_t turn

    def __cinit__(self):
        pthread_mutex_init(&self.lock, NULL)
        pthread_cond_init(&self.turn, NULL)

    def __dealloc__(self):
        pthread_cond_destroy(&self.turn)
        pthread_mutex_destroy(&self.lock)

    def work(self):
        """Copy pieces until none are left or a thread has failed."""
        cdef uint8_t *piece = <uint8_t *> malloc(PIECE_BYTES)
        if piece == NULL:
            self._fail(ENOMEM)
            return
        with nogil:
            self._work(piece)
        free(piece)

    def stop(self):
        """Let no thread begin another piece."""
        self._fail(EINTR)

    cdef void _work(self, uint8_t *piece) noexcept nogil:
        cdef off_t offset
        cdef size_t wanted, got
        cdef int code
        while True:
            offset = self._take()
            if offset < 0:
                return
            wanted = PIECE_BYTES
            if self.length - offset < <off_t> wanted:
                wanted = self.length - offset
            code = read_whole(self.source, piece, wanted, self.start + offset, &got)
            if code != 0:
                self._fail(code)
                return
            if not self._hash(offset, piece, wanted):
                return
            code = write_whole(self.target, piece, wanted, self.into + offset)
            if code != 0:
                self._fail(code)
                return

    cdef off_t _take(self) noexcept nogil:
        cdef off_t offset = -1
        pthread_mutex_lock(&self.lock)
        if self.code == 0 and self.taken < self.length:
            offset = self.taken
            self.taken += PIECE_BYTES
        pthread_mutex_unlock(&self.lock)
        return offset

    cdef bint _hash(self, off_t offset, const uint8_t *piece, size_t length) noexcept nogil:
        cdef bint sound
        pthread_mutex_lock(&self.lock)
        while self.code == 0 and self.hashed != offset:
            pthread_cond_wait(&self.turn, &self.lock)
        sound = self.code == 0
        if sound:
            update(self.state, piece, length)
            self.hashed += length
            pthread_cond_broadcast(&self.turn)
        pthread_mutex_unlock(&self.lock)
        return sound

    cdef void _fail(self, int code) noexcept nogil:
        pthread_mutex_lock(&self.lock)
        if self.code == 0:
            self.code = code
        pthread_cond_broadcast(&self.turn)
        pthread_mutex_unlock(&self.lock)


cdef class Appender:
    """Fills a file from its start on; see the protocol of the same name."""

    cdef int _descriptor
    cdef XXH3_state_t *_state
    cdef readonly int64_t size

    def __cinit__(self, int descriptor):
        self._descriptor = descriptor
        self._state = new_state()
        if self._state == NULL:
            raise MemoryError

    def __dealloc__(self):
        free_state(self._state)

    def write(self, data):
        """Append all of `data`."""
        cdef Py_buffer buffer
        cdef int code
        PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE)
        try:
            with nogil:
                code = write_whole(self._descriptor, <const uint8_t *> buffer.buf, buffer.len, self.size)
                update(self._state, buffer.buf, buffer.len)
            if code > 0:
                raise_errno(code)
            self.size += buffer.len
        finally:
            PyBuffer_Release(&buffer)

    def copy(self, int source, off_t start, off_t length, int threads):
        """Append a range of another file."""
        cdef _Copy copy = _Copy()
        copy.source = source
        copy.start = start
        copy.target = self._descriptor
        copy.into = self.size
        copy.length = length
        copy.state = self._state
        others = []
        try:
            for _ in range(1, threads):
                other = Thread(target=copy.work)
                other.start()
                others.append(other)
            copy.work()
            for other in others:
                other.join()
        except BaseException:
            # Interrupted: the caller will close the descriptors, and no thread may write to them then.
            copy.stop()
            for other in others:
                other.join()
            raise
        if copy.code == AT_END:
            # Not where the thread read that failed first: another may have been nearer to the end.
            end = os.fstat(source).st_size
            raise EOFError(f"the source ends at byte {end}, within the range to copy")
        if copy.code > 0:
            raise_errno(copy.code)
        self.size += length

    def checksum(self):
        """Return the checksum of all that was appended."""
        return state_digest(self._state)
