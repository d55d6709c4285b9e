"""Lists what an input holds, for whoever only looks."""

from collections.abc import Collection, Sequence
from typing import Any

from av.stream import Stream

from cinelog_download.children.probing import Opened
from cinelog_download.domain.demuxing import StreamSeen


def streams_of(opened: Sequence[Opened], used: Collection[Stream]) -> tuple[StreamSeen, ...]:
    """Return every stream of every input, in the order of the files."""
    # Two inputs may number their streams alike: only the object itself says which one is meant.
    wanted = {id(stream) for stream in used}
    return tuple(
        _seen(number, stream, used=id(stream) in wanted)
        for number, one in enumerate(opened)
        for stream in one.container.streams
    )


def _seen(number: int, stream: Any, *, used: bool) -> StreamSeen:
    # Streams of unknown codecs have no context at all.
    context = stream.codec_context
    kind = stream.type or "unknown"
    return StreamSeen(
        input=number,
        kind=kind,
        codec=context.codec.canonical_name if context is not None else "unknown",
        used=used,
        language=stream.language or "und",
        title=str(stream.metadata.get("title", ""))[:200],
        width=context.width if context is not None and kind == "video" else 0,
        height=context.height if context is not None and kind == "video" else 0,
        channels=context.layout.nb_channels if context is not None and kind == "audio" else 0,
        sample_rate=context.sample_rate if context is not None and kind == "audio" else 0,
        bitrate_bps=(context.bit_rate or 0) if context is not None and kind in {"video", "audio"} else 0,
    )
