"""What playlists and manifests come down to: files, or stretches of files, one after the other."""

import hashlib

import msgspec
from cinelog_common.errors import Category, PermanentError

from cinelog_download.domain.answers import Validator

MAX_PIECES = 100_000


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """How a piece is encrypted: AES-128 in CBC mode, padded as PKCS #7 has it (RFC 8216 4.3.2.4)."""

    url: str
    """Where the sixteen bytes of the key are."""
    iv: bytes
    """The sixteen bytes that decryption begins with."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One file, or a stretch of one."""

    url: str
    duration_s: float = 0.0
    start: int | None = None
    stop: int | None = None
    key: Key | None = None
    begins: int | None = None
    """The number of the stretch of media that begins here; None: it goes on. Streams of one recording that
    belong together carry the same number."""
    perhaps: bool = False
    """It may not exist: the last one, where its being there is a matter of rounding."""


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """Finished media: its pieces one after the other.

    A stretch of media begins with its own header (an init section, or transport stream tables) and has
    timestamps of its own. The first one is number 0.
    """

    pieces: tuple[Piece, ...]
    duration_s: float

    @property
    def validator(self) -> Validator:
        """Names this version: addresses may be signed anew each time, lengths stay."""
        facts = "|".join(
            f"{each.duration_s:.6f},{each.start},{each.stop}"
            + ("" if each.begins is None else f",{each.begins}")
            for each in self.pieces
        )
        return Validator(etag=f'"pieces-{hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()}"')


def live() -> PermanentError:
    """Return the refusal of a live stream."""
    return PermanentError(
        "The source is a live stream, which Cinelog does not record.",
        category=Category.UNSUPPORTED_SOURCE,
        action="Give the address of the recording when the stream has ended.",
    )


def protected(what: str) -> PermanentError:
    """Return the refusal of media under digital rights management."""
    return PermanentError(
        f"The {what} is protected (DRM).",
        category=Category.PROTECTED,
        action="Use a source without copy protection.",
    )


def malformed(what: str, why: str = "") -> PermanentError:
    """Return the error of a list that cannot be read."""
    return PermanentError(
        f"The {what} is malformed{': ' + why if why else ''}.",
        category=Category.NOT_MEDIA,
        action="Check the address.",
    )


def names_nothing(what: str) -> PermanentError:
    """Return the error of a list without media."""
    return PermanentError(
        f"The {what} names no segments.", category=Category.NOT_MEDIA, action="Check the address."
    )


def too_many(what: str) -> PermanentError:
    """Return the error of a list that is too long."""
    return PermanentError(
        f"The {what} names more than {MAX_PIECES} segments.",
        category=Category.LIMIT_EXCEEDED,
        action="Use a shorter source.",
    )
