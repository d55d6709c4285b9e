"""Reads HLS playlists into their lines, tags and attributes (RFC 8216 4.1 to 4.3).

Written from the grammar, not from our writer, so that it can judge the writer.
"""

import re
from collections.abc import Iterator

import msgspec

from cinelog_common.cmaf.playlists import PlaylistError

MAX_BYTES = 32 << 20
_NAME = r"[A-Z0-9-]+"
_VALUE = r'"[^"\r\n]*"|[^",\s][^",]*'
_ATTRIBUTE = re.compile(rf"({_NAME})=({_VALUE})(?:,|$)")


class Tag(msgspec.Struct, frozen=True):
    """One `#EXT…` line: its name without `#`, and what follows the colon."""

    name: str
    value: str
    line: int


class Entry(msgspec.Struct, frozen=True):
    """One URI line with the tags since the one before."""

    uri: str
    tags: tuple[Tag, ...]
    line: int

    def tag(self, name: str) -> Tag | None:
        """The tag of this name that applies to this entry, if there is one."""
        return next((tag for tag in self.tags if tag.name == name), None)


class Playlist(msgspec.Struct, frozen=True):
    """All lines; `trailing` are the tags behind the last URI."""

    entries: tuple[Entry, ...]
    trailing: tuple[Tag, ...]

    def tags(self, name: str | None = None) -> Iterator[Tag]:
        """Every tag, or every tag of one name, in order."""
        for entry in self.entries:
            yield from (tag for tag in entry.tags if name in {None, tag.name})
        yield from (tag for tag in self.trailing if name in {None, tag.name})

    def value(self, name: str) -> str | None:
        """The value of the first tag of this name; "" for one without value."""
        found = next(self.tags(name), None)
        return None if found is None else found.value

    @property
    def is_multivariant(self) -> bool:
        """Whether it lists variants or renditions instead of segments (4.1)."""
        return any(tag.name in {"EXT-X-STREAM-INF", "EXT-X-MEDIA"} for tag in self.tags())


def parse_playlist(text: str) -> Playlist:
    """The lines of a playlist; comments and blank lines are left out.

    Raises:
        PlaylistError: Not a playlist at all: no `#EXTM3U` first (4.3.1.1), a byte order mark or
            control characters (4.1), or too long.
    """
    lines = re.split(r"\r?\n", text)
    if len(text) > MAX_BYTES or lines[0] != "#EXTM3U":
        raise PlaylistError("A playlist begins with #EXTM3U.")
    entries: list[Entry] = []
    tags: list[Tag] = []
    for number, line in enumerate(lines[1:], 2):
        if re.search(r"[\x00-\x1f\x7f-\x9f\ufeff]", line):
            raise PlaylistError(f"Line {number} of the playlist holds control characters.")
        if line.startswith("#EXT"):
            name, _, value = line[1:].partition(":")
            tags.append(Tag(name, value, number))
        elif line and not line.startswith("#"):
            entries.append(Entry(line, tuple(tags), number))
            tags = []
    return Playlist(tuple(entries), tuple(tags))


def attributes(tag: Tag) -> dict[str, str]:
    """The attribute list of a tag (4.2); quotes are kept, so that types can be judged.

    Raises:
        PlaylistError: Not an attribute list, or a name twice.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(tag.value):
        match = _ATTRIBUTE.match(tag.value, position)
        if match is None or match[1] in found:
            raise PlaylistError(f"Line {tag.line}: {tag.name} has a broken attribute list.")
        found[match[1]] = match[2]
        position = match.end()
    return found


def unquoted(value: str | None) -> str:
    """What stands between the quotes; "" for None."""
    return "" if value is None else value.strip('"')
