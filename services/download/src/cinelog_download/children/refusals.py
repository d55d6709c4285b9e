"""The sentences in which a source is refused; each says what to do."""

from cinelog_common.errors import Category, PermanentError


def not_media(detail: str = "") -> PermanentError:
    """The bytes hold no film and no sound."""
    return PermanentError(
        f"The source is no video or sound{detail}.",
        category=Category.NOT_MEDIA,
        action="Check that the address leads to a media file, not to a page or an error message.",
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


def over_limit(detail: str) -> PermanentError:
    """More than a limit allows."""
    return PermanentError(
        f"The source exceeds a limit: {detail}.",
        category=Category.LIMIT_EXCEEDED,
        action="Raise the limit in the download service's settings, or use a smaller source.",
    )
