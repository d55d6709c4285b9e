"""Playlists of HTTP Live Streaming (RFC 8216), as far as a finished recording needs them."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin

import msgspec

from cinelog_download.domain.pieces import (
    MAX_PIECES,
    Key,
    Piece,
    Recording,
    live,
    malformed,
    names_nothing,
    protected,
    too_many,
)

_WHAT: Final = "HLS playlist"

# RFC 8216 4.2: a quoted string holds no quote; anything else no comma.
_ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]{1,64})=("[^"]*"|[^,"]*)(?:,|$)')
_IV: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,32})")
_IV_BYTES: Final = 16


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


def best_variant(text: str, base_url: str) -> Variant | None:
    """Return the best variant of a master playlist, or None if `text` is a media playlist.

    Raises:
        PermanentError: Neither, or one without variants; PROTECTED.
    """
    voices: dict[str, list[Voice]] = {}
    words: dict[str, list[Words]] = {}
    variants: list[tuple[tuple[int, int], str, str, str]] = []
    pending: dict[str, str] | None = None
    for line in _lines(text):
        tag, _, rest = line.partition(":")
        if tag == "#EXTINF":
            return None
        if tag == "#EXT-X-SESSION-KEY":
            _check_method(_attributes(rest))
        elif tag == "#EXT-X-MEDIA":
            _note_voice(voices, _attributes(rest), base_url)
            _note_words(words, _attributes(rest), base_url)
        elif tag == "#EXT-X-STREAM-INF":
            pending = _attributes(rest)
        elif not line.startswith("#") and pending is not None:
            variants.append((_quality(pending), line, pending.get("AUDIO", ""), pending.get("SUBTITLES", "")))
            pending = None
    if not variants:
        return None
    _, url, group, text_group = max(variants)
    heard = {each.url: each for each in reversed(voices.get(group, ()))}
    in_order = [each for each in voices.get(group, ()) if heard[each.url] is each]
    best_first = sorted(in_order, key=lambda each: not each.default)
    return Variant(
        url=urljoin(base_url, url), voices=tuple(best_first), words=tuple(words.get(text_group, ()))
    )


def recording(text: str, base_url: str) -> Recording:
    """Return the pieces of a media playlist.

    Raises:
        PermanentError: UNSUPPORTED_SOURCE for a live stream; PROTECTED if it is under DRM; NOT_MEDIA if it
            names nothing; LIMIT_EXCEEDED.
    """
    reader = _Reader(base_url)
    for line in _lines(text):
        reader.take(line)
    if not reader.ended:
        raise live()
    if not reader.segments:
        raise names_nothing(_WHAT)
    return Recording(pieces=tuple(reader.pieces), duration_s=sum(each.duration_s for each in reader.pieces))


class _Reader:
    """Goes through a media playlist line by line."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._duration_s = 0.0
        self._range: str | None = None
        self._last = ("", 0)
        self._sequence = 0
        self._method: dict[str, str] | None = None
        self._init: Piece | None = None
        # Of every rendition's playlist the first stretch is the same one.
        self._begins: int | None = 0
        self._stretch = 0
        self.pieces: list[Piece] = []
        self.segments = 0
        self.ended = False

    def take(self, line: str) -> None:
        """Take note of one line."""
        tag, _, rest = line.partition(":")
        match tag:
            case "#EXTINF":
                self._duration_s = _seconds(rest.partition(",")[0])
            case "#EXT-X-BYTERANGE":
                self._range = rest
            case "#EXT-X-MEDIA-SEQUENCE":
                self._sequence = _whole(rest.strip())
            case "#EXT-X-KEY":
                self._take_key(_attributes(rest))
            case "#EXT-X-MAP":
                self._map(_attributes(rest))
            case "#EXT-X-DISCONTINUITY" if self.segments:
                self._stretch += 1
                self._begins = self._stretch
            case "#EXT-X-ENDLIST":
                self.ended = True
            case _ if not line.startswith("#"):
                self._segment(line)

    def _take_key(self, attributes: dict[str, str]) -> None:
        self._method = attributes if _check_method(attributes) == "AES-128" else None

    def _map(self, attributes: dict[str, str]) -> None:
        init = self._piece(attributes.get("URI", ""), attributes.get("BYTERANGE"), 0.0)
        if self._init is not None and self.segments and not _same_file(init, self._init):
            # Another header is another stretch, whether the playlist says so or not.
            self._begins = self._stretch if self._begins is None else self._begins
        self._init = init

    def _segment(self, line: str) -> None:
        if self.segments >= MAX_PIECES:
            raise too_many(_WHAT)
        begins, self._begins = self._begins, None
        if begins is not None and self._init is not None:
            self.pieces.append(msgspec.structs.replace(self._init, begins=begins))
            begins = None
        piece = self._piece(line, self._range, self._duration_s)
        self.pieces.append(msgspec.structs.replace(piece, begins=begins))
        self.segments += 1
        self._sequence += 1
        self._range = None
        self._duration_s = 0.0

    def _piece(self, url: str, byte_range: str | None, duration_s: float) -> Piece:
        url = urljoin(self._base_url, url)
        if byte_range is None:
            return Piece(url=url, duration_s=duration_s, key=self._key())
        length, _, offset = byte_range.strip().partition("@")
        # RFC 8216 4.3.2.2: without an offset it goes on where the last range of the same file ended.
        start = _whole(offset) if offset else self._last[1] if self._last[0] == url else 0
        stop = start + _whole(length)
        self._last = (url, stop)
        return Piece(url=url, duration_s=duration_s, start=start, stop=stop, key=self._key())

    def _key(self) -> Key | None:
        if self._method is None:
            return None
        if not self._method.get("URI"):
            raise malformed(_WHAT, "it names no key")
        said = _IV.fullmatch(self._method.get("IV", ""))
        # RFC 8216 5.2: without one the media sequence number is the IV, as a big-endian number.
        number = int(said[1], 16) if said is not None else self._sequence
        return Key(url=urljoin(self._base_url, self._method["URI"]), iv=number.to_bytes(_IV_BYTES, "big"))


