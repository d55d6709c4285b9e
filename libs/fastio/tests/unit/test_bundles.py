import mmap
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cinelog_fastio import (
    CARRIED,
    KEYFRAME,
    BundleError,
    BundleReader,
    BundleWriter,
    Packet,
    StreamParameters,
    backend,
)
from cinelog_fastio.testing import packed, unpacked
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("kernel")

PARAMETERS = StreamParameters(
    codec="h264",
    extradata=b"\x01\x64\x00\x1f",
    time_base=(1, 90_000),
    attributes={"width": 1280, "sample_aspect_ratio": "1:1", "frame_rate": 23.976},
    side_data=(("displaymatrix", bytes(36)),),
)
PACKETS = [
    Packet(
        data=b"I" * 300, pts=3003, dts=0, duration=3003, flags=KEYFRAME, side_data=(("skip_samples", b"abc"),)
    ),
    Packet(data=b"", pts=None, dts=None),
    Packet(data=b"B" * 7, pts=-5, dts=-(1 << 63) + 1, duration=0, flags=CARRIED),
]

ticks = st.none() | st.integers(min_value=-(1 << 63) + 1, max_value=(1 << 63) - 1)
side_data = st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=4).map(tuple)
packets = st.builds(
    Packet,
    data=st.binary(max_size=400),
    pts=ticks,
    dts=ticks,
    duration=st.integers(min_value=0, max_value=(1 << 63) - 1),
    flags=st.integers(min_value=0, max_value=(1 << 32) - 1),
    side_data=side_data,
)
positive = st.integers(min_value=1, max_value=(1 << 31) - 1)
attributes = st.text(max_size=10) | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(allow_nan=False)
parameters = st.builds(
    StreamParameters,
    codec=st.text(max_size=10),
    extradata=st.binary(max_size=100),
    time_base=st.tuples(positive, positive),
    attributes=st.dictionaries(st.text(max_size=10), attributes, max_size=5),
    side_data=side_data,
)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse bytes beyond `size`, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(parameters=parameters, stream=st.lists(packets, max_size=8), meta=st.binary(max_size=100))
def test_what_was_packed_comes_out_again(
    parameters: StreamParameters, stream: list[Packet], meta: bytes
) -> None:
    bundle = packed(parameters, stream, meta)

    assert unpacked(bundle) == (parameters, meta, stream)


@given(stream=st.lists(packets, max_size=8))
def test_both_kernels_write_the_same_bytes(stream: list[Packet]) -> None:
    native, pure = backend.choose("native"), backend.choose("pure")

    records = [(native.pack_record(packet, 0), pure.pack_record(packet, 0)) for packet in stream]

    assert all(ours == twin for ours, twin in records)


def test_the_format_of_version_1_does_not_change() -> None:
    bundle = packed(PARAMETERS, PACKETS, b"meta")

    summary = BundleReader(bundle).verify()

    assert (summary.packets, summary.payload_bytes, summary.size_bytes) == (3, 307, len(bundle))
    assert summary.checksum == 861707685686883474
    assert bundle.startswith(b"CINEPKTS\x01\x00\x00\x00")


def test_a_bundle_is_in_its_file_what_its_writer_says_it_is(tmp_path: Path) -> None:
    path = tmp_path / "000001.g0.pkts"

    with BundleWriter(path, PARAMETERS, b"meta") as writer:
        for packet in PACKETS:
            writer.add(packet)
        summary = writer.close()

    assert path.read_bytes() == packed(PARAMETERS, PACKETS, b"meta")
    with BundleReader.open(path) as reader:
        assert reader.verify() == summary
        assert (reader.parameters, reader.meta, reader.packet_count) == (PARAMETERS, b"meta", 3)
        assert list(reader) == list(reader) == PACKETS


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_bundle_is_read_from_any_bytes(kind: type[bytes]) -> None:
    bundle = kind(packed(PARAMETERS, PACKETS))

    _, _, stream = unpacked(bundle)

    assert stream == PACKETS


def test_a_bundle_is_read_from_a_mapping() -> None:
    bundle = packed(PARAMETERS, PACKETS)
    with mmap.mmap(-1, len(bundle)) as mapped:
        mapped[:] = bundle

        _, _, stream = unpacked(mapped)

        assert stream == PACKETS


