"""What yt-dlp raises, in our words: it has types for some causes and only sentences for others."""

from typing import Any, Final

from cinelog_common.errors import Category

from cinelog_download.domain.answers import refusal_by_status
from cinelog_download.domain.locations import plain_host
from cinelog_download.domain.pages import PageFailure

_LIVE_WORDS: Final = ("live event", "premieres in", "livestream", "is offline", "not currently live")
_PRIVATE_WORDS: Final = ("private", "log in", "login", "sign in", "registered users", "members")
_GONE_WORDS: Final = ("unavailable", "removed", "not found", "does not exist", "deleted")


def failure_of(error: Exception, url: str) -> PageFailure:
    """Say in our words what yt-dlp raised."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    host = plain_host(url.split("/")[2].rpartition("@")[2].partition(":")[0]) or "The site"
    for cause in _causes(error):
        if isinstance(cause, UnsupportedError):
            return PageFailure(
                category=Category.UNSUPPORTED_PAGE,
                message="No video was found on the page.",
                action="Give the address of the video itself, or of a page that yt-dlp knows.",
            )
        if isinstance(cause, UserNotLive):
            return live_stream()
        if isinstance(cause, GeoRestrictedError):
            return PageFailure(
                category=Category.SOURCE_FORBIDDEN,
                message=f"{host} does not show this video in our country.",
                action="Run Cinelog where the video may be watched.",
            )
        if isinstance(cause, HTTPError) and (refusal := refusal_by_status(cause.status, host)) is not None:
            return PageFailure(
                category=refusal.category,
                message=refusal.message,
                action=refusal.action,
                transient=cause.status in {408, 425, 429} or cause.status >= 500,
            )
        if isinstance(cause, TransportError):
            return PageFailure(
                category=Category.SOURCE_UNREACHABLE,
                message=f"{host} cannot be reached.",
                action="Check the address and the network, and try again.",
                transient=True,
            )
    return _by_words(error)


def _by_words(error: Exception) -> PageFailure:
    """Tell by the words what yt-dlp has no type for."""
    text = " ".join(str(error).removeprefix("ERROR: ").split())
    low = text.lower()
    category = Category.UNSUPPORTED_PAGE
    if "drm" in low:
        return protected()
    if "requested format is not available" in low:
        category = Category.INVALID_REQUEST
    elif any(
        word in low
        for word in ("live event", "premieres in", "livestream", "is offline", "not currently live")
    ):
        return live_stream()
    elif any(
        word in low for word in ("private", "log in", "login", "sign in", "registered users", "members")
    ):
        category = Category.SOURCE_FORBIDDEN
    elif any(word in low for word in _GONE_WORDS):
        category = Category.SOURCE_NOT_FOUND
    return PageFailure(
        category=category,
        message=f"The page could not be read: {_first_sentence(text)}",
        action="Open the page in a browser to see whether the video plays, and give its address.",
    )


def live_stream() -> PageFailure:
    """Return the refusal of a live stream."""
    return PageFailure(
        category=Category.UNSUPPORTED_SOURCE,
        message="The source is a live stream, which Cinelog does not record.",
        action="Give the address of the recording when the stream has ended.",
    )


def protected() -> PageFailure:
    """Return the refusal of a protected video."""
    return PageFailure(
        category=Category.PROTECTED,
        message="The video is protected by DRM.",
        action="Use a source without copy protection.",
    )


def bad_format(wanted: str, error: Exception) -> PageFailure:
    """Return the refusal of a format expression."""
    return PageFailure(
        category=Category.INVALID_REQUEST,
        message=f"The format {wanted[:60]!r} makes no sense: {_first_sentence(str(error))}",
        action="Write it as yt-dlp's documentation of format selection says, or leave it out.",
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Return `error` and what it was raised for, innermost last; yt-dlp keeps that in three places."""
    found: list[BaseException] = []
    pending: list[Any] = [error]
    while pending and len(found) < 20:
        each = pending.pop(0)
        if isinstance(each, BaseException) and each not in found:
            found.append(each)
            kept = getattr(each, "exc_info", None) or (None, None)
            pending += [kept[1], getattr(each, "cause", None), each.__cause__]
    return found


def _first_sentence(text: str) -> str:
    sentence = " ".join(text.split()).split("; ")[0].split(". ")[0].split(" (caused by")[0]
    return sentence[:200].rstrip(".") + "."