def _same_file(one: Piece, other: Piece) -> bool:
    return (one.url, one.start, one.stop) == (other.url, other.start, other.stop)


def _lines(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    if next(lines, "") != "#EXTM3U":
        raise malformed("playlist")
    return (line for line in lines if line)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text.strip())}


def _quality(attributes: dict[str, str]) -> tuple[int, int]:
    height = attributes.get("RESOLUTION", "").lower().partition("x")[2]
    return _whole(height), _whole(attributes.get("BANDWIDTH"))


def _note_voice(voices: dict[str, list[Voice]], attributes: dict[str, str], base_url: str) -> None:
    if attributes.get("TYPE") != "AUDIO":
        return
    url = attributes.get("URI")
    voice = Voice(
        url=urljoin(base_url, url) if url else None,
        language=attributes.get("LANGUAGE", ""),
        name=attributes.get("NAME", ""),
        default=attributes.get("DEFAULT") == "YES",
    )
    voices.setdefault(attributes.get("GROUP-ID", ""), []).append(voice)


def _note_words(words: dict[str, list[Words]], attributes: dict[str, str], base_url: str) -> None:
    url = attributes.get("URI")
    if attributes.get("TYPE") == "SUBTITLES" and url:
        found = Words(
            url=urljoin(base_url, url),
            language=attributes.get("LANGUAGE", ""),
            name=attributes.get("NAME", ""),
        )
        words.setdefault(attributes.get("GROUP-ID", ""), []).append(found)


def _check_method(attributes: dict[str, str]) -> str:
    """Return how segments are encrypted; RFC 8216 4.3.2.4: all but these are licence systems."""
    method = attributes.get("METHOD", "NONE")
    if method not in {"NONE", "AES-128"} or attributes.get("KEYFORMAT", "identity") != "identity":
        raise protected(_WHAT)
    return method


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < 86_400.0 else 0.0
