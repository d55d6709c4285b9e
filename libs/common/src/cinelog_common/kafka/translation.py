"""Turns aiokafka's errors into ours, in one place for all adapters of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)

from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

_PERMANENT = (InvalidTopicError, TopicAuthorizationFailedError, UnsupportedVersionError)


@contextmanager
def translated(bootstrap: str, doing: str) -> Iterator[None]:
    """Raise what the body raises in our words.

    Raises:
        TransientError: The broker does not answer, or not now.
        PermanentError: The broker refuses this for good; `LIMIT_EXCEEDED` if a record is too large.
    """
    try:
        yield
    except (KafkaError, OSError, TimeoutError) as error:
        raise translate(error, bootstrap, doing) from error


def translate(error: Exception, bootstrap: str, doing: str) -> CinelogError:
    """Return the error that says this in our words."""
    if isinstance(error, (MessageSizeTooLargeError, RecordTooLargeError)):
        return PermanentError(
            f"A record is larger than Kafka takes: {doing}.",
            category=Category.LIMIT_EXCEEDED,
            action="Raise the topic's max.message.bytes and the producer's limit, or send less at once.",
        )
    kind = PermanentError if isinstance(error, _PERMANENT) else TransientError
    reason = str(error) or type(error).__name__
    return kind(
        f"Kafka at {bootstrap} failed {doing}: {reason}",
        category=Category.DEPENDENCY,
        action="Check that the broker runs, is reachable and has the topics (`cinelog topics check`).",
    )
