"""Bundles that are cut, flipped, or made by somebody who knows the checksums."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cinelog_fastio import (
    KEYFRAME,
    BundleError,
    BundleReader,
    Packet,
    StreamParameters,
    backend,
    checksum,
)
from cinelog_fastio.layout import CHECKSUM, END_MAGIC, FOLD, MAGIC, PREFIX, RECORD, TOTALS, TRAILER, VERSION
from cinelog_fastio.testing import packed, unpacked
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("kernel")

PARAMETERS = StreamParameters(codec="h264", time_base=(1, 24), side_data=(("displaymatrix", bytes(36)),))
BUNDLE = packed(
    PARAMETERS,
    [
        Packet(data=b"I" * 60, pts=0, dts=0, duration=1, flags=KEYFRAME, side_data=(("skip", b"xyz"),)),
        Packet(data=b"P" * 20, pts=2, dts=1, duration=1),
        Packet(data=b"B" * 9, pts=1, dts=None),
    ],
    b"meta",
)
FIRST_RECORD = BUNDLE.index(b"I" * 60) - RECORD.size


def sealed_record(fields: tuple[int, ...], body: bytes) -> bytes:
    record = RECORD.pack(*fields) + body
    return record + CHECKSUM.pack(checksum(record))


def sealed_bundle(*records: bytes, head: bytes | None = None, claimed: int | None = None) -> bytes:
    """Return a bundle of any records, with all checksums right."""
    body = msgspec.msgpack.encode((PARAMETERS, b"")) if head is None else head
    prefix = PREFIX.pack(MAGIC, VERSION, 0, len(body))
    chain = checksum(prefix + body)
    whole = b"".join((prefix, CHECKSUM.pack(chain), body, *records))
    for record in records:
        chain = checksum(FOLD.pack(chain, *CHECKSUM.unpack(record[-8:])))
    packets = len(records) if claimed is None else claimed
    payload_bytes = sum(struct.unpack_from("<I", record)[0] for record in records) if claimed is None else 0
    size = len(whole) + TRAILER.size
    digest = checksum(TOTALS.pack(chain, packets, payload_bytes, size))
    return whole + TRAILER.pack(packets, payload_bytes, size, digest, END_MAGIC)


def assert_refused(bundle: bytes, words: str) -> None:
    """Assert that each way to read `bundle` raises, and takes no more memory than a small bundle needs."""
    readings: list[Callable[[bytes], object]] = [
        unpacked,
        lambda data: BundleReader(data).verify(),
        lambda data: list(BundleReader(data)),
    ]
    for read in readings:
        tracemalloc.start()
        with pytest.raises(BundleError, match=words):
            read(bundle)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


def test_the_hand_made_bundle_is_sound() -> None:
    record = sealed_record((3, 0, 5, 4, 1, 0, 0, 0), b"abc")

    _, _, stream = unpacked(sealed_bundle(record))

    assert stream == [Packet(data=b"abc", pts=5, dts=4, duration=1)]


def test_any_flipped_bit_is_found() -> None:
    found = []
    for bit in range(8 * len(BUNDLE)):
        flipped = bytearray(BUNDLE)
        flipped[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(BundleError) as walked:
            unpacked(flipped)
        with pytest.raises(BundleError) as verified:
            BundleReader(flipped).verify()
        found.append(str(walked.value) == str(verified.value))

    assert all(found)


def test_any_truncation_is_found() -> None:
    for length in range(len(BUNDLE)):
        with pytest.raises(BundleError):
            unpacked(BUNDLE[:length])


@given(st.data())
def test_any_other_damage_is_found(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(BUNDLE) - 1))
    end = data.draw(st.integers(start, len(BUNDLE)))
    damaged = BUNDLE[:start] + data.draw(st.binary(max_size=80)) + BUNDLE[end:]

    if damaged != BUNDLE:
        with pytest.raises(BundleError):
            unpacked(damaged)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_no_bundle(data: bytes) -> None:
    with pytest.raises(BundleError):
        unpacked(data)


def test_a_truncated_bundle_names_where_it_broke() -> None:
    with pytest.raises(BundleError, match=rf"no trailer at byte {len(BUNDLE) - 50}: the bundle is truncated"):
        unpacked(BUNDLE[:-10])


def test_a_damaged_packet_names_its_index_and_offset() -> None:
    damaged = bytearray(BUNDLE)
    damaged[FIRST_RECORD + RECORD.size] ^= 1

    with pytest.raises(BundleError, match=rf"packet 0 at byte {FIRST_RECORD}: checksum mismatch"):
        unpacked(damaged)


def test_packets_before_the_damage_are_delivered() -> None:
    damaged = BUNDLE.replace(b"B" * 9, b"b" * 9)
    stream = []

    with pytest.raises(BundleError, match="packet 2 "):
        stream.extend(packet.data for packet in BundleReader(damaged))

    assert stream == [b"I" * 60, b"P" * 20]


def test_records_cannot_change_places() -> None:
    one = sealed_record((1, 0, 0, 0, 0, 0, 0, 0), b"1")
    two = sealed_record((1, 0, 0, 0, 0, 0, 0, 0), b"2")

    swapped = sealed_bundle(one, two).replace(one + two, two + one)

    assert_refused(swapped, "does not match the 2 packets")


@pytest.mark.parametrize("lengths", [(0xFFFF_FFFF, 0), (0, 0xFFFF_FFFF), (0xFFFF_FFFF, 0xFFFF_FFFF), (4, 0)])
def test_a_record_that_claims_more_than_is_left_is_refused(lengths: tuple[int, int]) -> None:
    record = sealed_record((*lengths, 0, 0, 0, 0, 0, 0), b"abc")

    assert_refused(
        sealed_bundle(record, claimed=1),
        r"packet 0 at byte \d+: the record claims \d+ bytes, but 51 are left",
    )


def test_bytes_that_are_no_record_are_refused() -> None:
    assert_refused(sealed_bundle(bytes(20), claimed=0), "20 bytes are too few for a record")


def test_reserved_bits_are_refused() -> None:
    assert_refused(sealed_bundle(sealed_record((0, 0, 0, 0, 0, 0, 0, 1), b"")), "reserved bits are set")


@pytest.mark.parametrize(
    ("block", "entries", "words"),
    [
        (b"", 65_535, "side data are cut short"),
        (b"\x00" * 5, 1, "side data are cut short"),
        (struct.pack("<HI", 1, 0xFFFF_FFFF) + b"n", 1, "claim more bytes than the record has"),
        (struct.pack("<HI", 0xFFFF, 0) + b"n", 1, "claim more bytes than the record has"),
        (struct.pack("<HI", 1, 1) + b"nd", 2, "side data are cut short"),
        (struct.pack("<HI", 1, 1) + b"nd", 0, "left over after the side data"),
        (struct.pack("<HI", 1, 1) + b"nd!", 1, "left over after the side data"),
        (struct.pack("<HI", 1, 1) + b"\xffd", 1, "is not UTF-8"),
        (struct.pack("<HI", 3, 0) + b"\xed\xa0\x80", 1, "is not UTF-8"),
    ],
)
def test_side_data_that_lie_are_refused(block: bytes, entries: int, words: str) -> None:
    record = sealed_record((2, len(block), 0, 0, 0, 0, entries, 0), b"pp" + block)

    assert_refused(sealed_bundle(record), words)


@pytest.mark.parametrize("packets", [1, (1 << 64) - 1])
def test_a_trailer_that_claims_too_many_packets_is_refused(packets: int) -> None:
    assert_refused(sealed_bundle(claimed=packets), f"claims {packets} packets, more than there is room for")


def test_a_trailer_that_forgets_a_packet_is_refused() -> None:
    record = sealed_record((0, 0, 0, 0, 0, 0, 0, 0), b"")

    assert_refused(sealed_bundle(record, claimed=0), "does not match the 1 packets")


def test_a_head_that_claims_more_than_is_left_is_refused() -> None:
    bundle = bytearray(sealed_bundle())
    struct.pack_into("<I", bundle, 12, 0xFFFF_FFFF)

    assert_refused(bytes(bundle), "the head claims 4294967295 bytes at byte 24, more than are left")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xdd\x0f\xff\xff\xff",
        b"\x92" + b"\xdf\x7f\xff\xff\xff",
        b"\x92\x81\xa1x" + b"\x91" * 100_000,
        msgspec.msgpack.encode(({"codec": "h264"}, b"")),
        msgspec.msgpack.encode(({"codec": "h264", "time_base": (0, 1)}, b"")),
        msgspec.msgpack.encode(({"codec": b"\xff", "time_base": (1, 1)}, b"")),
        msgspec.msgpack.encode((PARAMETERS, b"")) + b"more",
        b"\x92\x82\xa5codec\xa1\xff\xa9time_base\x92\x01\x01\xc4\x00",
        b"\x92\x83\xa5codec\xa1x\xa9time_base\x92\x01\x01\xa9side_data\xdd\x7f\xff\xff\xff\xc4\x00",
    ],
)
def test_a_head_that_cannot_be_decoded_is_refused(head: bytes) -> None:
    assert_refused(sealed_bundle(head=head), "the head at byte 24 cannot be decoded")


def test_another_version_is_refused_by_its_number() -> None:
    bundle = bytearray(BUNDLE)
    struct.pack_into("<H", bundle, 8, 2)
    head_end = 24 + struct.unpack_from("<I", bundle, 12)[0]
    struct.pack_into("<Q", bundle, 16, checksum(bytes(bundle[:16] + bundle[24:head_end])))

    assert_refused(bytes(bundle), r"bundle version 2.0 at byte 8; only 1.0 can be read")


def test_an_empty_file_is_a_truncated_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle").touch()

    with pytest.raises(BundleError, match="ends at byte 0"):
        BundleReader.open(tmp_path / "bundle")


def test_a_mapped_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(b"<html>" * 100)

    with pytest.raises(BundleError, match="no bundle"):
        BundleReader.open(tmp_path / "bundle")


@given(
    st.tuples(st.just(7) | st.integers(0, 60), st.none() | st.integers(0, 60)),
    st.tuples(*[st.integers(-(1 << 63), (1 << 63) - 1)] * 3),
    st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, 3), st.sampled_from([0, 0, 0, 1])),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.binary(max_size=12)), max_size=3),
)
def test_both_kernels_say_the_same_of_any_record(
    lengths: tuple[int, int | None],
    times: tuple[int, ...],
    rest: tuple[int, ...],
    entries: list[tuple[int, int, bytes]],
) -> None:
    block = b"".join(struct.pack("<HI", *numbers) + octets for *numbers, octets in entries)
    side_length = len(block) if lengths[1] is None else lengths[1]
    record = sealed_record((lengths[0], side_length, *times, *rest), b"payload" + block)

    def outcome(name: str, *, skim: bool) -> object:
        cursor = backend.choose(name).cursor(record, 0, len(record), 7)
        try:
            stream = cursor.skim() if skim else list(cursor)
        except BundleError as error:
            return str(error)
        return stream, cursor.chain, cursor.packets, cursor.payload_bytes, cursor.offset

    assert outcome("native", skim=False) == outcome("pure", skim=False)
    assert outcome("native", skim=True) == outcome("pure", skim=True)
