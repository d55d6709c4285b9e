"""One base error; the class answers "try again, or not?", the category tells the user what happened."""

from enum import StrEnum


class Category(StrEnum):
    """What went wrong, in the user's terms. Stored and shown; members are only ever added."""

    INVALID_REQUEST = "invalid_request"
    """The request itself cannot be carried out: wrong options, impossible pairs."""
    SOURCE_REFUSED = "source_refused"
    """Policy forbids this source: a private address, a file path in `serve`."""
    SOURCE_UNREACHABLE = "source_unreachable"
    """No connection to the source: name, network, timeout."""
    SOURCE_NOT_FOUND = "source_not_found"
    """The source answered that there is nothing there (404, 410, no such file)."""
    SOURCE_FORBIDDEN = "source_forbidden"
    """The source wants credentials or forbids access (401, 403)."""
    SOURCE_UNAVAILABLE = "source_unavailable"
    """The source answers, but not now (429, 5xx)."""
    SOURCE_CHANGED = "source_changed"
    """The source is no longer the one this run began with."""
    UNSUPPORTED_PAGE = "unsupported_page"
    """A page on which no video was found."""
    UNSUPPORTED_SOURCE = "unsupported_source"
    """A kind of source Cinelog refuses for now: live streams, playlists."""
    PROTECTED = "protected"
    """Encrypted or under DRM."""
    NOT_MEDIA = "not_media"
    """The bytes are no video or sound."""
    DAMAGED = "damaged"
    """The media are truncated or broken."""
    UNSUPPORTED_MEDIA = "unsupported_media"
    """A codec, size or combination that cannot be handled."""
    LIMIT_EXCEEDED = "limit_exceeded"
    """Larger, longer or more than a limit that the settings name."""
    NO_SPACE = "no_space"
    """A disk is full."""
    NOT_WRITABLE = "not_writable"
    """A destination cannot be written."""
    ENCODER_UNAVAILABLE = "encoder_unavailable"
    """The wanted encoder or device does not work here."""
    POISON = "poison"
    """The work killed its worker repeatedly."""
    DEPENDENCY = "dependency"
    """A server Cinelog needs does not answer."""
    CANCELLED = "cancelled"
    """Somebody cancelled the job."""
    INTERNAL = "internal"
    """A defect in Cinelog."""


class CinelogError(Exception):
    """Something went wrong that Cinelog can name.

    Attributes:
        category: What went wrong, in the user's terms.
        action: One sentence: what the user can do about it.
        retry_after_s: Seconds the other side asked us to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        category: Category = Category.INTERNAL,
        action: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.action = action
        self.retry_after_s = retry_after_s

    @property
    def message(self) -> str:
        """The one clear sentence."""
        return str(self.args[0])


class TransientError(CinelogError):
    """The same call may succeed later."""


class PermanentError(CinelogError):
    """The same call will never succeed."""
