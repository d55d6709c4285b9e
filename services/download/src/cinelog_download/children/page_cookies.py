"""Cookies for yt-dlp, from a file or a browser of this machine.

They are secrets: nothing here repeats one in a message, and what yt-dlp writes of lines that it
cannot read goes nowhere.
"""

import contextlib
import io
import os
from pathlib import Path
from typing import Any, Final

from cinelog_common.errors import Category

from cinelog_download.domain.pages import PageFailure, PageRequest, browser_of

_MAX_BYTES: Final = 16 << 20
_MAGIC: Final = ("# Netscape HTTP Cookie File", "# HTTP Cookie File")


def cookie_parameters(request: PageRequest) -> dict[str, Any]:
    """Return yt-dlp's parameters for the cookies that `request` names.

    Raises:
        ValueError: The file or the browser's name is none; the message says why, as part of a sentence.
    """
    parameters: dict[str, Any] = {}
    if request.cookies_file is not None:
        # As text, since yt-dlp writes the jar back to where it came from: the file is the user's.
        parameters["cookiefile"] = io.StringIO(_text(Path(request.cookies_file)))
    if request.cookies_from_browser is not None:
        parameters["cookiesfrombrowser"] = browser_of(request.cookies_from_browser)
    return parameters


def cookies_loaded(ydl: Any) -> bool:
    """Load the cookies now, and tell whether that went well."""
    from yt_dlp.utils import YoutubeDLError

    quiet = io.StringIO()
    try:
        with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            _ = ydl.cookiejar
    except (YoutubeDLError, OSError, ValueError):
        return False
    return True


def no_cookies(request: PageRequest, why: str) -> PageFailure:
    """Return the failure of cookies that cannot be had."""
    browser = request.cookies_from_browser
    named = f"the browser {browser[:40]!r}" if browser is not None else "the file"
    return PageFailure(
        category=Category.INVALID_REQUEST,
        message=f"There are no cookies to be had from {named}: {why}.",
        action="Export them in Netscape's format (cookies.txt), and give that file with --cookies.",
    )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read ({os.strerror(error.errno or 0)})") from error
    text = data.decode("utf-8", "replace")
    if len(data) > _MAX_BYTES or not text.startswith(_MAGIC):
        raise ValueError("it is not in Netscape's format")
    return text
