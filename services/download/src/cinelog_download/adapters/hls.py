"""What m3u8 reads in playlists of HTTP Live Streaming (RFC 8216), as a finished recording.

The library parses; hostile text it cannot take. Its `M3U8` compares every key with every other one and gives
every variant all renditions of its group: one mebibyte cost a minute, or 1.4 GiB. So this uses `m3u8.parse`,
whose answer grows with the text, and a `_Doorkeeper` at its hook for tags.
"""

import re
from typing import Any, Final
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
from cinelog_download.domain.playlists import Variant, Voice, Words

_WHAT: Final = "HLS playlist"

# Whatever else a playlist says changes nothing about what is fetched, and cannot break it.
_MEDIA_TAGS: Final = frozenset(
    {
        "#EXTINF",
        "#EXT-X-BYTERANGE",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-ENDLIST",
        "#EXT-X-KEY",
        "#EXT-X-MAP",
        "#EXT-X-MEDIA-SEQUENCE",
    }
)
_MASTER_TAGS: Final = frozenset({"#EXT-X-MEDIA", "#EXT-X-SESSION-KEY", "#EXT-X-STREAM-INF"})

_MAX_LINE: Final = 1 << 16
# A segment has up to seven lines: its address, and each tag above it once.
_MAX_LINES: Final = 8 * MAX_PIECES
# Where `str.splitlines`, and so the library, sees the end of a line.
_LINE_ENDS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

_IV: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,32})")
_IV_BYTES: Final = 16


def best_variant(text: str, base_url: str) -> Variant | None:
    """Return the best variant of a master playlist, or None if `text` is a media playlist.

    Raises:
        PermanentError: Neither, or one without variants; PROTECTED.
    """
    try:
        data = _Doorkeeper(_MASTER_TAGS, stop="#EXTINF").parsed(text)
    except _StoppedError:
        return None
    for each in data["session_keys"]:
        _check_method(each)
    if not data["playlists"]:
        return None
    best = max(data["playlists"], key=_quality)
    info = best["stream_info"]
    voices = _voices(data["media"], info.get("audio", ""), base_url)
    return Variant(
        url=_joined(base_url, best["uri"]),
        voices=voices,
        words=_words(data["media"], info.get("subtitles", ""), base_url),
    )


def recording(text: str, base_url: str) -> Recording:
    """Return the pieces of a media playlist.

    Raises:
        PermanentError: UNSUPPORTED_SOURCE for a live stream; PROTECTED if it is under DRM; NOT_MEDIA if it
            names nothing or is malformed; LIMIT_EXCEEDED.
    """
    doorkeeper = _Doorkeeper(_MEDIA_TAGS)
    data = doorkeeper.parsed(text)
    # The library adds what tags began and no address ended.
    segments = [each for each in data["segments"] if "uri" in each]
    if not data["is_endlist"]:
        raise live()
    if not segments:
        raise names_nothing(_WHAT)
    pieces = _Pieces(base_url, doorkeeper, data)
    for number, segment in enumerate(segments):
        pieces.add(number, segment)
    return Recording(pieces=tuple(pieces.found), duration_s=sum(each.duration_s for each in pieces.found))


class _StoppedError(Exception):
    """The playlist is not of the kind that was looked for."""


class _Doorkeeper:
    """Sees every tag before the library does, and lets pass what it may read.

    Attributes:
        breaks: By the number of a segment, how many discontinuities lie right before it.
        map_keys: The key that is in force at each map (RFC 8216 4.3.2.5), which the library does not keep.
    """

    def __init__(self, tags: frozenset[str], *, stop: str = "") -> None:
        self._tags = tags
        self._stop = stop
        self.breaks: dict[int, int] = {}
        self.map_keys: list[dict[str, str] | None] = []

    def parsed(self, text: str) -> dict[str, Any]:
        """Return what the library finds."""
        from m3u8 import parse

        text = text.removeprefix("\ufeff")
        if [line.strip() for line in text[:64].splitlines()[:1]] != ["#EXTM3U"]:
            raise malformed("playlist")
        if sum(map(text.count, _LINE_ENDS)) - text.count("\r\n") > _MAX_LINES:
            raise too_many(_WHAT)
        try:
            data: dict[str, Any] = parse(text, custom_tags_parser=self._skips)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise malformed(_WHAT, "a tag of it cannot be read") from error
        _check_keys(data["keys"])
        if not all(each.get("uri") for each in data["segment_map"]):
            raise malformed(_WHAT, "it names no header")
        return data

    def _skips(self, line: str, _number: int, data: dict[str, Any], state: dict[str, Any]) -> bool:
        """Say whether the library is to leave `line` out; this is its hook for tags."""
        tag = line.partition(":")[0]
        if tag == self._stop:
            raise _StoppedError
        if tag not in self._tags:
            return True
        if len(line) > _MAX_LINE:
            raise malformed(_WHAT, "a line of it is too long")
        if len(data["segments"]) >= MAX_PIECES and tag in {"#EXTINF", "#EXT-X-BYTERANGE"}:
            raise too_many(_WHAT)
        _check_keys(data["keys"])
        # Each segment refers to its own: in here each would be compared with all others.
        data["keys"].clear()
        if tag == "#EXT-X-MAP":
            self.map_keys.append(state["current_key"])
        elif tag == "#EXT-X-DISCONTINUITY":
            number = len(data["segments"])
            self.breaks[number] = self.breaks.get(number, 0) + 1
        return False


