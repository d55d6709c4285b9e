"""fastio beside what one would use without it: interleaved rounds, medians, ratios of pairs.

    python benchmarks/fastio.py [--rounds 9] [--size-mb 256] [--dir WHERE]

Every group runs each of its rivals once a round, forwards and backwards in turn, so that a busy moment hits
them all. A ratio is the median of the rounds' ratios to the group's first rival. `pure` is the readable twin
of the native kernel.
"""

import argparse
import os
import platform
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cinelog_fastio import (
    BundleReader,
    BundleWriter,
    ChunkFile,
    FileRange,
    Packet,
    StreamParameters,
    annexb_to_lengths,
    backend,
    checksum,
    checksum_file,
    join_checked,
    preallocate,
)
from cinelog_fastio.kernel import Kernel
from cinelog_fastio.testing import packed
from measuring import Row

Rivals = dict[str, Callable[[], object]]

PARAMETERS = StreamParameters(codec="h264", time_base=(1, 24))
FRAGMENT_BYTES = 4 << 20
"""Some four seconds of 1080p, of which a join is made."""
NATIVE, PURE = backend.choose("native"), backend.choose("pure")


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _taken(rivals: Rivals, rounds: int, before: Callable[[], None] = lambda: None) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds):
        # To and fro: who comes second finds memory that the first has just freed.
        for name in list(rivals)[:: -1 if turn % 2 else 1]:
            # Once untimed: on a virtual machine the first touch of a page costs more than the copy into it.
            before()
            rivals[name]()
            before()
            taken[name].append(seconds(rivals[name]))
    return taken


def _ratio(first: list[float], times: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(first, times, strict=True))


def compare(
    title: str, size: int, rivals: Rivals, rounds: int, *, before: Callable[[], None] = lambda: None
) -> None:
    taken = _taken(rivals, rounds, before=before)
    first = next(iter(taken.values()))
    print(f"\n{title}")
    for name, times in taken.items():
        ratio = _ratio(first, times)
        print(f"  {name:<34} {size / statistics.median(times) / 1e9:7.2f} GB/s   {ratio:6.2f}x")


@contextmanager
def kernel(chosen: Kernel) -> Iterator[None]:
    before, backend.kernel = backend.kernel, chosen
    try:
        yield
    finally:
        backend.kernel = before


def under(chosen: Kernel, call: Callable[[], object]) -> Callable[[], object]:
    def run() -> None:
        with kernel(chosen):
            call()

    return run


