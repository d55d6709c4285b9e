"""Chunk and packet I/O for Cinelog: packet bundles, part files, checked copies.

Two kernels do the same, one in Cython and one in plain Python; `backend` tells how one is chosen.
"""

from cinelog_fastio.bitstream import annexb_to_lengths
from cinelog_fastio.bundles import BundleReader, BundleWriter, pack_bundle, unpack_bundle
from cinelog_fastio.files import ChunkFile, checksum, checksum_file, copy_checked, join_checked, verify_file
from cinelog_fastio.records import (
    CARRIED,
    CORRUPT,
    DISCARD,
    DISPOSABLE,
    KEYFRAME,
    BundleError,
    BundleSummary,
    CopySummary,
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
    "CopySummary",
    "FileRange",
    "Packet",
    "StreamParameters",
    "annexb_to_lengths",
    "checksum",
    "checksum_file",
    "copy_checked",
    "join_checked",
    "pack_bundle",
    "unpack_bundle",
    "verify_file",
]
