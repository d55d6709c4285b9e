"""What is asked about a page, and what the child process that runs yt-dlp may answer."""

import re
from typing import Final

import msgspec
from cinelog_common.contract.values import Chapter

_BROWSER: Final = re.compile(
    r"(?P<name>[a-zA-Z]+)(?:\+(?P<keyring>[a-zA-Z0-9]+))?(?::(?!:)(?P<profile>.+?))?(?:::(?P<container>.+))?"
)


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One page to be looked at."""

    url: str
    proxy: str
    headers: dict[str, str] = {}
    format: str | None = None
    only_known: bool = False
    """Look only if the site is known: the page itself has refused us already."""
    cookies_file: str | None = None
    cookies_from_browser: str | None = None
    only_cookies: bool = False
    """Do not look at the page: answer with the cookies that are for it."""


class PageFragment(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a format that comes in pieces."""

    url: str
    duration_s: float = 0.0


class PageFormat(msgspec.Struct, frozen=True, kw_only=True):
    """One file that yt-dlp would download."""

    url: str
    protocol: str
    kind: str
    format_id: str = ""
    headers: dict[str, str] = {}
    cookies: str = ""
    size: int | None = None
    chunk_bytes: int | None = None
    language: str = ""
    fragments: tuple[PageFragment, ...] = ()


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One format that a page offers; `chosen` if it is what would be fetched."""

    format_id: str
    container: str = ""
    video: str = ""
    audio: str = ""
    """Codecs as the page names them; empty where there is no such stream."""
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    bitrate_k: float | None = None
    size: int | None = None
    """Bytes; what the page says, or yt-dlp's estimate."""
    note: str = ""
    chosen: bool = False


class PageSubtitle(msgspec.Struct, frozen=True, kw_only=True):
    """One subtitle file of a page."""

    url: str
    language: str
    format: str
    headers: dict[str, str] = {}


class PageFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a page leads to nothing."""

    category: str
    message: str
    action: str = ""
    transient: bool = False


class PageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a page leads to: formats, or a failure."""

    title: str = ""
    webpage_url: str = ""
    extractor: str = ""
    duration_s: float | None = None
    formats: tuple[PageFormat, ...] = ()
    offers: tuple[Offer, ...] = ()
    """Everything that the page has, the best last."""
    subtitles: tuple[PageSubtitle, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    tags: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    failure: PageFailure | None = None
    known: bool = True
    """False if only known sites were to be looked at and this is none."""
    cookies: str = ""
    """A `Cookie` header, if only that was asked for."""


def browser_of(text: str) -> tuple[str, str | None, str | None, str | None]:
    """Return browser, profile, keyring and container of `BROWSER[+KEYRING][:PROFILE][::CONTAINER]`.

    Raises:
        ValueError: It is not of that form.
    """
    match = _BROWSER.fullmatch(text.strip())
    if match is None:
        raise ValueError("not of the form BROWSER[+KEYRING][:PROFILE][::CONTAINER]")
    keyring = match["keyring"]
    return (
        match["name"].lower(),
        match["profile"],
        None if keyring is None else keyring.upper(),
        match["container"],
    )
