"""What playlists of HTTP Live Streaming (RFC 8216) offer."""

import msgspec


class Voice(msgspec.Struct, frozen=True, kw_only=True):
    """One sound that belongs to a variant."""

    url: str | None = None
    """None: it is in the variant itself."""
    language: str = ""
    name: str = ""
    default: bool = False


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """Subtitles that belong to a variant, in a playlist of their own."""

    url: str
    language: str = ""
    name: str = ""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One quality that a master playlist offers."""

    url: str
    voices: tuple[Voice, ...] = ()
    """The default one first; none: the variant is complete in itself."""
    words: tuple[Words, ...] = ()
