"""How a file must be read, from its first bytes."""

import struct
from typing import Any

import pytest
from cinelog_download.domain.containers import Layout, layout_of, missing_bytes
from hypothesis import given
from hypothesis import strategies as st


def read_of(data: bytes) -> Any:
    return lambda offset, length: data[offset : offset + length]


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


FTYP = box(b"ftyp", b"isom\0\0\0\0isom")


def test_an_index_in_front_is_read_with_jumps_and_claims_its_media() -> None:
    data = FTYP + box(b"moov", b"....") + box(b"free") + box(b"mdat", bytes(100))

    assert layout_of(read_of(data)) == Layout(family="mp4", seekable=True, claimed_bytes=len(data))


def test_an_index_at_the_end_is_found() -> None:
    data = FTYP + box(b"mdat", bytes(100)) + box(b"moov", b"....")

    assert layout_of(read_of(data)).claimed_bytes == len(data)


def test_fragmented_films_are_streams() -> None:
    data = FTYP + box(b"moov", box(b"mvex")) + box(b"moof") + box(b"mdat")

    assert layout_of(read_of(data)) == Layout(family="mp4", seekable=False)


def test_encrypted_films_say_so() -> None:
    data = FTYP + box(b"moov", box(b"encv", box(b"schm", b"cenc")))

    assert layout_of(read_of(data)).protected


def test_matroska_claims_its_segment() -> None:
    head = b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67"

    assert layout_of(read_of(head + b"\x01" + (1000).to_bytes(7, "big"))).claimed_bytes == 17 + 1000
    assert layout_of(read_of(head + b"\x01" + b"\xff" * 7)).claimed_bytes is None


def test_transport_streams_are_streams() -> None:
    assert not layout_of(read_of((b"G" + bytes(187)) * 4)).seekable


@pytest.mark.parametrize("missing", [1, 50, 99])
def test_what_is_missing_is_counted(missing: int) -> None:
    data = FTYP + box(b"mdat", bytes(100))

    assert missing_bytes(read_of(data[:-missing]), len(data) - missing) == missing


@given(st.binary(max_size=400), st.sampled_from([b"", FTYP, b"\x1a\x45\xdf\xa3", b"RIFF\0\0\0\0AVI "]))
def test_any_bytes_have_some_layout(data: bytes, start: bytes) -> None:
    read = read_of(start + data)

    layout_of(read)
    missing_bytes(read, len(start + data))
