"""Playlists and manifests that move to a folder of their own: their URIs, and what these become. Pure."""

import re
from collections.abc import Iterable, Mapping

_URI = re.compile(
    r'^(?P<line>[^#\r\n][^\r\n]*)|(?P<tag>^#EXT-X-[^\r\n]*?[:,]URI=")(?P<attribute>[^"\r\n]+)', re.MULTILINE
)
"""A line that is no tag, or the attribute of one, as EXT-X-MAP and EXT-X-MEDIA have it (RFC 8216, 4.1)."""
_ADDRESS = re.compile(r'(?P<tag>(?<=\s)(?:media|sourceURL)=")(?P<attribute>[^"]+)')
"""A segment's address in a DASH manifest (ISO/IEC 23009-1, 5.3.9.3); ours need no escapes of XML."""
_PLAIN = re.compile(r"[\w][\w.-]*", re.ASCII)


def uris(playlist: str) -> tuple[str, ...]:
    """Return every URI of a playlist, each once, in the order in which they are met."""
    found = (match["line"] or match["attribute"] for match in _URI.finditer(playlist))
    return tuple(dict.fromkeys(uri.strip() for uri in found))


def renamed(playlist: str, names: Mapping[str, str]) -> str:
    """Return the playlist with each URI replaced by its name in `names`; nothing else changes."""

    def replacement(match: re.Match[str]) -> str:
        uri = match["line"] or match["attribute"]
        name = names.get(uri.strip(), uri)
        return name if match["line"] else f"{match['tag']}{name}"

    return _URI.sub(replacement, playlist)


def addresses(manifest: str) -> tuple[str, ...]:
    """Return every segment's address in a DASH manifest, each once, in the order in which they are met."""
    return tuple(dict.fromkeys(match["attribute"] for match in _ADDRESS.finditer(manifest)))


def readdressed(manifest: str, names: Mapping[str, str]) -> str:
    """Return the manifest with each address replaced by its name in `names`; nothing else changes."""
    return _ADDRESS.sub(
        lambda match: match["tag"] + names.get(match["attribute"], match["attribute"]), manifest
    )


def is_plain(name: str) -> bool:
    """Whether `name` is a file's name and nothing more: no folder, no scheme, nothing hidden."""
    return _PLAIN.fullmatch(name) is not None


def flattened(wanted: Iterable[str], folder: str) -> dict[str, str]:
    """Return a place below `folder` for each URI: its own last part, numbered if two would be the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for number, uri in enumerate(wanted):
        last = uri.rpartition("/")[2]
        name = last if is_plain(last) and last not in taken else f"{number:06d}.part"
        taken.add(name)
        names[uri] = f"{folder}/{name}"
    return names
