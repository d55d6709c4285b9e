"""What a packet's first bytes say."""

import struct

import pytest
from cinelog_download.domain.pictures import (
    is_shown,
    is_skipped_leading,
    jpeg_size,
    parameters_in,
    starts_clean,
)
from hypothesis import given
from hypothesis import strategies as st

AVCC = b"\x01\x64\0\x1f\xff\xe1\0"
HVCC = b"\x01" + bytes(20) + b"\x03" + bytes(4)


def annexb(*heads: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + head + b"\x80\x11\x22" for head in heads)


def prefixed(*heads: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(head) + 3) + head + b"\x80\x11\x22" for head in heads)


@pytest.mark.parametrize("form", ["annexb", "prefixed"])
def test_an_idr_of_h264_is_clean_and_a_recovery_point_is_not(form: str) -> None:
    made, extradata = (annexb, b"\0\0\0\1g") if form == "annexb" else (prefixed, AVCC)

    assert starts_clean("h264", made(b"\x67", b"\x68", b"\x65"), extradata)
    assert not starts_clean("h264", made(b"\x06", b"\x41"), extradata)


@pytest.mark.parametrize("form", ["annexb", "prefixed"])
def test_an_idr_of_hevc_is_clean_and_a_cra_is_not(form: str) -> None:
    made, extradata = (annexb, b"\0\0\0\1@") if form == "annexb" else (prefixed, HVCC)

    assert starts_clean("hevc", made(b"\x40\x01", bytes((19 << 1, 1))), extradata)
    assert not starts_clean("hevc", made(bytes((21 << 1, 1))), extradata)
    assert not is_skipped_leading("hevc", made(bytes((6 << 1, 1))), extradata)
    assert is_skipped_leading("hevc", made(bytes((8 << 1, 1))), extradata)


def test_a_keyframe_tells_its_own_parameters_where_it_carries_them() -> None:
    assert parameters_in("h264", annexb(b"\x09", b"\x67", b"\x65"), b"") == b"\x67\x80\x11\x22"
    assert parameters_in("hevc", annexb(b"\x42", b"\x26"), b"") == b"\x42\x80\x11\x22"
    assert parameters_in("h264", annexb(b"\x65"), b"") is None
    assert parameters_in("h264", prefixed(b"\x67"), AVCC) is None
    assert parameters_in("mpeg2video", b"\0\0\1\xb3\x0a\x00\x60\x13more", b"") == b"\x0a\x00\x60\x13"


def test_hidden_pictures_of_vp8_and_vp9_are_not_shown() -> None:
    assert is_shown("vp8", b"\x10\0\0")
    assert not is_shown("vp8", b"\x01\0\0")
    # frame_marker 2, profile 0, no show_existing_frame, key frame, show_frame 1 or 0.
    assert is_shown("vp9", bytes((0b10000010, 0, 0)))
    assert not is_shown("vp9", bytes((0b10000000, 0, 0)))
    assert is_shown("vp9", bytes((0b10001000, 0, 0)))
    assert is_shown("vp9", bytes((0b10000000, 0, 0xC1)))


@given(
    st.sampled_from(["h264", "hevc", "vp8", "vp9", "mpeg4"]), st.binary(max_size=60), st.binary(max_size=40)
)
def test_any_bytes_are_judged(codec: str, data: bytes, extradata: bytes) -> None:
    starts_clean(codec, data, extradata)
    is_shown(codec, data)
    is_skipped_leading(codec, data, extradata)
    parameters_in(codec, data, extradata)


@given(st.integers(0, 65_535), st.integers(0, 65_535), st.binary(max_size=40))
def test_a_jpeg_says_how_large_it_is_behind_its_tables(width: int, height: int, table: bytes) -> None:
    tables = b"\xff\xc4" + struct.pack(">H", 2 + len(table)) + table
    frame = b"\xff\xc0" + struct.pack(">HBHH", 17, 8, height, width)

    assert jpeg_size(b"\xff\xd8" + tables + frame) == (width, height)


@given(st.binary(max_size=200))
def test_what_is_no_jpeg_has_no_size_or_some(data: bytes) -> None:
    assert min(jpeg_size(data)) >= 0
    assert jpeg_size(b"") == (0, 0)
