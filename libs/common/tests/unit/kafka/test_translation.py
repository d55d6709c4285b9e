"""What a broker's failures are called, and what the user is told to do."""

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    NotEnoughReplicasError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from cinelog_common.errors import Category, CinelogError, PermanentError, TransientError
from cinelog_common.kafka.translation import translated

UNREACHABLE = KafkaConnectionError("Unable to bootstrap from [('a', 9092, <AddressFamily.AF_INET: 2>)]")


def told(error: Exception) -> CinelogError:
    with pytest.raises(CinelogError) as caught, translated("a:9092", "checking topics"):
        raise error
    return caught.value


@pytest.mark.parametrize("error", [UNREACHABLE, ConnectionRefusedError(111, "refused"), TimeoutError()])
def test_a_broker_that_cannot_be_reached_is_one_sentence_and_what_to_look_at(error: Exception) -> None:
    said = told(error)

    assert isinstance(said, TransientError)
    assert said.message == "Kafka at a:9092 does not answer (checking topics)."
    assert "CINELOG_KAFKA" in said.action
    assert "topics check" not in said.action


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (NotEnoughReplicasError(), TransientError, "in-sync replicas"),
        (TopicAuthorizationFailedError(), PermanentError, "not authorized"),
        (KafkaError("not started"), TransientError, "not started."),
    ],
)
def test_a_refusal_is_told_in_words_and_not_as_its_class(
    error: Exception, kind: type[CinelogError], sentence: str
) -> None:
    said = told(error)

    assert type(said) is kind
    assert sentence in said.message
    assert "Error" not in said.message
    assert said.category is Category.DEPENDENCY


def test_a_missing_topic_names_the_command_that_makes_it() -> None:
    assert told(UnknownTopicOrPartitionError()).action == "Run `cinelog topics apply`."


def test_a_record_that_is_too_large_is_a_limit() -> None:
    said = told(RecordTooLargeError())

    assert isinstance(said, PermanentError)
    assert said.category is Category.LIMIT_EXCEEDED
