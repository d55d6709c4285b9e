"""XXH3 as the vendored header has it."""

from libc.stdint cimport uint64_t

cdef enum:
    # Below this, letting the GIL go and taking it again costs more than the hashing.
    RELEASE_BYTES = 1 << 15

cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH3_state_t:
        pass
    uint64_t XXH3_64bits(const void *data, size_t length)
    XXH3_state_t *XXH3_createState()
    int XXH3_freeState(XXH3_state_t *state)
    int XXH3_64bits_reset(XXH3_state_t *state)
    int XXH3_64bits_update(XXH3_state_t *state, const void *data, size_t length)
    uint64_t XXH3_64bits_digest(const XXH3_state_t *state)
