"""Whether one text of a live playlist extends another (RFC 8216, 6.2.1: a server may only append). Pure."""

import re
from enum import Enum

from cinelog_common.cmaf.playlists import END

_URI = re.compile(r'^(?P<line>[^#\n]+)$|,URI="(?P<attribute>[^"]+)"', re.MULTILINE)
_BANDWIDTH = re.compile(r"^#EXT-X-STREAM-INF:BANDWIDTH=(\d+)", re.MULTILINE)


class Growth(Enum):
    """What a new text is to the one that is published."""

    LONGER = "longer"
    """It begins with all that is published."""
    OLDER = "older"
    """All it says is published already."""
    CLOSED = "closed"
    """It would go on behind the end: the run has ended where players were told that it does."""
    OTHER = "other"
    """It contradicts what is published; players would lose their place."""


def longer_media(published: str, text: str) -> Growth:
    """Judge a media playlist: of two honest ones, the shorter is the beginning of the longer."""
    open_text = text.removesuffix(END)
    if published.startswith(open_text):
        # Shorter, or the same; only its end may still be news.
        return Growth.LONGER if published == open_text and text != open_text else Growth.OLDER
    if not text.startswith(published.removesuffix(END)):
        return Growth.OTHER
    return Growth.CLOSED if published.endswith(END) else Growth.LONGER


def longer_master(published: str, text: str) -> Growth:
    """Judge a multivariant playlist: another picture or sound may be added, none goes.

    With the same ones it may promise more bandwidth, where a picture turned out to need it, and never less.
    """
    old, new = _listed(published), _listed(text)
    if old == new:
        return Growth.LONGER if _promised(published) < _promised(text) else Growth.OLDER
    # What comes later changes the lines of those before (codecs, bandwidth), but not what is played.
    return Growth.LONGER if old < new else Growth.OLDER


def _listed(text: str) -> frozenset[str]:
    return frozenset(match["line"] or match["attribute"] for match in _URI.finditer(text))


def _promised(text: str) -> int:
    return sum(int(match[1]) for match in _BANDWIDTH.finditer(text))
