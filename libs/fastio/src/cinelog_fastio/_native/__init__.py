"""The native kernel: what `kernel.Kernel` promises, in C, with the GIL released wherever many bytes move.

Each module is its namesake of `_pure` again, and passes the same tests, to the words of each error.
xxHash is compiled in (vendor/xxhash): through Python, each piece of a file would need the GIL back.
"""

from cinelog_fastio._native.files import checksum_range, copy_checked, write_checked
from cinelog_fastio._native.hashing import checksum
from cinelog_fastio._native.nal import annexb_to_lengths
from cinelog_fastio._native.records import RecordCursor, pack_record

cursor = RecordCursor

__all__ = [
    "annexb_to_lengths",
    "checksum",
    "checksum_range",
    "copy_checked",
    "cursor",
    "pack_record",
    "write_checked",
]
