import struct

import pytest
from cinelog_common.cmaf.boxes import MAX_BOXES, BoxError, Cursor, box, boxes, child, descend, full_box
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(max_size=40)), max_size=10))
def test_boxes_come_back_as_written(written: list[tuple[bytes, bytes]]) -> None:
    data = b"".join(box(kind, payload) for kind, payload in written)

    read = [(found.kind, data[found.body : found.end]) for found in boxes(data)]

    assert read == written


def test_a_64_bit_size_and_a_size_to_the_end_are_understood() -> None:
    wide = struct.pack(">I4sQ", 1, b"mdat", 18) + b"ab"
    last = struct.pack(">I4s", 0, b"free") + b"xyz"

    kinds = [(found.kind, found.end - found.body) for found in boxes(wide + last)]

    assert kinds == [(b"mdat", 2), (b"free", 3)]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        struct.pack(">I4s", 7, b"moov"),
        struct.pack(">I4s", 9, b"moov"),
        struct.pack(">I4s", 0xFFFFFFFF, b"moov"),
        struct.pack(">I4s", 1, b"moov") + b"\0\0",
        struct.pack(">I4sQ", 1, b"moov", 15),
        struct.pack(">I4sQ", 1, b"moov", 1 << 63),
    ],
)
def test_a_box_that_lies_about_its_size_is_refused(data: bytes) -> None:
    with pytest.raises(BoxError):
        list(boxes(data))


def test_endless_boxes_are_refused() -> None:
    with pytest.raises(BoxError, match="more than"):
        list(boxes(box(b"free") * (MAX_BOXES + 1)))


@given(st.binary(max_size=200))
def test_any_bytes_give_boxes_or_a_box_error(data: bytes) -> None:
    try:
        found = list(boxes(data))
    except BoxError:
        return

    assert sum(one.end - one.start for one in found) == len(data)


def test_a_missing_box_is_named() -> None:
    with pytest.raises(BoxError, match="'trak'"):
        descend(box(b"moov", box(b"mvhd")), b"moov", b"trak")


def test_a_cursor_never_reads_past_its_box() -> None:
    data = full_box(b"tfdt", 1, 2, b"\0\1") + b"next"
    cursor = Cursor(data, next(boxes(data[:14])))

    assert cursor.version_and_flags() == (1, 2)
    assert cursor.uint(2) == 1
    with pytest.raises(BoxError, match="early"):
        cursor.uint(1)


def test_a_child_is_sought_only_inside_its_parent() -> None:
    data = box(b"moov") + box(b"trak")

    with pytest.raises(BoxError):
        child(data, next(boxes(data)), b"trak")
