"""Byte ranges and conditions of HTTP (RFC 9110, clauses 8.8, 13 and 14), without the HTTP."""

import re

from cinelog_common.contract.values import Value

_SPECIFIER = re.compile(r"\s*bytes\s*=\s*(\d*)-(\d*)\s*", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_DIGITS = 18
"""No object is longer than 10**18 bytes; longer numbers are not even parsed."""


class Whole(Value, frozen=True, kw_only=True):
    """All of the object is asked for."""


class Part(Value, frozen=True, kw_only=True):
    """Bytes `start` to `end`, the latter not included; never empty."""

    start: int
    end: int


class Unsatisfiable(Value, frozen=True, kw_only=True):
    """The range begins behind the object's end."""


Wanted = Whole | Part | Unsatisfiable


def wanted(header: str | None, size: int) -> Wanted:
    """Return what a `Range` header asks of an object of `size` bytes.

    Several ranges, other units and what does not follow the grammar are ignored, as clause 14.2 allows.
    """
    match = _SPECIFIER.fullmatch(header) if header is not None else None
    if match is None:
        return Whole()
    first, last = match.groups()
    if not first:
        return _suffix(last, size)
    start = _number(first)
    end = _number(last) + 1 if last else size
    if end <= start and last:
        return Whole()  # clause 14.1.1: a last position before the first makes it invalid, not unsatisfiable
    if start >= size:
        return Unsatisfiable()
    return Part(start=start, end=min(end, size))


def _suffix(last: str, size: int) -> Wanted:
    if not last:
        return Whole()
    length = _number(last)
    if length == 0:
        return Unsatisfiable()
    if size == 0:
        return Whole()  # a Content-Range cannot describe nothing
    return Part(start=max(0, size - length), end=size)


def _number(digits: str) -> int:
    stripped = digits.lstrip("0")
    return int(stripped or "0") if len(stripped) <= _DIGITS else 10**_DIGITS


def entity_tag(opaque: str) -> str:
    """Return a store's etag as a strong entity tag (clause 8.8.3)."""
    kept = "".join(char for char in opaque if 0x21 <= ord(char) <= 0x7E and char not in '"\\')
    return f'"{kept}"'


def unchanged(if_none_match: str | None, tag: str) -> bool:
    """Whether the client already has this version (clause 13.1.2: compared weakly)."""
    if if_none_match is None:
        return False
    if if_none_match.strip() == "*":
        return True
    return any(each.removeprefix("W/") == tag for each in _TAG.findall(if_none_match))


def range_holds(if_range: str | None, tag: str) -> bool:
    """Whether a range may be answered (clause 13.1.5: compared strongly; dates never match ours)."""
    return if_range is None or if_range.strip() == tag
