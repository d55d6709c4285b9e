import asyncio

from cinelog_common.clock import ManualClock
from cinelog_common.kafka.dead_letters import KEPT_BYTES, TOPIC, DeadLetters, Reason, letter_headers
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer

RECORD = Record(
    topic="cinelog.work.fetch",
    partition=2,
    offset=17,
    timestamp_ms=1_699_999_000_000,
    key=b"job-1",
    value=b"garbage",
    headers=(("ce_type", b"x"),),
)
REASON = Reason(category="poison", sentence="It killed its worker.", times=3)


def put(record: Record, reason: Reason) -> Record:
    log = FakeLog({TOPIC: 1})
    letters = DeadLetters(FakeProducer(log), clock=ManualClock(1_700_000_000.0))
    asyncio.run(_put(letters, record, reason))
    return log.records(TOPIC)[0]


async def _put(letters: DeadLetters, record: Record, reason: Reason) -> None:
    await letters.put(record, reason)


def test_a_letter_says_where_from_why_since_when_and_how_often() -> None:
    letter = put(RECORD, REASON)

    assert (letter.key, letter.value) == (b"job-1", b"garbage")
    assert dict(letter.headers) == {
        "ce_type": b"x",
        "dlq_topic": b"cinelog.work.fetch",
        "dlq_partition": b"2",
        "dlq_offset": b"17",
        "dlq_category": b"poison",
        "dlq_reason": b"It killed its worker.",
        "dlq_times": b"3",
        "dlq_since_ms": b"1699999000000",
        "dlq_at_ms": b"1700000000000",
    }


def test_a_letter_put_aside_again_keeps_one_set_of_headers() -> None:
    first = put(RECORD, REASON)

    again = letter_headers(first, Reason(category="damaged", sentence="Still."), now_s=1.0)

    names = [name for name, _ in again]
    assert len(names) == len(set(names))
    assert dict(again)["dlq_category"] == b"damaged"


def test_a_value_too_large_for_a_letter_is_cut_and_says_so() -> None:
    size = KEPT_BYTES + 5
    record = Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=b"x" * size)

    letter = put(record, REASON)

    assert len(letter.value or b"") == KEPT_BYTES
    assert dict(letter.headers)["dlq_cut_from_bytes"] == str(size).encode()


def test_a_record_with_neither_key_nor_value_can_be_put_aside() -> None:
    record = Record(topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=None)

    assert put(record, REASON).value == b""


def test_a_letter_fits_into_a_record_however_hostile_its_headers_and_its_key_are() -> None:
    headers = (
        ("ce_type", b"x"),
        ("huge", b"h" * 500_000),
        *(("many", b"m" * 10),) * 20_000,
        ("n" * 90_000, b""),
    )
    record = Record(
        topic="t",
        partition=0,
        offset=0,
        timestamp_ms=0,
        key=b"k" * 600_000,
        value=b"v" * 899_999,
        headers=headers,
    )

    letter = put(record, Reason(category="internal", sentence="\udcff" + "s" * 400_000))

    size = sum(len(name) + len(value) + 8 for name, value in letter.headers)
    assert size + len(letter.key or b"") + len(letter.value or b"") < 1_040_000
    told = dict(letter.headers)
    assert told["ce_type"] == b"x"
    assert "huge" not in told
    assert told["dlq_key_cut_from_bytes"] == b"600000"
    assert int(told["dlq_headers_left_out"]) > 2