def read_and_write(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        while piece := reader.read(1 << 18):
            writer.write(piece)


class Join:
    """Fragments that become one file: what the joiner does, but for the index it writes before them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.source, self.target = folder / "source", folder / "target"
        self.fragments: list[Path] = []
        noise = random.Random(0).randbytes(1 << 20)
        with self.source.open("wb") as whole:
            for number in range(size // FRAGMENT_BYTES):
                self.fragments.append(folder / f"{number:06d}.m4s")
                data = noise * (FRAGMENT_BYTES >> 20)
                self.fragments[-1].write_bytes(data)
                whole.write(data)

    def in_one_pass(self, threads: int = 1) -> None:
        ranges = [FileRange(path=path, start=0, length=FRAGMENT_BYTES) for path in self.fragments]
        with self.target.open("wb", buffering=0) as target:
            preallocate(target.fileno(), len(ranges) * FRAGMENT_BYTES)
            join_checked(target.fileno(), 0, ranges, threads=threads)

    def in_two_passes(self) -> None:
        for path in self.fragments:
            checksum_file(path)
        with self.target.open("wb", buffering=0) as target:
            preallocate(target.fileno(), len(self.fragments) * FRAGMENT_BYTES)
            for path in self.fragments:
                with path.open("rb", buffering=0) as source:
                    os.copy_file_range(source.fileno(), target.fileno(), FRAGMENT_BYTES)

    def rivals(self) -> Rivals:
        """Return the ways to make a file of so many bytes; the first two make no checksum."""
        return {
            "shutil.copyfile of one file": lambda: shutil.copyfile(self.source, self.target),
            "read and write, 256 KiB": lambda: read_and_write(self.source, self.target),
            "checksum_file, copy_file_range": self.in_two_passes,
            "join_checked": self.in_one_pass,
            "join_checked, 2 threads": lambda: self.in_one_pass(threads=2),
            "join_checked, pure": under(PURE, self.in_one_pass),
        }

    def before(self) -> None:
        """Let each write into a new file: what is paid for is its pages, not those of the one before."""
        self.target.unlink(missing_ok=True)

    def remove(self) -> None:
        for path in (self.source, self.target, *self.fragments):
            path.unlink(missing_ok=True)


def joins(folder: Path, size: int, rounds: int) -> None:
    join = Join(folder, size)
    title = f"Join {len(join.fragments)} fragments; shutil and the plain loop make no checksum"
    compare(title, size, join.rivals(), rounds, before=join.before)
    rivals: Rivals = {
        "native": lambda: checksum_file(join.source),
        "pure": under(PURE, lambda: checksum_file(join.source)),
    }
    compare("Checksum of a file in the page cache", size, rivals, rounds)
    join.remove()


def chunks(folder: Path, size: int, rounds: int) -> None:
    target, chunk = folder / "part", random.Random(1).randbytes(1 << 20)
    offsets = range(0, size, len(chunk))

    def plain() -> None:
        with target.open("wb", buffering=0) as file:
            for offset in offsets:
                os.pwrite(file.fileno(), chunk, offset)

    def checked() -> None:
        with ChunkFile.open(target, size) as part:
            for offset in offsets:
                part.pwrite(offset, chunk)

    rivals: Rivals = {"os.pwrite": plain, "ChunkFile": checked, "ChunkFile, pure": under(PURE, checked)}
    title = "Chunks of 1 MiB into a new file; os.pwrite makes no checksum"
    compare(title, size, rivals, rounds, before=lambda: target.unlink(missing_ok=True))
    target.unlink()


def packets_of_a_unit() -> list[Packet]:
    """Ten seconds of 1080p at some 10 Mbit/s: what a long work unit holds."""
    noise = random.Random(2)
    sizes = [400_000 if number % 120 == 0 else noise.randrange(8_000, 100_000) for number in range(240)]
    return [
        Packet(data=noise.randbytes(size), pts=number, dts=number, duration=1)
        for number, size in enumerate(sizes)
    ]


def bundles(folder: Path, rounds: int) -> None:
    packets, target = packets_of_a_unit(), folder / "bundle"

    def write() -> None:
        with BundleWriter(target, PARAMETERS) as writer:
            for packet in packets:
                writer.add(packet)

    def verify() -> None:
        with BundleReader.open(target) as reader:
            reader.verify()

    write()
    size = target.stat().st_size
    calls: Rivals = {"pack": write, "unpack": lambda: unpack(target), "verify": verify}
    for name, call in calls.items():
        rivals = {"native": call, "pure": under(PURE, call)}
        compare(f"Bundle of {size / 1e6:.1f} MB in {len(packets)} packets: {name}", size, rivals, rounds * 3)


def unpack(bundle: Path) -> None:
    """Read a bundle as an encoder does: packet by packet from its file, which is in the page cache."""
    with BundleReader.open(bundle) as reader:
        for _ in reader:
            pass


def bytes_in_memory(rounds: int) -> None:
    data = random.Random(3).randbytes(8_000_000)
    starts = range(0, len(data), 20_000)
    annexb = b"".join(b"\x00\x00\x00\x01\x65" + data[start : start + 20_000] for start in starts)
    small = data[:8_000]
    groups: list[tuple[str, int, Callable[[], object]]] = [
        ("Checksum of 8 MB", len(data), lambda: checksum(data)),
        ("Checksum of 8 kB, 1000 times", 1000 * len(small), lambda: [checksum(small) for _ in range(1000)]),
        ("Annex B to lengths, units of 20 kB", len(annexb), lambda: annexb_to_lengths(annexb)),
    ]
    for title, size, call in groups:
        compare(title, size, {"native": call, "pure": under(PURE, call)}, rounds * 3)


def goals(folder: Path, count: int) -> list[Row]:
    """What the rest of the product counts on; the files lie where the benchmark's do."""
    join, bundle = Join(folder, 256 << 20), folder / "bundle"
    rivals = join.rivals()
    copyfile, plain, _, checked, threads, _ = rivals
    bundle.write_bytes(packed(PARAMETERS, packets_of_a_unit()))
    rounds = max(5, count)
    with kernel(NATIVE):
        wanted = {name: rivals[name] for name in (copyfile, plain, checked, threads)}
        taken = _taken(wanted, rounds, before=join.before)
        (unpacking,) = _taken({"unpack": lambda: unpack(bundle)}, rounds * 3).values()
    size = bundle.stat().st_size
    join.remove()
    bundle.unlink()
    one, two = _ratio(taken[plain], taken[checked]), _ratio(taken[copyfile], taken[threads])
    speed = size / statistics.median(unpacking) / 1e9
    return [
        ("fastio: fragments joined and checked, speed against a plain copy without", f"{one:.2f}×", "≥ 0.9×"),
        ("fastio: the same with two threads, against `shutil.copyfile`", f"{two:.2f}×", "≥ 1.4×"),
        (f"fastio: a bundle of {size / 1e6:.0f} MB unpacked", f"{speed:.1f} GB/s", "≥ 2 GB/s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="fastio beside what one would use without it")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size-mb", type=int, default=256)
    parser.add_argument("--dir", type=Path, default=None, help="where the files lie")
    options = parser.parse_args()
    size = options.size_mb << 20
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with kernel(NATIVE), tempfile.TemporaryDirectory(dir=options.dir) as name:
        folder = Path(name)
        joins(folder, size, options.rounds)
        chunks(folder, size, options.rounds)
        bundles(folder, options.rounds)
        bytes_in_memory(options.rounds)


if __name__ == "__main__":
    main()
