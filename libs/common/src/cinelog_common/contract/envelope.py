"""The envelope: CloudEvents 1.0 in Kafka's binary content mode, for events and commands alike.

Attributes are headers `ce_*`, the data are the record's value (CloudEvents
Kafka protocol binding 1.0.2, §3.2). What is no envelope at all can be put
aside; a sound envelope with an unknown type must never be.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from cinelog_common.contract.commands import COMMAND_TYPES, Command
from cinelog_common.contract.events import EVENT_TYPES, Event
from cinelog_common.contract.values import Value
from cinelog_common.errors import Category, PermanentError

Headers = tuple[tuple[str, bytes], ...]
_T = TypeVar("_T", bound=Value)


class NotAnEnvelopeError(PermanentError):
    """The record is not one of ours, or its data are broken: it belongs in the dead letters."""


class UnknownTypeError(PermanentError):
    """A sound envelope whose type this version does not know: whoever must not miss facts stops here."""


class Message(Value, frozen=True, kw_only=True):
    """A record to be: what the producer needs to know."""

    key: bytes
    value: bytes
    headers: Headers


def seal(item: Event | Command, *, source: str, now: float, traceparent: str = "") -> Message:
    """Put `item` into its envelope.

    Args:
        item: The event or command.
        source: The service that says so, such as `/cinelog/merge`.
        now: Seconds since the Unix epoch.
        traceparent: W3C trace context, if there is one.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", item.type.encode()),
        ("ce_source", source.encode()),
        ("ce_id", item.id.encode()),
        ("ce_time", datetime.fromtimestamp(now, UTC).isoformat().encode()),
        ("ce_subject", item.job.encode()),
        ("content-type", b"application/json"),
    ]
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return Message(key=item.job.encode(), value=msgspec.json.encode(item), headers=tuple(headers))


def header_map(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Return headers as text, the last of a name winning; what is not UTF-8 is replaced, not fatal."""
    return {name.lower(): (value or b"").decode("utf-8", "replace") for name, value in headers}


def open_event(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Event:
    """Return the event in a record.

    Raises:
        NotAnEnvelopeError: No CloudEvent of ours, or broken data.
        UnknownTypeError: A sound envelope of a type that is not known here.
    """
    return _open(headers, value, EVENT_TYPES)


def open_command(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> Command:
    """Return the command in a record.

    Raises:
        NotAnEnvelopeError: No command of ours, or broken data.
        UnknownTypeError: A sound envelope of a type that is not known here.
    """
    return _open(headers, value, COMMAND_TYPES)


def _open(
    headers: Iterable[tuple[str, bytes | None]], value: bytes | None, known: Mapping[str, type[_T]]
) -> _T:
    names = header_map(headers)
    if names.get("ce_specversion") != "1.0" or not names.get("ce_type") or not names.get("ce_id"):
        raise _not_ours("The record has no CloudEvents 1.0 headers.")
    kind = known.get(names["ce_type"])
    if kind is None:
        if not names["ce_type"].startswith("cinelog."):
            raise _not_ours(f"The type {names['ce_type'][:80]!r} is not one of Cinelog's.")
        raise UnknownTypeError(f"Unknown type {names['ce_type'][:80]!r}.", action="Upgrade this service.")
    try:
        return msgspec.json.decode(value or b"", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_ours(f"The data of {names['ce_type']} are broken: {error}.") from error


def _not_ours(message: str) -> NotAnEnvelopeError:
    return NotAnEnvelopeError(
        message, category=Category.INVALID_REQUEST, action="Send one JSON object to cinelog.jobs.requested."
    )
