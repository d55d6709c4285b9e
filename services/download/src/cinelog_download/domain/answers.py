"""What a web server's answer means to us: refusals by status, ranges, validators, titles."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MAX_RETRY_AFTER_S: Final = 6 * 3600.0
_CONTENT_RANGE: Final = re.compile(
    r"^\s*bytes\s+(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)\s*$", re.IGNORECASE
)
_FILENAME: Final = re.compile(r'filename\s*=\s*(?:"([^"]*)"|([^;]+))', re.IGNORECASE)
_FILENAME_UTF8: Final = re.compile(r"filename\*\s*=\s*utf-8''([^;\s]+)", re.IGNORECASE)


class Validator(msgspec.Struct, frozen=True, kw_only=True):
    """What a server names a version of its bytes by."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def if_range(self) -> str | None:
        """The value for `If-Range`: RFC 9110 13.1.5 forbids weak ETags there."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def contradicts(self, other: "Validator") -> bool:
        """Tell whether the two name different versions; what one of them lacks says nothing."""
        if self.etag is not None and other.etag is not None:
            return self.etag.removeprefix("W/") != other.etag.removeprefix("W/")
        if self.last_modified is not None and other.last_modified is not None:
            return self.last_modified != other.last_modified
        return False

    def names(self, other: "Validator") -> bool:
        """Tell whether both surely name one version: they agree where both say something, and both do."""
        if self.etag is not None and other.etag is not None:
            return not self.contradicts(other)
        return self.last_modified is not None and self.last_modified == other.last_modified


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a source."""

    start: int = 0
    stop: int | None = None
    """None: to the end."""
    validator: Validator = Validator()
    """The version it must be of, where that is known."""


class ContentRange(msgspec.Struct, frozen=True, kw_only=True):
    """Which bytes an answer holds, of how many; start and stop are None where it only names the size."""

    start: int | None
    stop: int | None
    total: int | None


def content_range(value: str | None) -> ContentRange | None:
    """Parse a `Content-Range` header; None if there is none or it makes no sense."""
    match = _CONTENT_RANGE.match(value or "")
    if match is None:
        return None
    total = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return ContentRange(start=None, stop=None, total=total)
    start, stop = int(match[1]), int(match[2]) + 1
    if start >= stop or (total is not None and stop > total):
        return None
    return ContentRange(start=start, stop=stop, total=total)


def retry_after_s(value: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, at most six hours; None if there is none."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
        # The old forms of a date name no zone, and mean GMT (RFC 9110, 5.6.7).
        seconds = at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER_S)


def refusal_by_status(status: int, host: str, retry_after: float | None = None) -> CinelogError | None:
    """Return the error that an HTTP status means, or None for a usable answer."""
    if status in {200, 206}:
        return None
    if status in {404, 410}:
        return PermanentError(
            f"{host} has nothing at this address (HTTP {status}).",
            category=Category.SOURCE_NOT_FOUND,
            action="Check the address.",
        )
    if status in {401, 402, 403, 407, 451}:
        return PermanentError(
            f"{host} does not allow access to the source (HTTP {status}).",
            category=Category.SOURCE_FORBIDDEN,
            action="Give an address or headers that carry the right to read it.",
        )
    if status in {408, 425, 429} or status >= 500:
        return TransientError(
            f"{host} cannot serve the source now (HTTP {status}).",
            category=Category.SOURCE_UNAVAILABLE,
            action="Try again later.",
            retry_after_s=retry_after,
        )
    if status == 204:
        return empty()
    return PermanentError(
        f"{host} refused the request (HTTP {status}).",
        category=Category.SOURCE_FORBIDDEN,
        action="Check the address.",
    )


def empty() -> PermanentError:
    """Return the error of a source without bytes."""
    return PermanentError(
        "The source is empty: it has zero bytes.",
        category=Category.NOT_MEDIA,
        action="Check that the file was uploaded or recorded completely.",
    )


def changed(what: str) -> PermanentError:
    """Return the error of a source that became another one while it was fetched."""
    return PermanentError(
        f"The source changed while it was fetched: {what}.",
        category=Category.SOURCE_CHANGED,
        action="Retry the job, so that it starts again with the new source.",
    )


def title_of(url: str, headers: Mapping[str, str]) -> str:
    """Return a title for a file: from its name in the headers, else in the address, else the host."""
    disposition = headers.get("Content-Disposition", "")
    encoded = _FILENAME_UTF8.search(disposition)
    plain = _FILENAME.search(disposition)
    parts = urlsplit(url)
    if encoded:
        name = unquote(encoded[1])
    elif plain:
        name = plain[1] or plain[2] or ""
    else:
        name = unquote(parts.path)
    return title_from_name(name) or parts.hostname or "video"


def title_from_name(name: str) -> str:
    """Return a file name without folders, extension and control characters."""
    path = PurePosixPath(name.replace("\\", "/").strip())
    stem = path.stem if len(path.suffix) <= 6 else path.name
    return "".join(char for char in stem if char.isprintable()).strip()[:200]
