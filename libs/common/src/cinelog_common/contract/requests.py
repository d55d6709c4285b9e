"""Requests from other systems: one JSON object on `cinelog.jobs.requested`.

Plain JSON, a structured CloudEvent or a binary one. Account and job id are
never taken from the payload: the topic maps to one configured account, and the
job id follows from the CloudEvent's source and id, else from the log position.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from cinelog_common.contract.envelope import header_map
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.options import check_source, settle
from cinelog_common.contract.values import Options, Source, Value
from cinelog_common.errors import Category, PermanentError
from cinelog_common.ids import job_id_of_event, job_id_of_position

_OPTION_NAMES = frozenset(Options.__struct_fields__) - {"destination"}


class Place(Value, frozen=True, kw_only=True):
    """Where in the log a request lies."""

    topic: str
    partition: int
    offset: int
    epoch: int = 1
    """The log's epoch: how often it was made anew."""


class InvalidRequestError(PermanentError):
    """What was sent is no request; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            category=Category.INVALID_REQUEST,
            action='Send one JSON object such as {"source": "https://…", "profile": "web"}.',
        )


def parse_request(
    headers: Iterable[tuple[str, bytes | None]],
    value: bytes | None,
    *,
    place: Place,
    account: str,
    now: float,
) -> JobRequested:
    """Return the request in a record of `cinelog.jobs.requested`.

    Raises:
        InvalidRequestError: Not one JSON object with a source.
        InvalidOptionsError: Options that cannot be.
    """
    names = header_map(headers)
    document = _object(value)
    ce_source, ce_id = names.get("ce_source"), names.get("ce_id")
    if document.get("specversion") is not None:
        ce_source, ce_id = _text(document, "source"), _text(document, "id")
        document = _data(document)
    if ce_source and ce_id:
        job = job_id_of_event(ce_source, ce_id)
    else:
        job = job_id_of_position(place.topic, place.partition, place.offset, epoch=place.epoch)
    source, options = parse_body(document)
    return JobRequested(
        job=job,
        account=account,
        source=source,
        options=options,
        requested_ms=int(now * 1000),
        fingerprint=body_fingerprint(source, options),
    )


def parse_body(document: dict[str, Any]) -> tuple[Source, Options]:
    """Return source and options of a request's JSON object, checked.

    Raises:
        InvalidRequestError: No source, or a field of the wrong kind.
        InvalidOptionsError: Options that cannot be.
    """
    raw = document.get("source") or document.get("url")
    wanted = document.get("options") if isinstance(document.get("options"), dict) else {}
    flat = {name: document[name] for name in _OPTION_NAMES if name in document}
    try:
        source = Source(url=raw) if isinstance(raw, str) else msgspec.convert(raw, Source)
        options = msgspec.convert({**(wanted or {}), **flat}, Options)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The request has a wrong field: {error}.") from error
    if options.destination is not None:
        # A destination is a folder of the machine that stores: not for strangers to name.
        options = msgspec.structs.replace(options, destination=None)
    if source.cookies_file is not None or source.cookies_from_browser is not None:
        # Both name secrets of the machine that fetches: not for strangers to use.
        raise InvalidRequestError("Cookies of the machine that fetches cannot be asked for.")
    check_source(source)
    settle(options)
    return source, options


def body_fingerprint(source: Source, options: Options) -> str:
    """Return a digest that differs when two requests ask for different things."""
    document = msgspec.json.encode(
        [msgspec.to_builtins(source), msgspec.to_builtins(options)], order="deterministic"
    )
    return hashlib.blake2b(document, digest_size=16).hexdigest()


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"The message is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("The message is not a JSON object.")
    return document


def _data(event: dict[str, Any]) -> dict[str, Any]:
    """Return a structured event's data: its own `source` says who sent it, not what is wanted."""
    data = event.get("data")
    if not isinstance(data, dict):
        raise InvalidRequestError("The CloudEvent's data are not a JSON object.")
    return data


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None
