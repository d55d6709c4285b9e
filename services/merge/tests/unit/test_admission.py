import asyncio

import msgspec
import pytest
from cinelog_common.clock import ManualClock
from cinelog_common.contract import topics
from cinelog_common.contract.envelope import open_event
from cinelog_common.contract.events import JobRequested
from cinelog_common.errors import PermanentError
from cinelog_common.kafka.records import Record
from cinelog_common.kafka.testing import FakeLog, FakeProducer
from cinelog_merge.admission import Admission


class World:
    def __init__(self) -> None:
        self.log = FakeLog({topics.EVENTS: 1, topics.DEAD_LETTERS: 1})
        self.admission = Admission(FakeProducer(self.log), ManualClock(), account="acme")

    async def admit(self, record: Record) -> None:
        try:
            await self.admission.handle(record)
        except PermanentError as error:
            await self.admission.refuse(record, error)


def _record(value: bytes, *, key: bytes | None = b"any") -> Record:
    return Record(
        topic=topics.REQUESTED, partition=1, offset=9, timestamp_ms=1_000, key=key, value=value, headers=()
    )


def test_one_json_line_becomes_a_request_in_the_ledgers_log_keyed_by_its_job() -> None:
    world = World()

    asyncio.run(world.admit(_record(b'{"source": "http://example.org/a.mp4", "account": "mallory"}')))

    (record,) = world.log.records(topics.EVENTS)
    requested = open_event(record.headers, record.value)
    assert isinstance(requested, JobRequested)
    assert record.key == requested.job.encode()
    assert requested.account == "acme"
    assert requested.requested_ms == 1_000


def test_a_request_at_the_same_place_of_a_new_log_is_another_job() -> None:
    jobs = set()
    for epoch in (1, 2):
        log = FakeLog({topics.EVENTS: 1})
        admission = Admission(FakeProducer(log), ManualClock(), epoch=epoch)
        asyncio.run(admission.handle(_record(b'{"source": "http://example.org/a.mp4"}')))
        jobs.update(record.key for record in log.records(topics.EVENTS))

    assert len(jobs) == 2


def test_a_request_admitted_twice_is_the_same_event() -> None:
    world = World()
    record = _record(b'{"source": "http://example.org/a.mp4"}')

    async def twice() -> None:
        await world.admit(record)
        await world.admit(record)

    asyncio.run(twice())

    first, second = world.log.records(topics.EVENTS)
    assert (first.key, first.value) == (second.key, second.value)


@pytest.mark.parametrize(
    "value",
    [b"garbage", b"[]", b"{}", b'{"source": "gopher://x"}', b'{"source": "http://x", "profile": "nope"}'],
)
def test_what_is_no_request_goes_to_the_dead_letters_with_the_reason(value: bytes) -> None:
    world = World()

    asyncio.run(world.admit(_record(value)))

    assert world.log.records(topics.EVENTS) == []
    (letter,) = world.log.records(topics.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert letter.value == value
    assert headers["dlq_category"] == b"invalid_request"
    assert len(headers["dlq_reason"]) > 20


@pytest.mark.parametrize(
    ("vendors", "admitted"),
    [(None, 1), (frozenset({"nvidia"}), 1), (frozenset({"intel"}), 0), (frozenset(), 0)],
)
def test_required_hardware_is_refused_where_it_is_known_that_nobody_has_it(
    vendors: frozenset[str] | None, admitted: int
) -> None:
    world = World()
    world.admission = Admission(FakeProducer(world.log), ManualClock(), vendors=lambda _: vendors)
    wanted = b'{"source": "http://x/a.mp4", "hardware": "require", "vendor": "nvidia"}'

    asyncio.run(world.admit(_record(wanted)))

    assert len(world.log.records(topics.EVENTS)) == admitted
    reasons = [dict(letter.headers)["dlq_reason"] for letter in world.log.records(topics.DEAD_LETTERS)]
    assert len(reasons) == 1 - admitted
    assert all(b"nvidia" in (reason or b"") for reason in reasons)


def test_a_defect_of_admission_puts_the_record_aside_too() -> None:
    world = World()

    asyncio.run(world.admission.refuse(_record(msgspec.json.encode({})), ZeroDivisionError()))

    (letter,) = world.log.records(topics.DEAD_LETTERS)
    assert dict(letter.headers)["dlq_category"] == b"internal"
