"""Runs yt-dlp on one page after the other; pages are hostile, so this process may be killed at any moment.

The user's configuration, cache and plugins are left alone: what a page leads to
must not depend on who runs us. All requests go through the proxy that is named.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urljoin

import msgspec
from cinelog_common.child_channel import serve
from cinelog_common.contract.values import Chapter
from cinelog_common.errors import Category

from cinelog_download.children.page_cookies import cookie_parameters, cookies_loaded, no_cookies
from cinelog_download.children.page_failures import bad_format, failure_of, live_stream, protected
from cinelog_download.children.runtimes import enabled
from cinelog_download.domain.pages import (
    Offer,
    PageAnswer,
    PageFailure,
    PageFormat,
    PageFragment,
    PageRequest,
    PageSubtitle,
)
from cinelog_download.domain.pieces import MAX_PIECES

# What can be fetched as one file comes first; what a playlist of fragments holds is the last resort.
_FILES: Final = "[protocol~='^https?$']"
_FETCHABLE: Final = "[protocol~='^(https?$|m3u8|http_dash_segments$)']"
_FORMAT: Final = f"bv*{_FILES}+ba{_FILES}/b{_FILES}/bv*{_FETCHABLE}+ba{_FETCHABLE}/b{_FETCHABLE}/bv*+ba/b"
_USUAL: Final = "Falling back on generic information extractor"
_MAX_ITEMS: Final = 200
_LIVE: Final = frozenset({"is_live", "is_upcoming", "post_live"})
_SUBTITLES: Final = frozenset({"vtt", "srt", "ttml", "ass"})
# Secrets are for the page's own host: yt-dlp would send any other header everywhere.
_PASSED_ON: Final = frozenset({"user-agent", "accept-language", "referer", "cookie"})


class _Notes:
    """Receives yt-dlp's messages; the warnings are kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Drop it."""

    def info(self, message: str) -> None:
        """Drop it."""

    def warning(self, message: str) -> None:
        """Keep it, if it is one of the first."""
        if len(self.warnings) < 20 and _USUAL not in message:
            self.warnings.append(message[:300])

    def error(self, message: str) -> None:
        """Drop it: the exception says the same."""


def resolve(request: PageRequest) -> PageAnswer:
    """Return what the page at `request.url` leads to."""
    from yt_dlp import YoutubeDL
    from yt_dlp.utils import YoutubeDLError

    notes = _Notes()
    try:
        parameters = {**_parameters(request, notes), **cookie_parameters(request)}
    except ValueError as error:
        return PageAnswer(failure=no_cookies(request, str(error)))
    try:
        with YoutubeDL(parameters) as ydl:
            if not cookies_loaded(ydl):
                return PageAnswer(failure=no_cookies(request, "they cannot be read"))
            if request.only_cookies:
                return PageAnswer(cookies=ydl.cookiejar.get_cookie_header(request.url) or "")
            if request.only_known and not _is_known(ydl, request.url):
                return PageAnswer(known=False)
            info = _single(ydl, ydl.extract_info(request.url, download=False))
            answer = _answer(info, ydl.cookiejar.get_cookie_header)
    except YoutubeDLError as error:
        return PageAnswer(failure=failure_of(error, request.url))
    except (ValueError, SyntaxError) as error:
        if request.format is None:
            raise
        return PageAnswer(failure=bad_format(request.format, error))
    return msgspec.structs.replace(answer, warnings=tuple(notes.warnings))


def _parameters(request: PageRequest, notes: _Notes) -> dict[str, Any]:
    return {
        "quiet": True,
        "noprogress": True,
        "logger": notes,
        "color": "never",
        "cachedir": False,
        "proxy": request.proxy,
        "noplaylist": True,
        # The entries of a playlist are not looked at: one of them is enough to know what it is.
        "extract_flat": "in_playlist",
        "playlist_items": "1:2",
        "format": request.format or _FORMAT,
        "check_formats": False,
        "socket_timeout": 20,
        "extractor_retries": 1,
        "js_runtimes": enabled(),
        "http_headers": {
            name: value for name, value in request.headers.items() if name.lower() in _PASSED_ON
        },
    }


def _is_known(ydl: Any, url: str) -> bool:
    return any(
        extractor.suitable(url) and extractor.working()
        for key, extractor in ydl._ies.items()  # noqa: SLF001  # there is no public way to ask
        if key != "Generic"
    )


def _single(ydl: Any, info: Any) -> dict[str, Any]:
    """Return the one video of `info`, or nothing if it is a playlist of several."""
    for _ in range(3):
        if not isinstance(info, dict) or info.get("_type", "video") == "video":
            break
        entries = [entry for entry in info.get("entries") or () if entry]
        if len(entries) != 1:
            return {"_type": "playlist", "entries": entries}
        entry = entries[0]
        flat = entry.get("_type") in {"url", "url_transparent"}
        info = ydl.extract_info(entry["url"], download=False) if flat else entry
    return info if isinstance(info, dict) else {}


def _answer(info: dict[str, Any], cookies_for: Callable[[str], str | None]) -> PageAnswer:
    failure = _unfit(info)
    if failure is not None:
        return PageAnswer(failure=failure)
    formats = [_format(each, cookies_for) for each in info.get("requested_formats") or [info]]
    return PageAnswer(
        title=_title(info),
        webpage_url=_text(info.get("webpage_url"), 8192),
        extractor=_text(info.get("extractor"), 60),
        duration_s=_number(info.get("duration")),
        formats=tuple(formats),
        offers=_offers(info),
        subtitles=_subtitles(info),
        chapters=_chapters(info),
        tags=_tags(info),
    )


