"""How much of what a source says of itself is told on: its text travels in records, which are small. Pure."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec
from cinelog_common.contract.events import SourceProbed
from cinelog_common.contract.values import AudioInfo

_TAG_CHARS = 4_000
_NAME_CHARS = 200
_TAGS_BYTES = 64 << 10
_CHAPTERS_BYTES = 128 << 10
_WARNINGS_BYTES = 32 << 10
_LEFT_OUT = "Some of the text that the source carries beside its media is too long and was left out."

Item = TypeVar("Item")


def bounded(event: SourceProbed) -> SourceProbed:
    """Return `event` with no more text than a record holds well; what is cut is said in a warning.

    Pictures and lyrics are kept in tags, and the ledger's state carries all of this on.
    """
    told = ((name[:_NAME_CHARS], value[:_TAG_CHARS]) for name, value in event.tags.items())
    tags = dict(_fitting(told, _TAGS_BYTES))
    named = (msgspec.structs.replace(each, title=each.title[:_NAME_CHARS]) for each in event.chapters)
    chapters = tuple(_fitting(named, _CHAPTERS_BYTES))
    warnings = tuple(_fitting((warning[:_TAG_CHARS] for warning in event.warnings), _WARNINGS_BYTES))
    kept = msgspec.structs.replace(
        event, tags=tags, chapters=chapters, warnings=warnings, audio=tuple(map(_heard, event.audio))
    )
    if kept == event:
        return event
    return msgspec.structs.replace(kept, warnings=(*warnings, _LEFT_OUT))


def _heard(audio: AudioInfo) -> AudioInfo:
    return msgspec.structs.replace(
        audio,
        layout=audio.layout[:_NAME_CHARS],
        language=audio.language[:_NAME_CHARS],
        title=audio.title[:_NAME_CHARS],
    )


def _fitting(items: Iterable[Item], budget: int) -> list[Item]:
    """Return the first items, as many as fit into so many bytes."""
    kept = []
    for item in items:
        budget -= len(msgspec.json.encode(item))
        if budget < 0:
            break
        kept.append(item)
    return kept
