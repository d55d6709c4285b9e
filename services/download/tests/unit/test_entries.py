"""Keyframes of one kind are known by their first bytes."""

import struct

import pytest
from cinelog_download.domain.entries import entry_kind
from hypothesis import given
from hypothesis import strategies as st

AVCC = b"\x01\x64\0\x1f\xff\xe1\0"
I_SLICE, P_SLICE = b"\x41\xb0", b"\x41\xe0"
"""First macroblock 0, then the type: ue(2) and ue(0)."""


def recovery_point(frames: str, *, before: bytes = b"") -> bytes:
    """An SEI unit that says after how many frames, as ue(v) in bits, the picture is whole."""
    bits = f"{frames}10".ljust(8, "1")
    return b"\x06" + before + b"\x06\x01" + int(bits, 2).to_bytes(1, "big")


def in_packet(form: str, *units: bytes) -> bytes:
    lead = (lambda unit: b"\0\0\0\1") if form == "annexb" else (lambda unit: struct.pack(">I", len(unit)))
    return b"".join(lead(unit) + unit for unit in units)


@pytest.mark.parametrize(("form", "extradata"), [("annexb", b""), ("prefixed", AVCC)])
def test_a_refresh_that_takes_pictures_is_of_another_kind_than_an_open_group(
    form: str, extradata: bytes
) -> None:
    # A longer message, such as an encoder's signature, may stand before the recovery point.
    signature = b"\x05\xff\x10" + b"x" * 271

    opened = entry_kind("h264", in_packet(form, recovery_point("1"), I_SLICE), extradata)
    signed = entry_kind("h264", in_packet(form, recovery_point("1", before=signature), I_SLICE), extradata)
    refreshed = entry_kind("h264", in_packet(form, recovery_point("00101"), P_SLICE), extradata)
    bare = entry_kind("h264", in_packet(form, I_SLICE), extradata)

    assert opened == signed
    assert len({opened, refreshed, bare}) == 3


def test_other_parameters_make_another_kind() -> None:
    one = entry_kind("h264", in_packet("annexb", b"\x67\x64\x01", I_SLICE), b"")
    other = entry_kind("h264", in_packet("annexb", b"\x67\x64\x02", I_SLICE), b"")

    assert one != other


def test_a_cra_of_hevc_is_of_another_kind_than_a_broken_link() -> None:
    kinds = {entry_kind("hevc", in_packet("annexb", bytes((kind << 1, 1, 1))), b"") for kind in (16, 21)}

    assert len(kinds) == 2


def test_open_and_closed_groups_of_mpeg_2_are_of_two_kinds() -> None:
    def picture(closed: int) -> bytes:
        return b"\0\0\1\xb8\0\x08\0" + bytes((closed << 6,)) + b"\0\0\1\0\0\x0f\xff\xf8"

    assert entry_kind("mpeg2video", picture(0), b"") != entry_kind("mpeg2video", picture(1), b"")


def test_what_a_container_of_mpeg_4_falsely_calls_a_keyframe_is_of_another_kind() -> None:
    planes = {entry_kind("mpeg4", b"\0\0\1\xb6" + bytes((kind << 6 | 1,)), b"") for kind in range(2)}

    assert len(planes) == 2


@given(st.sampled_from(["h264", "hevc", "mpeg2video", "mpeg4", "vc1"]), st.binary(max_size=80), st.booleans())
def test_any_bytes_are_of_some_kind(codec: str, data: bytes, starts: bool) -> None:
    assert entry_kind(codec, b"\0\0\1" * starts + data, b"").startswith(codec)
