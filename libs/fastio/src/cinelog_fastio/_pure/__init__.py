"""The readable kernel: plain Python over `os` and the xxhash package. The reference for the native one."""

from cinelog_fastio._pure.files import checksum, checksum_range, copy_checked, write_checked
from cinelog_fastio._pure.nal import annexb_to_lengths
from cinelog_fastio._pure.records import RecordCursor, pack_record

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
