"""In which order the packets of all inputs are taken."""

from collections.abc import Callable, Iterable, Iterator

from cinelog_download.children.sources import VIDEO, Source, Taken

_MOST_KEPT_BYTES = 8 << 20
"""A minute of several tracks: a picture that cannot be cut would let it grow for ever."""


def paced(sources: list[Source]) -> Iterator[Taken]:
    """Yield all packets, always from the input that is furthest behind."""
    while alive := [source for source in sources if not source.ended]:
        able = [source for source in alive if not source.waits]
        taken = min(able or alive, key=lambda source: source.reached_s).next()
        if taken is not None:
            yield taken


def picture_first(taken: Iterable[Taken], is_out: Callable[[], bool]) -> Iterator[Taken]:
    """Yield all packets, but no sound before the first unit of the picture is out.

    Those who encode the picture have nothing to do until then, and encoding the sound would hold it up.

    Args:
        taken: The packets in their order.
        is_out: Tells whether there is such a unit, or never will be.
    """
    kept: list[Taken] = []
    waits, kept_bytes = True, 0
    for one in taken:
        if waits and (kept_bytes >= _MOST_KEPT_BYTES or is_out()):
            waits = False
            yield from kept
            kept.clear()
        if waits and one.role > VIDEO:
            kept.append(one)
            kept_bytes += one.packet.size
        else:
            yield one
    yield from kept
