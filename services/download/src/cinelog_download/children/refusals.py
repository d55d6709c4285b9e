"""The sentences in which a source is refused; each says what to do."""

from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.demuxing import Limits

_PREFIX = "CINELOG_DOWNLOAD_MAX_"
MAX_PIXELS = f"{_PREFIX}PIXELS"
MAX_DURATION = f"{_PREFIX}DURATION_S"
MAX_FRAMES = f"{_PREFIX}FRAMES"
MAX_STREAMS = f"{_PREFIX}STREAMS"
MAX_UNITS = f"{_PREFIX}UNITS"
"""The settings that say what a source may be at most, as `over_limit` names them."""


def not_media(detail: str = "") -> PermanentError:
    """The bytes hold no film and no sound."""
    return PermanentError(
        f"The source is no video or sound{detail}.",
        category=Category.NOT_MEDIA,
        action="Check that the address leads to a media file, not to a page or an error message.",
    )


def silent() -> PermanentError:
    """Only sound was asked for, and there is a picture alone."""
    return PermanentError(
        "The source has no sound.",
        category=Category.UNSUPPORTED_MEDIA,
        action="Choose another profile, such as web.",
    )


def damaged(detail: str) -> PermanentError:
    """Part of the media is missing or broken."""
    return PermanentError(
        f"The source is damaged: {detail}.",
        category=Category.DAMAGED,
        action="Get the file again from where it came from; this copy is not whole.",
    )


def protected() -> PermanentError:
    """The media are encrypted."""
    return PermanentError(
        "The source is encrypted (DRM).",
        category=Category.PROTECTED,
        action="Use a source that is not protected.",
    )


def unsupported(detail: str) -> PermanentError:
    """A codec or a shape that cannot be handled."""
    return PermanentError(
        f"The source cannot be handled: {detail}.",
        category=Category.UNSUPPORTED_MEDIA,
        action="Convert it to a common format first.",
    )


def over_limit(detail: str, setting: str) -> PermanentError:
    """More than a limit allows; `setting` is the environment variable that changes it."""
    return PermanentError(
        f"The source exceeds a limit: {detail}.",
        category=Category.LIMIT_EXCEEDED,
        action=f"Raise {setting} for the download service, or use a smaller source.",
    )


def check_size(size: tuple[int, int], limits: Limits) -> None:
    """Refuse a picture that is too wide times too high.

    Raises:
        PermanentError: LIMIT_EXCEEDED.
    """
    width, height = size
    if width * height > limits.pixels:
        detail = f"{width} × {height} pixels a picture, {limits.pixels} pixels allowed"
        raise over_limit(detail, MAX_PIXELS)
