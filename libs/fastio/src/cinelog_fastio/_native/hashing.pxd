"""XXH3, compiled once for all modules of the kernel."""

from libc.stdint cimport uint64_t


cdef extern from "hashing.h" nogil:
    ctypedef struct XXH3_state_t:
        pass

cdef enum:
    # Below this, letting the GIL go and taking it again costs more than the hashing.
    RELEASE_BYTES = 1 << 15

cdef uint64_t digest(const void *data, size_t length) noexcept nogil
cdef XXH3_state_t *new_state() noexcept nogil
cdef void free_state(XXH3_state_t *state) noexcept nogil
cdef void update(XXH3_state_t *state, const void *data, size_t length) noexcept nogil
cdef uint64_t state_digest(const XXH3_state_t *state) noexcept nogil
