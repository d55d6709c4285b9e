"""Whole bundles in memory, written and read as the services write and read them."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from cinelog_fastio.bundles import BundleReader, BundleWriter
from cinelog_fastio.kernel import ByteSource
from cinelog_fastio.records import Packet, StreamParameters


def packed(parameters: StreamParameters, packets: Iterable[Packet], meta: bytes = b"") -> bytes:
    """Return the bytes of a bundle.

    Raises:
        BundleError: The parameters or a packet do not fit the format.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        with BundleWriter(path, parameters, meta) as writer:
            for packet in packets:
                writer.add(packet)
        return path.read_bytes()


def unpacked(bundle: ByteSource) -> tuple[StreamParameters, bytes, list[Packet]]:
    """Return the parameters, the meta bytes and all packets of a bundle, every byte of it verified.

    Raises:
        BundleError: The bundle is truncated, damaged or hostile.
    """
    reader = BundleReader(bundle)
    return reader.parameters, reader.meta, list(reader)
