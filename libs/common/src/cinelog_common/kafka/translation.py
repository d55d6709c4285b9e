"""Turns aiokafka's errors into ours, in one place for all adapters of this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    BrokerResponseError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    UnsupportedVersionError,
)

from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError

_SILENT = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, OSError, TimeoutError)
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
    if isinstance(error, _SILENT):
        # What the client says of it holds addresses as Python writes them, or nothing at all.
        return TransientError(
            f"Kafka at {bootstrap} does not answer ({doing}).",
            category=Category.DEPENDENCY,
            action="Check that the broker runs and can be reached, and that CINELOG_KAFKA names it.",
        )
    kind = PermanentError if isinstance(error, _PERMANENT) else TransientError
    missing = isinstance(error, UnknownTopicOrPartitionError)
    return kind(
        f"Kafka at {bootstrap} failed {doing}: {_reason(error)}.",
        category=Category.DEPENDENCY,
        action="Run `cinelog topics apply`." if missing else "Look into the broker's log for the reason.",
    )


def _reason(error: Exception) -> str:
    """Return what a refusal means: a broker sends a number, and the client has a sentence for it."""
    said = ", ".join(str(each) for each in error.args)
    meant = error.description if isinstance(error, BrokerResponseError) and not said else said
    return (meant or type(error).__name__).rstrip(".")
