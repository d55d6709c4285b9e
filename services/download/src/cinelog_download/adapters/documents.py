"""Small files that are read whole: playlists, manifests, keys."""

from cinelog_common.errors import Category, PermanentError

from cinelog_download.adapters.http import HttpClient
from cinelog_download.domain.headers import HttpRequest


async def read_whole(client: HttpClient, request: HttpRequest, *, most: int, what: str) -> tuple[bytes, str]:
    """Return the bytes, and where redirects led to.

    Raises:
        TransientError: As for `ports.Resolver.resolve`.
        PermanentError: As for `ports.Resolver.resolve`; LIMIT_EXCEEDED if there are more than `most` bytes.
    """
    body = await client.get(request)
    pieces: list[bytes] = []
    size = 0
    try:
        while data := await body.read():
            pieces.append(data)
            size += len(data)
            if size > most:
                raise PermanentError(
                    f"The {what} is too long.",
                    category=Category.LIMIT_EXCEEDED,
                    action="Use a shorter source.",
                )
    finally:
        await body.close()
    return b"".join(pieces), body.url
