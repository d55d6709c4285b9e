from typing import Self

from cinelog_fastio.kernel import ByteSource
from cinelog_fastio.records import Packet

def pack_record(packet: Packet, index: int) -> bytes: ...

class RecordCursor:
    offset: int
    packets: int
    payload_bytes: int
    chain: int

    def __init__(self, source: ByteSource, start: int, end: int, chain: int) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Packet: ...
    def skim(self) -> None: ...
