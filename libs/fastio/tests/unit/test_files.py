import errno
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest
import xxhash
from cinelog_fastio import (
    ChunkFile,
    FileRange,
    backend,
    checksum,
    checksum_file,
    files,
    join_checked,
    verify_file,
)
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.usefixtures("kernel")

WINDOW = 4 << 20
"""So much of a file is looked at at a time."""
CHUNK = 100_003
"""Not a multiple of anything that the kernels work in."""


def content(size: int) -> bytes:
    return Random(size).randbytes(size)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse bytes beyond `size`, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---- checksums


def test_the_checksum_is_xxh3_64() -> None:
    # From the specification's own test vectors: the empty input with seed 0.
    assert checksum(b"") == 0x2D06800538D394C2


@given(st.binary(max_size=2000))
def test_the_checksum_is_that_of_the_xxhash_package(data: bytes) -> None:
    assert checksum(data) == checksum(bytearray(data)) == xxhash.xxh3_64_intdigest(data)


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 18) + 1, 1_000_000])
def test_a_file_has_the_checksum_of_its_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(size))

    assert checksum_file(path) == checksum(content(size))


def test_a_range_of_a_file_has_the_checksum_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content(1_000_000))

    assert checksum_file(path, 300_000) == checksum(content(1_000_000)[300_000:])
    assert checksum_file(path, 7, 600_000) == checksum(content(1_000_000)[7:600_007])
    assert checksum_file(path, 7, 0) == checksum(b"")


def test_a_range_beyond_the_end_says_where_the_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")

    with pytest.raises(EOFError, match="the file ends at byte 5, 4 bytes before the range does"):
        checksum_file(path, 2, 7)


def test_verification_tells_sound_damaged_and_short_files(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    expected = checksum(b"2345")

    assert verify_file(path, expected, start=1)
    assert verify_file(path, expected, start=1, length=4)
    assert not verify_file(path, expected)
    assert not verify_file(path, expected, start=1, length=5)


def test_verification_of_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify_file(tmp_path / "missing", 0)


# ---- part files


def test_chunks_written_in_any_order_by_several_threads_make_the_file(tmp_path: Path) -> None:
    data = content(3_000_001)
    offsets = list(range(0, len(data), CHUNK))
    Random(1).shuffle(offsets)
    with ChunkFile.open(tmp_path / "part", len(data)) as part, ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda offset: part.pwrite(offset, data[offset : offset + CHUNK]), offsets))
        read = part.pread(5, len(data))

    assert (tmp_path / "part").read_bytes() == data
    assert sums == [checksum(data[offset : offset + CHUNK]) for offset in offsets]
    assert read == data[5:]


def test_a_part_file_has_its_room_on_the_disk_from_the_start(tmp_path: Path) -> None:
    ChunkFile.open(tmp_path / "part", 1_000_000).close()

    status = (tmp_path / "part").stat()
    assert (status.st_size, status.st_blocks * 512 >= 1_000_000) == (1_000_000, True)


def test_a_part_file_of_unknown_length_grows(tmp_path: Path) -> None:
    with ChunkFile.open(tmp_path / "part") as part:
        part.pwrite(3, b"abc")
        part.sync()

    assert (tmp_path / "part").read_bytes() == b"\x00\x00\x00abc"


def test_opening_again_keeps_what_an_earlier_attempt_wrote(tmp_path: Path) -> None:
    with ChunkFile.open(tmp_path / "part", 10) as part:
        part.pwrite(0, b"12345")

    with ChunkFile.open(tmp_path / "part", 20) as part:
        part.pwrite(5, b"67")
        read = part.pread(0, 100)

    assert read == b"1234567" + bytes(13)


def test_a_longer_file_is_another_sources(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"12345")

    with pytest.raises(ValueError, match="is longer than 4 bytes"):
        ChunkFile.open(tmp_path / "part", 4)

    assert (tmp_path / "part").read_bytes() == b"12345"


@pytest.mark.parametrize("data", [b"bytes", bytearray(b"bytes"), memoryview(b"-bytes-")[1:6]])
def test_any_bytes_can_be_written(tmp_path: Path, data: bytes) -> None:
    with ChunkFile.open(tmp_path / "part") as part:
        assert part.pwrite(0, data) == checksum(b"bytes")

    assert (tmp_path / "part").read_bytes() == b"bytes"


def test_a_file_for_which_there_is_no_room_is_an_os_error_and_not_left_behind(tmp_path: Path) -> None:
    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        ChunkFile.open(tmp_path / "part", 2_000_000)

    assert list(tmp_path.iterdir()) == []


def test_no_room_for_a_file_that_was_there_leaves_it(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"12345")

    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        ChunkFile.open(tmp_path / "part", 2_000_000)

    assert (tmp_path / "part").read_bytes() == b"12345"


def test_a_disk_that_fills_up_is_an_os_error() -> None:
    with ChunkFile.open("/dev/full") as part, pytest.raises(OSError, match="No space") as caught:
        part.pwrite(0, b"abc")

    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_reserve_room_gets_a_sparse_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, offset: int, length: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(files.os, "posix_fallocate", refuse)
    ChunkFile.open(tmp_path / "part", 1_000_000).close()

    assert (tmp_path / "part").stat().st_size == 1_000_000


def test_no_space_while_reserving_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space"):
        ChunkFile.open(tmp_path / "part", 1_000_000)

    assert list(tmp_path.iterdir()) == []


