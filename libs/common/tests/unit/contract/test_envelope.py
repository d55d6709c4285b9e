"""The envelope: what is sealed opens again, what is not ours is told from what is too new."""

import typing
from typing import Any

import msgspec
import pytest
from cinelog_common.contract.commands import COMMANDS, Command, EncodeSegment, ProbeQuality
from cinelog_common.contract.envelope import (
    NotAnEnvelopeError,
    UnknownTypeError,
    header_map,
    open_command,
    open_event,
    seal,
)
from cinelog_common.contract.events import EVENTS, Event, JobRetried
from cinelog_common.contract.values import Recipe, Rendition
from hypothesis import given
from hypothesis import strategies as st

RECIPE = Recipe(
    family="cpu",
    encoder="libx264",
    codec="h264",
    preset="medium",
    pixel_format="yuv420p",
    time_base=(1, 1000),
    frame_rate=(25, 1),
    renditions=(Rendition(name="720p", width=1280, height=720, crf=23, max_rate_k=1000),),
    max_segment_s=8.0,
)


def an_example(kind: type[Any], **fields: Any) -> Any:
    """Return a value of `kind` with every field that must be given."""
    return msgspec.convert(_document(kind) | fields, kind)


def _document(kind: type[Any]) -> dict[str, Any]:
    return {
        field.name: _value(field.type)
        for field in msgspec.structs.fields(kind)
        if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
    }


def _value(kind: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin is tuple:
        own = [argument for argument in typing.get_args(kind) if argument is not Ellipsis]
        return [_value(argument) for argument in own]
    if origin is dict:
        return {}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _document(kind)
    return {str: "text", int: 3, float: 1.5, bool: True}[kind]


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.type)
def test_every_event_comes_back_from_its_envelope(kind: type[Event]) -> None:
    event = an_example(kind)

    message = seal(event, source="/cinelog/test", now=1.5, traceparent="00-a-b-01")

    assert open_event(message.headers, message.value) == event
    names = header_map(message.headers)
    assert (names["ce_type"], names["ce_id"], names["traceparent"]) == (kind.type, event.id, "00-a-b-01")
    assert names["ce_time"] == "1970-01-01T00:00:01.500000+00:00"
    assert message.key == event.job.encode()


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.type)
def test_every_command_comes_back_from_its_envelope(kind: type[Command]) -> None:
    command = an_example(kind)

    message = seal(command, source="/cinelog/test", now=0)

    assert open_command(message.headers, message.value) == command
    assert "traceparent" not in header_map(message.headers)


def test_types_are_cinelogs_versioned_and_each_ones_own() -> None:
    types = [kind.type for kind in (*EVENTS, *COMMANDS)]

    assert len(set(types)) == len(types)
    assert all(name.startswith("cinelog.") and name.endswith(".v1") for name in types)
    assert len({kind.kind for kind in COMMANDS}) == len(COMMANDS)


def test_a_sound_envelope_of_an_unknown_type_is_not_taken_for_garbage() -> None:
    message = seal(JobRetried(job="j"), source="/s", now=0)
    headers = [
        (name, b"cinelog.job.dreamt.v7" if name == "ce_type" else value) for name, value in message.headers
    ]

    for opened in (open_event, open_command):
        with pytest.raises(UnknownTypeError) as raised:
            opened(headers, b"whatever it holds")
        assert raised.value.action


def test_an_event_is_no_command_and_a_command_no_event() -> None:
    event = seal(JobRetried(job="j"), source="/s", now=0)
    command = seal(ProbeQuality(job="j", recipe=RECIPE, units=(0,), target_ssim=0.9), source="/s", now=0)

    with pytest.raises(UnknownTypeError):
        open_command(event.headers, event.value)
    with pytest.raises(UnknownTypeError):
        open_event(command.headers, command.value)


@pytest.mark.parametrize(
    "change",
    [
        {"ce_specversion": None},
        {"ce_specversion": b"0.3"},
        {"ce_type": None},
        {"ce_type": b""},
        {"ce_type": b"org.example.thing"},
        {"ce_type": b"\xff\xfe"},
        {"ce_id": None},
        {"ce_id": b""},
    ],
    ids=str,
)
def test_what_lacks_our_headers_is_no_envelope(change: dict[str, bytes | None]) -> None:
    message = seal(JobRetried(job="j"), source="/s", now=0)
    headers = {**dict(message.headers), **change}

    with pytest.raises(NotAnEnvelopeError):
        open_event([(name, value) for name, value in headers.items() if value is not None], message.value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"job": 1}',
        b'{"job": "j", "run": "1"}',
        b'{"job": "j", "run": 1.5}',
        b'{"job": "\xff"}',
        b'{"job": "j"} {}',
        b'{"job": NaN}',
        b'{"job": "j", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\x00" * 100,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_broken_data_in_a_sound_envelope_are_no_envelope(value: bytes | None) -> None:
    headers = seal(JobRetried(job="j"), source="/s", now=0).headers

    with pytest.raises(NotAnEnvelopeError):
        open_event(headers, value)


def test_fields_that_a_later_version_added_are_ignored() -> None:
    headers = seal(JobRetried(job="j"), source="/s", now=0).headers

    assert open_event(headers, b'{"job": "j", "mood": {"good": [1, 2]}}') == JobRetried(job="j")


@given(
    headers=st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary(max_size=30)), max_size=12),
    value=st.none() | st.binary(max_size=80),
)
def test_any_record_is_an_event_or_one_of_two_errors(
    headers: list[tuple[str, bytes | None]], value: bytes | None
) -> None:
    with pytest.raises((NotAnEnvelopeError, UnknownTypeError)):
        open_event(headers, value)


def test_the_last_header_of_a_name_wins_whatever_its_case() -> None:
    assert header_map([("CE_ID", b"1"), ("ce_id", b"2"), ("x", None)]) == {"ce_id": "2", "x": ""}


def test_the_same_work_has_the_same_id_and_another_attempt_another() -> None:
    def an_order(**fields: int) -> str:
        return EncodeSegment(job="j", recipe=RECIPE, **{"n": 1, **fields}).id

    assert an_order() == an_order()
    others = {an_order(n=2), an_order(generation=1), an_order(attempt=2), an_order(run=2), an_order()}
    assert len(others) == 5
