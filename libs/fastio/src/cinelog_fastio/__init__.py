"""Chunk and packet I/O for Cinelog: packet bundles, part files, checked joins.

Two kernels do the same, one in Cython and one in plain Python; `backend` tells how one is chosen.
"""

from cinelog_fastio.bitstream import annexb_to_lengths
from cinelog_fastio.bundles import BundleReader, BundleWriter
from cinelog_fastio.files import ChunkFile, checksum, checksum_file, join_checked, preallocate, verify_file
from cinelog_fastio.records import (
    CARRIED,
    CORRUPT,
    DISCARD,
    DISPOSABLE,
    KEYFRAME,
    BundleError,
    BundleSummary,
    FileRange,
    Packet,
    StreamParameters,
)

__all__ = [
    "CARRIED",
    "CORRUPT",
    "DISCARD",
    "DISPOSABLE",
    "KEYFRAME",
    "BundleError",
    "BundleReader",
    "BundleSummary",
    "BundleWriter",
    "ChunkFile",
    "FileRange",
    "Packet",
    "StreamParameters",
    "annexb_to_lengths",
    "checksum",
    "checksum_file",
    "join_checked",
    "preallocate",
    "verify_file",
]
