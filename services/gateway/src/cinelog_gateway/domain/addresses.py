"""How a source's address is shown: never with the password that it may hold."""

from urllib.parse import urlsplit, urlunsplit


def shown_url(url: str, *, query: bool = True) -> str:
    """Return `url` without user name and password; for logs also without its query, which may be a key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if not parts.netloc:
        return url
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=netloc, **({} if query else {"query": "", "fragment": ""})))
