"""What S3 stores answer when they refuse, in our words."""

import contextlib
import enum
from collections.abc import Iterator

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

_FULL = frozenset(
    {"XMinioStorageFull", "InsufficientCapacity", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
)
_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})


class Refusal(enum.Enum):
    """Why a conditional write was not done."""

    FAILED = "failed"
    """The condition does not hold: somebody was first."""
    CONFLICT = "conflict"
    """Another writer of the key is at work: ask again (AWS: 409)."""


def status(error: ClientError) -> int:
    """Return the HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code(error: ClientError) -> str:
    """Return S3's own word for the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Tell whether there is no such object; a missing bucket is another matter."""
    return code(error) in _MISSING or (status(error) == 404 and code(error) == "")


def refusal(error: ClientError) -> Refusal | None:
    """Tell whether a condition was the reason, however the store says so.

    AWS answers 412 PreconditionFailed (RFC 9110, 13.1), and 409 while two
    writers meet; versitygw and MinIO answer 412. The status counts without the
    code as well, since a store may leave that out.
    """
    if status(error) in (304, 412) or code(error) in ("PreconditionFailed", "NotModified"):
        return Refusal.FAILED
    if code(error) in ("ConditionalRequestConflict", "OperationAborted"):
        return Refusal.CONFLICT
    return None


@contextlib.contextmanager
def in_our_words(what: str) -> Iterator[None]:
    """Translate what botocore and its HTTP client raise while doing `what`."""
    try:
        yield
    except ClientError as error:
        raise _translated(error, what) from error
    except (NoCredentialsError, ParamValidationError) as error:
        action = "Check the object store's settings."
        raise PermanentError(
            f"cannot {what}: {error}", category=Category.NOT_WRITABLE, action=action
        ) from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise _unreachable(f"cannot {what}: {error or type(error).__name__}") from error


def _translated(error: ClientError, what: str) -> CinelogError:
    said = f"cannot {what}: {code(error) or status(error)}"
    if status(error) == 507 or code(error) in _FULL:
        return PermanentError(said, category=Category.NO_SPACE, action="Free some space in the object store.")
    if status(error) >= 500 or status(error) in (0, 408, 425, 429):
        return _unreachable(said)
    if status(error) == 400 and code(error) in ("RequestTimeout", "IncompleteBody", "BadDigest"):
        return _unreachable(said)
    action = "Check the object store's address, bucket, keys and their rights."
    return PermanentError(said, category=Category.NOT_WRITABLE, action=action)


def _unreachable(said: str) -> TransientError:
    return TransientError(said, category=Category.DEPENDENCY, action="Look after the object store.")
