"""What kind of place a source names, before anything is asked of it."""

import re
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.addresses import AddressPolicy

MAX_URL_CHARS: Final = 8192

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SCHEME: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*):")
_STORED: Final = re.compile(r"^(upload|object):(?://)?(.*)$", re.IGNORECASE | re.DOTALL)
_FORBIDDEN_IN_URL: Final = re.compile("[\x00-\x20\x7f\\\\\ud800-\udfff]")
_UPLOADS: Final = "uploads/"
_JOBS: Final = "jobs/"


class WebLocation(msgspec.Struct, frozen=True, kw_only=True):
    """An http or https URL that passed the checks that need no network."""

    url: str
    """Without user information and fragment."""
    scheme: str
    host: str
    """Lower case, without a trailing dot; odd spellings of IPv4 addresses are written plainly."""
    port: int
    user: str | None = None
    password: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials may be sent to: the same scheme, host and port."""
        return (self.scheme, self.host, self.port)


class FileLocation(msgspec.Struct, frozen=True, kw_only=True):
    """A file on this machine."""

    path: str


class StoredLocation(msgspec.Struct, frozen=True, kw_only=True):
    """An object in our own store."""

    key: str


Location = WebLocation | FileLocation | StoredLocation


def locate(source: str, policy: AddressPolicy) -> Location:
    """Return what kind of place `source` names.

    Raises:
        PermanentError: Not a source, or one that the policy refuses.
    """
    stored = _STORED.match(source)
    if stored:
        return _stored(stored[1].lower(), stored[2], policy)
    scheme = _SCHEME.match(source)
    if scheme and scheme[1].lower() in _DEFAULT_PORTS:
        return web_location(source, policy)
    if scheme and "://" in source and scheme[1].lower() != "file":
        raise PermanentError(
            f"Sources of the kind {scheme[1][:20]!r} are not supported.",
            category=Category.INVALID_REQUEST,
            action="Use http, https, or a file.",
        )
    return _file(source, policy)


def web_location(url: str, policy: AddressPolicy) -> WebLocation:
    """Check an http or https URL, whether given by the user or by a redirect.

    Raises:
        PermanentError: Malformed, or of a literal address or a port that the policy refuses.
    """
    if len(url) > MAX_URL_CHARS or _FORBIDDEN_IN_URL.search(url):
        raise _malformed(url, "it is too long, or holds spaces or control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _malformed(url, "its host or port makes no sense") from error
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise PermanentError(
            f"The source leads to a {scheme[:20] or 'nameless'!r} address, which is not supported.",
            category=Category.UNSUPPORTED_SOURCE,
            action="Use an http or https address.",
        )
    host = plain_host(parts.hostname or "")
    if not host:
        raise _malformed(url, "it names no host")
    number = _DEFAULT_PORTS[scheme] if port is None else port
    if number == 0:
        raise _malformed(url, "port 0 cannot be connected to")
    check_literal(host, number, policy)
    return WebLocation(
        url=_bare(parts, scheme, host, port),
        scheme=scheme,
        host=host,
        port=number,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def check_literal(host: str, port: int, policy: AddressPolicy) -> None:
    """Refuse a forbidden port or literal address; what names resolve to is judged when connecting.

    Raises:
        PermanentError: The policy refuses it.
    """
    if policy.refuses_port(port):
        raise refused(f"port {port} of {host}", "it is not a web server's port")
    literal = ":" in host or re.fullmatch(r"[0-9.]+", host)
    reason = policy.refusal(host) if literal else None
    if reason is not None:
        raise refused(host, f"it is a {reason} address")
    if not policy.allow_private and (host == "localhost" or host.endswith(".localhost")):
        raise refused(host, "it is this machine")


def plain_host(host: str) -> str:
    """Return `host` as a resolver sees it, or "" if it is none.

    Trailing dots go, names are lower case and in ASCII, and every spelling of an
    IPv4 address that C libraries accept (0x7f.1, 2130706433, 017700000001) is written out.
    """
    if "%" in host:
        return ""
    if ":" in host:
        return host.lower()
    try:
        # NFKC maps full-width digits and dots of other scripts, so it comes before the address check.
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError:
        return ""
    name = name.removesuffix(".")
    if not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", name):
        return ""
    return _plain_ipv4(name) or name


def _plain_ipv4(name: str) -> str | None:
    """Return the dotted address that inet_aton would read in `name`, or None if it would not."""
    parts = [_number(part) for part in name.split(".")]
    if len(parts) > 4 or None in parts:
        return None
    *heads, last = (part or 0 for part in parts)
    # The last number fills all bytes that those before it leave.
    if any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        return None
    value = last + sum(head << 8 * (3 - place) for place, head in enumerate(heads))
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


def _number(text: str) -> int | None:
    if re.fullmatch(r"0x[0-9a-f]{0,16}", text):
        return int(text[2:] or "0", 16)
    if re.fullmatch(r"0[0-7]{0,24}", text):
        return int(text, 8)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,16}", text) else None


def refused(what: str, why: str) -> PermanentError:
    """Return the error that says policy forbids a source."""
    return PermanentError(
        f"The source {what} is refused, because {why}.",
        category=Category.SOURCE_REFUSED,
        action="Use a public address, or let the operator allow private sources.",
    )


def _malformed(url: str, why: str) -> PermanentError:
    return PermanentError(
        f"{_shown(url)} is no usable address: {why}.",
        category=Category.INVALID_REQUEST,
        action="Check the address.",
    )


def _shown(url: str) -> str:
    """Return the beginning of `url` without credentials or query: fit for a message."""
    short = re.sub(r"//[^/]*@", "//", url.split("?", maxsplit=1)[0])[:80]
    return repr(short)


def _bare(parts: SplitResult, scheme: str, host: str, port: int | None) -> str:
    netloc = f"[{host}]" if ":" in host else host
    if port is not None:
        netloc += f":{port}"
    return parts._replace(scheme=scheme, netloc=netloc, fragment="").geturl()


def _stored(scheme: str, key: str, policy: AddressPolicy) -> StoredLocation:
    segments = key.split("/")
    if not key or len(key) > 1024 or key.startswith("/") or {"", ".", ".."} & set(segments):
        raise PermanentError(
            f"{key[:80]!r} is no object's name.",
            category=Category.INVALID_REQUEST,
            action="Give the name that the upload was answered with.",
        )
    if scheme == "upload":
        return StoredLocation(key=key if key.startswith(_UPLOADS) else _UPLOADS + key)
    if key.startswith(_JOBS) and not policy.allow_private:
        raise refused(f"object {key[:80]!r}", "it belongs to a job")
    return StoredLocation(key=key)


def _file(source: str, policy: AddressPolicy) -> FileLocation:
    if not policy.allow_private:
        raise PermanentError(
            "Files of this machine are refused as sources.",
            category=Category.SOURCE_REFUSED,
            action="Upload the file, or let the operator allow private sources.",
        )
    path = source
    if source[:5].lower() == "file:":
        parts = urlsplit(source)
        if parts.netloc not in {"", "localhost"}:
            raise PermanentError(
                f"The file lies on another machine, {parts.netloc[:60]!r}.",
                category=Category.UNSUPPORTED_SOURCE,
                action="Give a path on this machine.",
            )
        path = unquote(parts.path)
    if not path or "\0" in path:
        raise _malformed(source, "it holds no path")
    return FileLocation(path=path)
