"""The readable kernel: plain Python over `os` and the xxhash package. The reference for the native one."""

from cinelog_fastio._pure.appender import Appender
from cinelog_fastio._pure.files import checksum, checksum_range, write_checked
from cinelog_fastio._pure.nal import annexb_to_lengths
from cinelog_fastio._pure.records import RecordCursor, pack_record

appender = Appender
cursor = RecordCursor

__all__ = [
    "annexb_to_lengths",
    "appender",
    "checksum",
    "checksum_range",
    "cursor",
    "pack_record",
    "write_checked",
]
