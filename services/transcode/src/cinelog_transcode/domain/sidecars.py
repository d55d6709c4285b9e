"""What is stored beside the encoded bytes, and the fact that is announced of it."""

from collections.abc import Sequence

from cinelog_common.contract.commands import EncodeSegment
from cinelog_common.contract.events import SegmentEncoded
from cinelog_common.contract.sidecars import SegmentPart, Sidecar, UnitSidecar
from cinelog_common.contract.values import EncodedRendition


def encoded_rendition(name: str, sidecar: Sidecar) -> EncodedRendition:
    """Return what is announced of one rendition."""
    return EncodedRendition(
        name=name,
        init_hash=sidecar.init_hash,
        size_bytes=sum(part.size_bytes for part in sidecar.parts),
        quality=sidecar.quality,
        peak_bps=max((_bits_per_second(part, sidecar.timescale) for part in sidecar.parts), default=0),
    )


def _bits_per_second(part: SegmentPart, timescale: int) -> int:
    # Rounded up: a playlist's BANDWIDTH bounds every segment (RFC 8216 4.3.4.2).
    return -(-part.size_bytes * 8 * timescale // max(1, part.end - part.start))


def segment_encoded(command: EncodeSegment, unit: UnitSidecar, *, worker: str) -> SegmentEncoded:
    """Return the fact that `command` is carried out, as the stored unit tells it."""
    return SegmentEncoded(
        job=command.job,
        run=command.run,
        attempt=command.attempt,
        n=unit.n,
        recipe=unit.recipe,
        parts=unit.parts,
        frames=unit.frames,
        renditions=unit.renditions,
        generation=unit.generation,
        worker=worker,
        encode_s=unit.encode_s,
        warnings=unit.warnings,
    )


def same_span(parts: Sequence[SegmentPart], start: int, end: int) -> bool:
    """Whether `parts` follow one another without gap or overlap over [start, end)."""
    at = start
    for part in parts:
        if part.start != at or part.end <= part.start:
            return False
        at = part.end
    return at == end