class _Pieces:
    """Goes through the segments that the library found, in order."""

    def __init__(self, base_url: str, doorkeeper: _Doorkeeper, data: dict[str, Any]) -> None:
        self._base_url = base_url
        self._breaks = doorkeeper.breaks
        self._maps = iter(zip(data["segment_map"], doorkeeper.map_keys, strict=True))
        self._map: dict[str, str] | None = None
        self._sequence: int = data["media_sequence"] or 0
        self._last = ("", 0)
        self._key_urls = ("", "")
        self._init: Piece | None = None
        # Of every rendition's playlist the first stretch is the same one.
        self._begins: int | None = 0
        self._stretch = 0
        self.found: list[Piece] = []

    def add(self, number: int, segment: dict[str, Any]) -> None:
        """Add the piece of a segment, and that of its header if it begins a stretch."""
        if number and number in self._breaks:
            self._stretch += self._breaks[number]
            self._begins = self._stretch
        while self._map is not segment.get("init_section"):
            self._map, key = next(self._maps)
            self._take_map(self._map, key, first=number == 0)
        begins, self._begins = self._begins, None
        if begins is not None and self._init is not None:
            self.found.append(msgspec.structs.replace(self._init, begins=begins))
            begins = None
        piece = self._piece(segment["uri"], segment.get("byterange"), segment.get("key"))
        seconds = segment.get("duration", 0.0)
        seconds = seconds if 0.0 <= seconds < 86_400.0 else 0.0
        self.found.append(msgspec.structs.replace(piece, duration_s=seconds, begins=begins))
        self._sequence += 1

    def _take_map(self, header: dict[str, str], key: dict[str, str] | None, *, first: bool) -> None:
        init = self._piece(header.get("uri", ""), header.get("byterange"), key)
        if self._init is not None and not first and not _same_file(init, self._init):
            # Another header is another stretch, whether the playlist says so or not.
            self._begins = self._stretch if self._begins is None else self._begins
        self._init = init

    def _piece(self, url: str, byte_range: str | None, key: dict[str, str] | None) -> Piece:
        url = _joined(self._base_url, url)
        if byte_range is None:
            return Piece(url=url, key=self._key(key))
        length, at, offset = byte_range.strip().partition("@")
        # RFC 8216 4.3.2.2: without an offset it goes on where the last range of the same file ended.
        start = _whole(offset) if at else self._last[1] if self._last[0] == url else 0
        stop = start + _whole(length)
        self._last = (url, stop)
        return Piece(url=url, start=start, stop=stop, key=self._key(key))

    def _key(self, said: dict[str, str] | None) -> Key | None:
        if not said or _check_method(said) == "NONE":
            return None
        address = said.get("uri", "")
        if not address:
            raise malformed(_WHAT, "it names no key")
        if self._key_urls[0] != address:
            self._key_urls = (address, _joined(self._base_url, address))
        iv = _IV.fullmatch(said.get("iv", ""))
        # RFC 8216 5.2: without one the media sequence number is the IV, as a big-endian number.
        number = int(iv[1], 16) if iv is not None else self._sequence
        try:
            return Key(url=self._key_urls[1], iv=number.to_bytes(_IV_BYTES, "big"))
        except OverflowError as error:
            raise malformed(_WHAT, "its numbers are too large") from error


def _same_file(one: Piece, other: Piece) -> bool:
    return (one.url, one.start, one.stop) == (other.url, other.start, other.stop)


def _check_keys(keys: list[dict[str, str] | None]) -> None:
    for key in keys:
        if key:
            _check_method(key)


def _check_method(key: dict[str, str]) -> str:
    """Return how segments are encrypted; RFC 8216 4.3.2.4: all but these are licence systems."""
    method = key.get("method", "NONE")
    if method not in {"NONE", "AES-128"} or key.get("keyformat", "identity") != "identity":
        raise protected(_WHAT)
    return method


def _quality(playlist: dict[str, Any]) -> tuple[int, int]:
    info = playlist["stream_info"]
    height = info.get("resolution", "").lower().partition("x")[2]
    return _whole(height or "0"), info.get("bandwidth", 0)


def _voices(media: list[dict[str, str]], group: str, base_url: str) -> tuple[Voice, ...]:
    """Return the sounds of a group, the default one first, each address once."""
    heard: dict[str | None, Voice] = {}
    for each in media:
        if each.get("type") == "AUDIO" and each.get("group_id", "") == group:
            url = _joined(base_url, each["uri"]) if each.get("uri") else None
            voice = Voice(
                url=url,
                language=each.get("language", ""),
                name=each.get("name", ""),
                default=each.get("default") == "YES",
            )
            heard.setdefault(url, voice)
    return tuple(sorted(heard.values(), key=lambda each: not each.default))


def _words(media: list[dict[str, str]], group: str, base_url: str) -> tuple[Words, ...]:
    return tuple(
        Words(
            url=_joined(base_url, each["uri"]),
            language=each.get("language", ""),
            name=each.get("name", ""),
        )
        for each in media
        if each.get("type") == "SUBTITLES" and each.get("group_id", "") == group and each.get("uri")
    )


def _joined(base_url: str, url: str) -> str:
    if len(url) > _MAX_LINE:
        raise malformed(_WHAT, "a line of it is too long")
    try:
        return urljoin(base_url, url)
    except ValueError as error:
        raise malformed(_WHAT, "an address in it cannot be read") from error


def _whole(text: str) -> int:
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise malformed(_WHAT, "a number in it cannot be read")
    return int(text)
