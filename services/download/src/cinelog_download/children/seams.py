"""Whether a unit can be decoded on its own: decided by decoding both ways, never by belief.

Recovery points and open groups of pictures look like keyframes to a container; a stream with
periodic intra refresh gave back 108 of 360 pictures when it was cut at them.
"""

from collections.abc import Sequence

from cinelog_fastio import Packet, StreamParameters

from cinelog_download.children import decoding
from cinelog_download.domain.pictures import starts_clean


def is_certain(parameters: StreamParameters, key: Packet) -> bool:
    """Tell whether the keyframe's own bytes prove that decoding can begin there."""
    return starts_clean(parameters.codec, key.data, parameters.extradata)


def is_clean(parameters: StreamParameters, before: Sequence[Packet], after: Sequence[Packet]) -> bool:
    """Tell whether decoding from `after`'s first packet on shows what decoding everything shows."""
    seam = after[0].pts
    assert seam is not None
    whole = decoding.pictures(parameters, [*before, *after])
    alone = decoding.pictures(parameters, after)
    return _from(whole, seam) == _from(alone, seam)


def count_pictures(parameters: StreamParameters, packets: Sequence[Packet], start: int, end: int) -> int:
    """Return how many pictures of [start, end) decoding yields."""
    return sum(1 for pts in decoding.pictures(parameters, packets) if start <= pts < end)


def _from(found: dict[int, bytes], seam: int) -> dict[int, bytes]:
    return {pts: digest for pts, digest in found.items() if pts >= seam}
