"""Playlists of HTTP Live Streaming (RFC 8216), as far as a finished, unencrypted recording needs them."""

import hashlib
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urljoin

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.answers import Validator

MAX_SEGMENTS: Final = 100_000

# RFC 8216 4.2: a quoted string holds no quote; anything else no comma.
_ATTRIBUTE: Final = re.compile(r'([A-Z0-9-]{1,64})=("[^"]*"|[^,"]*)(?:,|$)')


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or a stretch of one, that a playlist names."""

    url: str
    duration_s: float = 0.0
    start: int | None = None
    stop: int | None = None


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A media playlist: its pieces one after the other are the media."""

    pieces: tuple[Piece, ...]
    """The init section, where there is one, first."""
    duration_s: float

    @property
    def validator(self) -> Validator:
        """Names this version: addresses may be signed anew each time, lengths stay."""
        facts = "|".join(f"{each.duration_s:.6f},{each.start},{each.stop}" for each in self.pieces)
        return Validator(etag=f'"hls-{hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()}"')


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One quality that a master playlist offers."""

    url: str
    audio_url: str | None = None
    """The sound, where it is not in the variant itself."""


def best_variant(text: str, base_url: str) -> Variant | None:
    """Return the best variant of a master playlist, or None if `text` is a media playlist.

    Raises:
        PermanentError: Neither, or one without variants.
    """
    lines = _lines(text)
    sounds: dict[str, str] = {}
    variants: list[tuple[tuple[int, int], str, str]] = []
    pending: dict[str, str] | None = None
    for line in lines:
        tag, _, rest = line.partition(":")
        if tag == "#EXTINF":
            return None
        if tag == "#EXT-X-SESSION-KEY":
            raise _protected()
        if tag == "#EXT-X-MEDIA":
            _note_sound(sounds, _attributes(rest))
        elif tag == "#EXT-X-STREAM-INF":
            pending = _attributes(rest)
        elif not line.startswith("#") and pending is not None:
            variants.append((_quality(pending), line, pending.get("AUDIO", "")))
            pending = None
    if not variants:
        return None
    _, url, group = max(variants)
    sound = sounds.get(group)
    return Variant(url=urljoin(base_url, url), audio_url=None if sound is None else urljoin(base_url, sound))


def recording(text: str, base_url: str) -> Recording:
    """Return the pieces of a media playlist.

    Raises:
        PermanentError: UNSUPPORTED_SOURCE for a live stream or several init sections; PROTECTED if
            encrypted; NOT_MEDIA if it names nothing; LIMIT_EXCEEDED.
    """
    reader = _Reader(base_url)
    for line in _lines(text):
        reader.take(line)
    if not reader.ended:
        raise live()
    if not reader.pieces:
        raise PermanentError(
            "The playlist names no segments.", category=Category.NOT_MEDIA, action="Check the address."
        )
    pieces = reader.pieces if reader.init is None else [reader.init, *reader.pieces]
    return Recording(pieces=tuple(pieces), duration_s=sum(each.duration_s for each in pieces))


def live() -> PermanentError:
    """Return the refusal of a live stream."""
    return PermanentError(
        "The source is a live stream, which Cinelog does not record.",
        category=Category.UNSUPPORTED_SOURCE,
        action="Give the address of the recording when the stream has ended.",
    )


class _Reader:
    """Goes through a media playlist line by line."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self._duration_s = 0.0
        self._range: str | None = None
        self._last = ("", 0)
        self.init: Piece | None = None
        self.pieces: list[Piece] = []
        self.ended = False

    def take(self, line: str) -> None:
        """Take note of one line."""
        tag, _, rest = line.partition(":")
        match tag:
            case "#EXTINF":
                self._duration_s = _seconds(rest.partition(",")[0])
            case "#EXT-X-BYTERANGE":
                self._range = rest
            case "#EXT-X-KEY" if _attributes(rest).get("METHOD", "NONE") != "NONE":
                raise _protected()
            case "#EXT-X-MAP":
                self._map(_attributes(rest))
            case "#EXT-X-ENDLIST":
                self.ended = True
            case _ if not line.startswith("#"):
                self._segment(line)

    def _map(self, attributes: dict[str, str]) -> None:
        init = self._piece(attributes.get("URI", ""), attributes.get("BYTERANGE"), 0.0)
        if self.init is not None and init != self.init:
            raise PermanentError(
                "The HLS playlist changes its format in the middle, which Cinelog cannot fetch yet.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give the address of the video as one file.",
            )
        self.init = init

    def _segment(self, line: str) -> None:
        if len(self.pieces) >= MAX_SEGMENTS:
            raise PermanentError(
                f"The playlist names more than {MAX_SEGMENTS} segments.",
                category=Category.LIMIT_EXCEEDED,
                action="Use a shorter source.",
            )
        self.pieces.append(self._piece(line, self._range, self._duration_s))
        self._range = None
        self._duration_s = 0.0

    def _piece(self, url: str, byte_range: str | None, duration_s: float) -> Piece:
        url = urljoin(self._base_url, url)
        if byte_range is None:
            return Piece(url=url, duration_s=duration_s)
        length, _, offset = byte_range.strip().partition("@")
        # RFC 8216 4.3.2.2: without an offset it goes on where the last range of the same file ended.
        start = _whole(offset) if offset else self._last[1] if self._last[0] == url else 0
        stop = start + _whole(length)
        self._last = (url, stop)
        return Piece(url=url, duration_s=duration_s, start=start, stop=stop)


def _lines(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.removeprefix("\ufeff").splitlines())
    if next(lines, "") != "#EXTM3U":
        raise PermanentError(
            "The playlist is malformed.", category=Category.NOT_MEDIA, action="Check the address."
        )
    return (line for line in lines if line)


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text.strip())}


def _quality(attributes: dict[str, str]) -> tuple[int, int]:
    height = attributes.get("RESOLUTION", "").lower().partition("x")[2]
    return _whole(height), _whole(attributes.get("BANDWIDTH"))


def _note_sound(sounds: dict[str, str], attributes: dict[str, str]) -> None:
    if attributes.get("TYPE") != "AUDIO" or not attributes.get("URI"):
        return
    group = attributes.get("GROUP-ID", "")
    if group not in sounds or attributes.get("DEFAULT") == "YES":
        sounds[group] = attributes["URI"]


def _whole(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 16 else 0


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0.0 <= seconds < 86_400.0 else 0.0


def _protected() -> PermanentError:
    return PermanentError(
        "The HLS stream is encrypted.",
        category=Category.PROTECTED,
        action="Use a source without copy protection.",
    )