def _title(info: dict[str, Any]) -> str:
    title = _text(info.get("title"), 200)
    # The one video element of a page is numbered as if there were more.
    return title.removesuffix(" (1)") if info.get("extractor") == "html5" else title


def _unfit(info: dict[str, Any]) -> PageFailure | None:
    if info.get("_type", "video") != "video":
        several = bool(info.get("entries"))
        return PageFailure(
            category=Category.UNSUPPORTED_SOURCE if several else Category.UNSUPPORTED_PAGE,
            message="The page is a playlist of several videos." if several else "No video is on the page.",
            action="Give the address of one video.",
        )
    if info.get("is_live") or info.get("live_status") in _LIVE:
        return live_stream()
    formats = info.get("requested_formats") or [info]
    if info.get("_has_drm") or any(each.get("has_drm") is True for each in formats):
        return protected()
    if not all(isinstance(each.get("url"), str) for each in formats):
        return PageFailure(
            category=Category.UNSUPPORTED_PAGE,
            message="No video was found on the page.",
            action="Give the address of the video itself.",
        )
    return None


def _format(each: dict[str, Any], cookies_for: Callable[[str], str | None]) -> PageFormat:
    kind = "audio" if each.get("vcodec") == "none" else "video" if each.get("acodec") == "none" else "both"
    options = each.get("downloader_options") or {}
    protocol = _text(each.get("protocol"), 40)
    return PageFormat(
        url=each["url"],
        protocol="http_fragments" if each.get("fragments") and protocol.startswith("http") else protocol,
        kind=kind,
        format_id=_text(each.get("format_id"), 100),
        headers=_headers(each),
        cookies=cookies_for(each["url"]) or "",
        size=each["filesize"] if isinstance(each.get("filesize"), int) else None,
        chunk_bytes=options["http_chunk_size"] if isinstance(options.get("http_chunk_size"), int) else None,
        language=_text(each.get("language"), 40),
        fragments=tuple(_fragments(each)),
    )


def _offers(info: dict[str, Any]) -> tuple[Offer, ...]:
    chosen = {_text(each.get("format_id"), 100) for each in info.get("requested_formats") or [info]}
    # The worst come first, as yt-dlp sorts them.
    formats = [each for each in (info.get("formats") or [info])[-_MAX_ITEMS:] if isinstance(each, dict)]
    return tuple(_offer(each, chosen) for each in formats)


def _offer(each: dict[str, Any], chosen: set[str]) -> Offer:
    format_id = _text(each.get("format_id"), 100)
    return Offer(
        format_id=format_id,
        container=_text(each.get("ext"), 20),
        video=_codec(each.get("vcodec")),
        audio=_codec(each.get("acodec")),
        width=_whole(each.get("width")),
        height=_whole(each.get("height")),
        frame_rate=_number(each.get("fps")),
        bitrate_k=_number(each.get("tbr")),
        size=_whole(each.get("filesize")) or _whole(each.get("filesize_approx")),
        note=_text(each.get("format_note"), 60),
        chosen=format_id in chosen,
    )


def _codec(value: object) -> str:
    return "" if value == "none" else _text(value, 60)


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 60 else None


def _fragments(each: dict[str, Any]) -> Iterator[PageFragment]:
    found = each.get("fragments")
    # A generator is what yt-dlp gives for streams that are still live.
    for piece in found[: MAX_PIECES + 1] if isinstance(found, list) else ():
        url = piece.get("url") or urljoin(
            each.get("fragment_base_url") or each["url"], piece.get("path") or ""
        )
        yield PageFragment(url=url, duration_s=_number(piece.get("duration")) or 0.0)


def _headers(each: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (each.get("http_headers") or {}).items()}


def _subtitles(info: dict[str, Any]) -> tuple[PageSubtitle, ...]:
    found = [
        PageSubtitle(
            url=each["url"],
            language=_text(language, 40),
            format=each["ext"],
            headers=_headers(each),
        )
        for language, versions in (info.get("subtitles") or {}).items()
        for each in versions
        if isinstance(each.get("url"), str) and each.get("ext") in _SUBTITLES
    ]
    return tuple(found[:_MAX_ITEMS])


def _chapters(info: dict[str, Any]) -> tuple[Chapter, ...]:
    found = []
    for each in (info.get("chapters") or ())[:_MAX_ITEMS]:
        start, end = _number(each.get("start_time")), _number(each.get("end_time"))
        if start is not None and end is not None and start < end:
            found.append(Chapter(start_s=start, end_s=end, title=_text(each.get("title"), 200)))
    return tuple(found)


def _tags(info: dict[str, Any]) -> dict[str, str]:
    named = {"artist": info.get("artist") or info.get("uploader"), "date": info.get("upload_date")}
    return {name: _text(value, 200) for name, value in named.items() if value}


def _text(value: object, most: int) -> str:
    return str(value)[:most] if value is not None else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None


def _handle(frame: bytes, send: Callable[[bytes], None]) -> None:
    send(msgspec.json.encode(resolve(msgspec.json.decode(frame, type=PageRequest))))


if __name__ == "__main__":
    os.environ["YTDLP_NO_PLUGINS"] = "1"
    serve(_handle)
