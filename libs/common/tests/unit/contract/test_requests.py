"""Requests of other systems: plain, structured and binary; hostile ones are refused with the reason."""

import json
from typing import Any

import pytest
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.options import InvalidOptionsError
from cinelog_common.contract.requests import InvalidRequestError, Place, body_fingerprint, parse_request
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_event, job_id_of_position
from hypothesis import given
from hypothesis import strategies as st

PLACE = Place(topic="cinelog.jobs.requested", partition=3, offset=14)
URL = "https://example.org/film.mp4"
BODY = {"source": URL, "profile": "ladder", "height": 720}


def parse(
    body: Any, headers: tuple[tuple[str, bytes | None], ...] = (), *, place: Place = PLACE
) -> JobRequested:
    value = body if isinstance(body, bytes) else json.dumps(body).encode()
    return parse_request(headers, value, place=place, account="studio", now=12.5)


def structured(**fields: Any) -> dict[str, Any]:
    event = {"specversion": "1.0", "type": "t", "source": "/them", "id": "7", "data": BODY}
    return event | fields


def test_a_plain_object_is_a_request_named_by_its_place_in_the_log() -> None:
    request = parse(BODY)

    assert request.job == job_id_of_position(PLACE.topic, 3, 14)
    assert (request.source, request.options) == (Source(url=URL), Options(profile="ladder", height=720))
    assert (request.account, request.requested_ms, request.run) == ("studio", 12_500, 1)


def test_a_structured_and_a_binary_cloudevent_are_the_same_job() -> None:
    binary = parse(BODY, (("ce_source", b"/them"), ("ce_id", b"7"), ("ce_specversion", b"1.0")))

    assert parse(structured()) == binary
    assert binary.job == job_id_of_event("/them", "7")


def test_one_event_sent_twice_is_one_job_wherever_it_lies() -> None:
    elsewhere = Place(topic=PLACE.topic, partition=0, offset=99)

    assert parse(structured()).job == parse(structured(), place=elsewhere).job
    assert parse(BODY).job != parse(BODY, place=elsewhere).job


def test_an_event_without_an_id_is_named_by_its_place() -> None:
    assert parse(structured(id="")).job == job_id_of_position(PLACE.topic, 3, 14)


@pytest.mark.parametrize("data", [None, "text", ["a"], 7])
def test_an_events_own_source_is_never_taken_for_the_film(data: Any) -> None:
    event = structured(data=data, source="https://producer.example/")

    with pytest.raises(InvalidRequestError):
        parse(event)


def test_account_job_and_folder_are_never_taken_from_strangers() -> None:
    body = BODY | {
        "job": "mine",
        "run": 9,
        "account": "root",
        "destination": "/etc",
        "fingerprint": "f",
        "options": {"destination": "/etc", "account": "root"},
    }

    request = parse(body)

    assert request == parse(BODY)
    assert request.options.destination is None


def test_options_may_lie_flat_or_in_an_object_and_flat_ones_win() -> None:
    request = parse(
        {"source": {"url": URL, "headers": {"A": "b"}}, "crf": 20, "options": {"crf": 30, "height": 480}}
    )

    assert (request.options.crf, request.options.height) == (20, 480)
    assert request.source.headers == {"A": "b"}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"source": "\xff"}',
        b'{"source": "\\ud800"}',
        b'{"source": NaN}',
        b'{"source": 1e999}',
        b'{"source": ' + b"9" * 5000 + b"}",
        b'{"source": "a"} trailing',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"source": {"url": "https://a.example", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        b"{}",
        b'{"source": null}',
        b'{"source": 7}',
        b'{"source": []}',
        b'{"source": {}}',
        b'{"source": {"url": 7}}',
        b'{"source": "https://a.example", "height": "720"}',
        b'{"source": "https://a.example", "crf": 2.5}',
        b'{"source": "https://a.example", "containers": "mp4"}',
        b"\x1f\x8b compressed",
    ],
    ids=lambda value: repr(value)[:40],
)
def test_hostile_bytes_are_refused_with_the_reason(value: bytes) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse(value)

    assert raised.value.category == "invalid_request"
    assert len(raised.value.message) < 400
    assert raised.value.action


@pytest.mark.parametrize(
    "value", [b'{"source": "ftp://a/b"}', b'{"source": "https://a.example", "height": 1}']
)
def test_impossible_options_are_refused_as_everywhere(value: bytes) -> None:
    with pytest.raises(InvalidOptionsError):
        parse(value)


def test_of_a_field_that_comes_twice_the_last_counts() -> None:
    request = parse(b'{"source": "https://a.example/1", "source": "https://a.example/2"}')

    assert request.source.url == "https://a.example/2"


@given(value=st.binary(max_size=60), headers=st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=9))))
def test_no_bytes_are_ever_more_than_refused(value: bytes, headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises((InvalidRequestError, InvalidOptionsError)):
        parse_request(headers, value, place=PLACE, account="a", now=0)


_OPTIONS = st.builds(Options, profile=st.sampled_from(["web", "ladder"]), crf=st.none() | st.integers(0, 3))
_SOURCES = st.builds(
    Source, url=st.sampled_from(["a", "b"]), headers=st.dictionaries(st.sampled_from("xy"), st.just("v"))
)


@given(one=st.tuples(_SOURCES, _OPTIONS), other=st.tuples(_SOURCES, _OPTIONS))
def test_two_requests_have_one_fingerprint_only_if_they_ask_for_the_same(
    one: tuple[Source, Options], other: tuple[Source, Options]
) -> None:
    assert (body_fingerprint(*one) == body_fingerprint(*other)) == (one == other)


def test_the_order_of_fields_does_not_change_the_fingerprint() -> None:
    one = parse(b'{"source": "https://a.example", "crf": 20, "height": 720}')
    other = parse(b'{"height": 720, "crf": 20, "source": "https://a.example"}')

    assert one.fingerprint == other.fingerprint
