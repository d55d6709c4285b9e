"""What lies round the records of a bundle: the head before them and the trailer behind."""

import msgspec

from cinelog_fastio import backend
from cinelog_fastio.layout import (
    CHECKSUM,
    END_MAGIC,
    FOLD,
    HEAD_OFFSET,
    MAGIC,
    PREFIX,
    RECORD_OVERHEAD,
    TOTALS,
    TRAILER,
    VERSION,
)
from cinelog_fastio.records import BundleError, BundleSummary, StreamParameters


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The decoded head; `chain` is what the records' checksums are folded into, `end` where they start."""

    parameters: StreamParameters
    meta: bytes
    chain: int
    end: int


def pack_head(parameters: StreamParameters, meta: bytes) -> tuple[bytes, int]:
    """Return the head's bytes and the checksum with which the bundle's chain begins.

    Raises:
        BundleError: The parameters hold what the format cannot.
    """
    try:
        body = msgspec.msgpack.encode((parameters, meta))
        prefix = PREFIX.pack(MAGIC, VERSION, 0, len(body))
    except (OverflowError, TypeError, ValueError) as error:
        raise BundleError(f"bundle head: {error}") from error
    chain = backend.kernel.checksum(prefix + body)
    return b"".join((prefix, CHECKSUM.pack(chain), body)), chain


def unpack_head(view: memoryview) -> Head:
    """Return the head of a bundle, checked.

    Raises:
        BundleError: It is truncated, damaged, or no bundle at all.
    """
    if len(view) < HEAD_OFFSET + TRAILER.size:
        raise BundleError(f"the bundle ends at byte {len(view)}, within its head")
    magic, version, reserved, length = PREFIX.unpack_from(view)
    if magic != MAGIC:
        raise BundleError("no bundle: wrong magic at byte 0")
    end = HEAD_OFFSET + length
    if end > len(view) - TRAILER.size:
        raise BundleError(f"the head claims {length} bytes at byte {HEAD_OFFSET}, more than are left")
    (chain,) = CHECKSUM.unpack_from(view, PREFIX.size)
    if backend.kernel.checksum(b"".join((view[: PREFIX.size], view[HEAD_OFFSET:end]))) != chain:
        raise BundleError("checksum mismatch in the head, at byte 0")
    if version != VERSION or reserved:
        raise BundleError(f"bundle version {version}.{reserved} at byte 8; only {VERSION}.0 can be read")
    try:
        parameters, meta = msgspec.msgpack.decode(view[HEAD_OFFSET:end], type=tuple[StreamParameters, bytes])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"the head at byte {HEAD_OFFSET} cannot be decoded: {error}") from error
    return Head(parameters=parameters, meta=meta, chain=chain, end=end)


def fold(chain: int, checksum: int) -> int:
    """Return `chain` carried on over one more record's checksum."""
    return backend.kernel.checksum(FOLD.pack(chain, checksum))


def summarise(chain: int, *, packets: int, payload_bytes: int, size_bytes: int) -> BundleSummary:
    """Return the summary of a bundle whose records folded into `chain`."""
    return BundleSummary(
        packets=packets,
        payload_bytes=payload_bytes,
        size_bytes=size_bytes,
        checksum=backend.kernel.checksum(TOTALS.pack(chain, packets, payload_bytes, size_bytes)),
    )


def pack_trailer(summary: BundleSummary) -> bytes:
    """Return the trailer's bytes."""
    return TRAILER.pack(
        summary.packets, summary.payload_bytes, summary.size_bytes, summary.checksum, END_MAGIC
    )


def unpack_trailer(view: memoryview, head_end: int) -> BundleSummary:
    """Return what the trailer claims, as far as the bundle's size allows it.

    Raises:
        BundleError: It is missing, or claims what cannot be.
    """
    start = len(view) - TRAILER.size
    packets, payload_bytes, size_bytes, checksum, magic = TRAILER.unpack_from(view, start)
    if magic != END_MAGIC:
        raise BundleError(f"no trailer at byte {start}: the bundle is truncated")
    if size_bytes != len(view):
        raise BundleError(f"the trailer at byte {start} tells of {size_bytes} bytes, here are {len(view)}")
    if payload_bytes + packets * RECORD_OVERHEAD > start - head_end:
        raise BundleError(
            f"the trailer at byte {start} claims {packets} packets, more than there is room for"
        )
    return BundleSummary(
        packets=packets, payload_bytes=payload_bytes, size_bytes=size_bytes, checksum=checksum
    )