def test_nothing_is_visible_before_the_writer_closes(tmp_path: Path) -> None:
    path = tmp_path / "bundle"

    with BundleWriter(path, PARAMETERS) as writer:
        writer.add(PACKETS[0])
        before = path.exists()

    assert not before
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_is_left_by_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with BundleWriter(tmp_path / "bundle", PARAMETERS) as writer:
            writer.add(PACKETS[0])
            raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        write()

    assert list(tmp_path.iterdir()) == []


def test_a_bundle_replaces_an_older_one_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(b"older")
    writer = BundleWriter(path, PARAMETERS)
    writer.add(PACKETS[0])

    writer.abort()
    writer.abort()

    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_path_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    first, second = BundleWriter(path, PARAMETERS), BundleWriter(path, PARAMETERS)
    first.add(PACKETS[0])
    second.add(PACKETS[2])

    first.close()
    second.close()

    assert unpacked(path.read_bytes())[2] == [PACKETS[2]]


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "bundle", PARAMETERS)
    writer.add(Packet(data=bytes(100_000), pts=0, dts=0))

    with largest_file(50_000), pytest.raises(OSError, match="File too large"):
        writer.close()

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_in_the_middle_leaves_nothing_after_the_block(tmp_path: Path) -> None:
    def write() -> None:
        with BundleWriter(tmp_path / "bundle", PARAMETERS) as writer:
            for _ in range(3):
                writer.add(Packet(data=bytes(2_000_000), pts=0, dts=0))

    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        write()

    assert list(tmp_path.iterdir()) == []


def test_a_writer_whose_disk_was_full_once_never_shows_its_bundle(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "bundle", PARAMETERS)

    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        writer.add(Packet(data=bytes(3_000_000), pts=0, dts=0))

    with pytest.raises(ValueError, match="closed"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_no_room_even_for_the_head_leaves_nothing(tmp_path: Path) -> None:
    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        BundleWriter(tmp_path / "bundle", PARAMETERS, bytes(3_000_000))

    assert list(tmp_path.iterdir()) == []


def test_a_closed_writer_refuses_packets_and_a_second_close(tmp_path: Path) -> None:
    writer = BundleWriter(tmp_path / "bundle", PARAMETERS)
    writer.close()

    with pytest.raises(ValueError, match="closed"):
        writer.add(PACKETS[0])
    with pytest.raises(ValueError, match="closed"):
        writer.close()


@pytest.mark.parametrize(
    "packet",
    [
        Packet(data=b"", pts=1 << 63, dts=0),
        Packet(data=b"", pts=0, dts=-(1 << 63)),
        Packet(data=b"", pts=0, dts=0, duration=1 << 64),
        Packet(data=b"", pts=0, dts=0, flags=-1),
        Packet(data=b"", pts=0, dts=0, flags=1 << 32),
        Packet(data=b"", pts=0, dts=0, side_data=(("n" * 65_536, b""),)),
        Packet(data=b"", pts=0, dts=0, side_data=(("\ud800", b""),)),
        Packet(data=b"", pts=0, dts=0, side_data=(("n", b""),) * 65_536),
    ],
)
def test_a_packet_that_does_not_fit_is_refused_by_its_index(packet: Packet) -> None:
    with pytest.raises(BundleError, match=r"^packet 1: "):
        packed(PARAMETERS, [PACKETS[0], packet])


def test_a_refused_packet_does_not_spoil_the_bundle(tmp_path: Path) -> None:
    path = tmp_path / "bundle"

    with BundleWriter(path, PARAMETERS) as writer:
        writer.add(PACKETS[0])
        with pytest.raises(BundleError, match=r"^packet 1: "):
            writer.add(Packet(data=b"", pts=1 << 63, dts=0))
        writer.add(PACKETS[2])

    assert unpacked(path.read_bytes())[2] == [PACKETS[0], PACKETS[2]]


def test_parameters_that_do_not_fit_are_refused() -> None:
    unfit = StreamParameters(codec="h264", time_base=(1, 25), attributes={"width": 1 << 70})

    with pytest.raises(BundleError, match="bundle head"):
        packed(unfit, [])


@pytest.mark.parametrize("time_base", [(0, 1), (1, 0), (-1, 25)])
def test_a_time_base_in_which_no_time_can_be_told_is_refused(time_base: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not positive"):
        StreamParameters(codec="h264", time_base=time_base)


def test_a_closed_reader_refuses_to_read_and_an_open_iteration_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    path.write_bytes(packed(PARAMETERS, PACKETS))
    reader = BundleReader.open(path)
    begun = iter(reader)
    first = next(begun)

    reader.close()

    assert [first, *begun] == PACKETS
    with pytest.raises(ValueError, match="closed"):
        reader.verify()
