"""What the ledger's table holds for a job: the place in the log it is at, then its state."""

import struct

from cinelog_merge.domain.state import Place

_HEAD = struct.Struct(">cqq")
_VERSION = b"1"


def frame(place: Place, state: bytes) -> bytes:
    """Return the table's value for a state that is at `place`."""
    return _HEAD.pack(_VERSION, *place) + state


def unframe(value: bytes) -> bytes:
    """Return the state in a table's value."""
    return value[_HEAD.size :]


def place_of(value: bytes | None) -> Place | None:
    """Return where in the log a value is at; None if it is no value of ours."""
    if value is None or len(value) < _HEAD.size or value[:1] != _VERSION:
        return None
    _, epoch, offset = _HEAD.unpack_from(value)
    return (epoch, offset)
