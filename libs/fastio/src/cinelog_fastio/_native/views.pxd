"""Looks into a file that is read from its beginning to its end: at its pages themselves where they can be mapped.

Mapped, nothing is copied before it is hashed and written: joining takes a sixth less time. Pages are mapped all at
once and before they are looked at: that says what cannot be read, instead of a signal; such a stretch is read as any
file is, which names the failure. What is hashed and what is written is the same only as long as nobody writes to the
file, and one that is made shorter meanwhile, or whose page was taken back and cannot be read again, ends the process:
this is for objects of a store, which never change, and for children, which may die.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t
from posix.types cimport off_t

from cinelog_fastio._native.descriptors cimport read_whole

cdef extern from *:
    """
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/types.h>

    /* Since Linux 5.14; older headers lack it, and older kernels refuse it. */
    #if defined(__linux__) && !defined(MADV_POPULATE_READ)
    #define MADV_POPULATE_READ 22
    #endif

    static void *map_pages(int descriptor, off_t start, size_t length)
    {
    #ifdef MADV_POPULATE_READ
        void *pages = mmap(NULL, length, PROT_READ, MAP_SHARED, descriptor, start);
        if (pages == MAP_FAILED)
            return NULL;
        if (madvise(pages, length, MADV_POPULATE_READ) == 0)
            return pages;
        munmap(pages, length);
    #endif
        return NULL;
    }

    static off_t file_size(int descriptor)
    {
        struct stat facts;
        return fstat(descriptor, &facts) == 0 ? facts.st_size : 0;
    }
    """
    void *map_pages(int descriptor, off_t start, size_t length) noexcept nogil
    off_t file_size(int descriptor) noexcept nogil
    int munmap(void *pages, size_t length) noexcept nogil

cdef enum:
    # A multiple of every page size.
    WINDOW_BYTES = 4 << 20

ctypedef struct View:
    int descriptor
    # Where bytes go that cannot be mapped.
    uint8_t *piece
    off_t size
    off_t first
    size_t length
    uint8_t *pages


cdef inline void open_view(View *view, int descriptor, uint8_t *piece) noexcept nogil:
    view.descriptor = descriptor
    view.piece = piece
    view.size = file_size(descriptor)
    view.first = -1
    view.length = 0
    view.pages = NULL


cdef inline void close_view(View *view) noexcept nogil:
    if view.pages != NULL:
        munmap(view.pages, view.length)
        view.pages = NULL


cdef inline const uint8_t *look(View *view, off_t offset, size_t wanted, size_t *got, int *code) noexcept nogil:
    """Return up to `wanted` bytes at `offset`, and how many; `code` becomes what `read_whole` says."""
    cdef off_t first = offset - offset % WINDOW_BYTES
    cdef size_t left
    if first != view.first and offset < view.size:
        close_view(view)
        view.first = first
        left = view.size - first
        view.length = left if left < WINDOW_BYTES else WINDOW_BYTES
        view.pages = <uint8_t *> map_pages(view.descriptor, first, view.length)
    if view.pages == NULL or offset >= first + <off_t> view.length or first != view.first:
        code[0] = read_whole(view.descriptor, view.piece, wanted, offset, got)
        return view.piece
    left = first + <off_t> view.length - offset
    code[0] = 0
    got[0] = left if left < wanted else wanted
    return view.pages + (offset - first)
