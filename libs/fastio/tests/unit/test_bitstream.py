import struct

import pytest
from cinelog_fastio import annexb_to_lengths
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("kernel")

START_CODE = b"\x00\x00\x01"

# No unit holds 00 00 00, 00 00 01 or 00 00 02 (emulation prevention), and none ends in a zero byte.
units = st.binary(min_size=1, max_size=60).map(lambda data: data.replace(b"\x00\x00", b"\x00\x03") + b"\x80")
streams = st.lists(st.tuples(units, st.integers(min_value=0, max_value=4)), max_size=8)


def with_lengths(*nal_units: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(unit)) + unit for unit in nal_units)


@given(lead=st.integers(min_value=0, max_value=3), stream=streams)
def test_every_unit_comes_out_behind_its_length(lead: int, stream: list[tuple[bytes, int]]) -> None:
    annexb = bytes(lead if stream else 0) + b"".join(START_CODE + unit + bytes(pad) for unit, pad in stream)

    assert annexb_to_lengths(annexb) == with_lengths(*(unit for unit, _ in stream))


@pytest.mark.parametrize(
    ("annexb", "expected"),
    [
        (b"", b""),
        (b"\x00\x00\x01\x65", with_lengths(b"\x65")),
        (b"\x00\x00\x00\x01\x67\x42\x00\x00\x01\x68", with_lengths(b"\x67\x42", b"\x68")),
        (b"\x00\x00\x00\x01\x65\x01\x01\x00\x01", with_lengths(b"\x65\x01\x01\x00\x01")),
        (b"\x00\x00\x01\x65\x00\x00\x00\x00", with_lengths(b"\x65")),
        (b"\x00\x00\x01\x00\x00\x01\x65", with_lengths(b"\x65")),
        (b"\x00\x00\x01", b""),
        (b"\x00\x00\x01\x65\x00\x00\x03\x01", with_lengths(b"\x65\x00\x00\x03\x01")),
    ],
)
def test_start_codes_padding_and_empty_units(annexb: bytes, expected: bytes) -> None:
    assert annexb_to_lengths(annexb) == expected


@pytest.mark.parametrize(
    "annexb", [b"\x00", b"\x00\x00", b"\x65\x00\x00\x01\x65", b"abc", b"\x00\x00\x02\x65"]
)
def test_what_does_not_begin_with_a_start_code_is_refused(annexb: bytes) -> None:
    with pytest.raises(ValueError, match="no start code"):
        annexb_to_lengths(annexb)


@given(st.lists(st.sampled_from([b"\x00", b"\x01", b"\x02"]), max_size=40).map(b"".join))
def test_any_mixture_of_zeros_and_ones_is_split_as_by_the_start_code(tail: bytes) -> None:
    annexb = START_CODE + tail
    expected = [unit.rstrip(b"\x00") for unit in annexb.split(START_CODE)[1:]]

    assert annexb_to_lengths(memoryview(annexb)) == with_lengths(*filter(None, expected))