def test_a_closed_part_file_refuses_calls_and_closes_again(tmp_path: Path) -> None:
    part = ChunkFile.open(tmp_path / "part")
    part.close()
    part.close()

    for call in (lambda: part.pwrite(0, b""), lambda: part.pread(0, 1), part.sync):
        with pytest.raises(ValueError, match="closed"):
            call()


def test_closing_waits_for_a_write_that_is_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = Event(), Event()
    write = backend.kernel.write_checked

    def slow(descriptor: int, offset: int, data: bytes) -> int:
        begun.set()
        assert may_end.wait(10)
        return write(descriptor, offset, data)

    monkeypatch.setattr(backend.kernel, "write_checked", slow)
    part = ChunkFile.open(tmp_path / "part")
    writer = Thread(target=part.pwrite, args=(0, b"abc"))
    writer.start()
    assert begun.wait(10)
    closer = Thread(target=part.close)
    closer.start()
    deadline = time.monotonic() + 10
    while not part._closed and time.monotonic() < deadline:
        closer.join(0.001)
    waited = part._closed and closer.is_alive()
    may_end.set()
    writer.join(10)
    closer.join(10)

    assert waited
    assert not closer.is_alive()
    assert (tmp_path / "part").read_bytes() == b"abc"


# ---- joins


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    with (tmp_path / "joined").open("w+b", buffering=0) as file:
        yield file.fileno()


@pytest.mark.parametrize("threads", [1, 3])
def test_ranges_are_joined_in_their_order(tmp_path: Path, target: int, threads: int) -> None:
    one, two = content(700_000), content(300_001)
    (tmp_path / "one").write_bytes(one)
    (tmp_path / "two").write_bytes(two)
    pieces = [
        FileRange(path=tmp_path / "one", start=5, length=600_000),
        FileRange(path=tmp_path / "two", start=0, length=300_001),
        FileRange(path=tmp_path / "two", start=300_001, length=0),
        FileRange(path=tmp_path / "one", start=600_000, length=3),
    ]

    found = join_checked(target, 11, pieces, threads=threads)

    assert (tmp_path / "joined").read_bytes() == bytes(11) + one[5:600_005] + two + one[600_000:600_003]
    assert found == [checksum(one), checksum(two), checksum(two), checksum(one)]


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (1 << 20) + 17, WINDOW, 2 * WINDOW + 3])
@pytest.mark.parametrize("left_out", [(0, 0), (1, 0), (0, 1), (1 << 18, 1 << 18), (WINDOW - 1, 2)])
def test_a_checksum_covers_the_file_and_not_only_the_range(
    tmp_path: Path, target: int, size: int, left_out: tuple[int, int]
) -> None:
    start, stop = min(left_out[0], size), max(min(left_out[0], size), size - left_out[1])
    (tmp_path / "source").write_bytes(content(size))

    found = join_checked(target, 0, [FileRange(path=tmp_path / "source", start=start, length=stop - start)])

    assert (tmp_path / "joined").read_bytes() == content(size)[start:stop]
    assert found == [checksum(content(size))]


@pytest.mark.skipif(sys.platform != "linux", reason="files of the kernel's own")
@pytest.mark.parametrize("file", ["/proc/version", "/sys/devices/system/cpu/online"])
def test_a_file_that_cannot_be_mapped_is_read(tmp_path: Path, target: int, file: str) -> None:
    """One says that it has no bytes, the other that it has a page of them."""
    data = Path(file).read_bytes()

    found = join_checked(target, 0, [FileRange(path=file, start=0, length=len(data))])

    assert (tmp_path / "joined").read_bytes() == data
    assert found == [checksum(data)]


def test_nothing_is_joined_of_no_pieces(target: int) -> None:
    assert join_checked(target, 0, []) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_a_file_that_is_too_short_is_named(tmp_path: Path, target: int, threads: int) -> None:
    (tmp_path / "source").write_bytes(content(700_000))
    pieces = [FileRange(path=tmp_path / "source", start=10, length=length) for length in (9, 5_000_000, 9)]

    with pytest.raises(EOFError, match="source: the file ends at byte 700000, within the range to copy"):
        join_checked(target, 0, pieces, threads=threads)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_disk_that_fills_up_while_joining_is_an_os_error(tmp_path: Path, target: int, threads: int) -> None:
    (tmp_path / "source").write_bytes(content(600_000))
    pieces = [FileRange(path=tmp_path / "source", start=0, length=600_000)] * 4

    with largest_file(1_000_000), pytest.raises(OSError, match="File too large"):
        join_checked(target, 0, pieces, threads=threads)


def test_a_file_that_is_missing_ends_the_join(tmp_path: Path, target: int) -> None:
    with pytest.raises(FileNotFoundError):
        join_checked(target, 0, [FileRange(path=tmp_path / "missing", start=0, length=1)])


def test_no_piece_is_begun_after_one_has_failed(
    tmp_path: Path, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def fail(source: int, into: int, *, at: int, **_: int) -> int:
        begun.append(at)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "source").write_bytes(b"12345")
    monkeypatch.setattr(backend.kernel, "copy_checked", fail)
    pieces = [FileRange(path=tmp_path / "source", start=0, length=1)] * 1000

    with pytest.raises(OSError, match="Input/output"):
        join_checked(target, 0, pieces)

    assert len(begun) < 1000


def test_no_threads_cannot_join(target: int) -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        join_checked(target, 0, [], threads=0)


# ---- room


def test_room_for_what_is_there_already_is_not_asked_for(tmp_path: Path, target: int) -> None:
    (tmp_path / "joined").write_bytes(b"12345")

    files.preallocate(target, 3)

    assert (tmp_path / "joined").read_bytes() == b"12345"
