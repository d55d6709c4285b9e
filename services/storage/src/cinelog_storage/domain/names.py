"""File names from titles: readable, safe on every file system, never a path."""

import re
import unicodedata

MAX_BYTES = 120
"""Leaves room below the usual 255 for a suffix and a number."""

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')
_SPACES = re.compile(r"\s+")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps for devices."""


def file_name(title: str, *, fallback: str = "video") -> str:
    """Return `title` as a file name without a suffix.

    Path separators, control and direction characters, leading dots and dashes
    go; a name that would be empty or a device becomes `fallback`.
    """
    text = unicodedata.normalize("NFC", title)
    text = "".join(char for char in text if unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    text = _SPACES.sub(" ", _FORBIDDEN.sub(" ", text)).strip(" .-")
    text = text.encode()[:MAX_BYTES].decode("utf-8", "ignore").strip(" .-")
    return text if text and not _RESERVED.fullmatch(text) else fallback


def numbered(name: str, count: int) -> str:
    """Return `name`, or the `count`-th alternative to it if it is taken."""
    return name if count == 1 else f"{name} ({count})"
