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
    copy_checked,
    join_checked,
    pack_bundle,
    unpack_bundle,
)
from cinelog_fastio.kernel import Kernel
from measuring import Row

Rivals = dict[str, Callable[[], object]]

PARAMETERS = StreamParameters(codec="h264", time_base=(1, 24))
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


def away_with(target: Path) -> Callable[[], None]:
    """Let each write into a new file: what is paid for is its pages, not those of the one before."""
    return lambda: target.unlink(missing_ok=True)


def copies(folder: Path, size: int, rounds: int) -> None:
    source, target = folder / "source", folder / "target"
    half = [FileRange(path=source, start=start, length=size // 2) for start in (0, size // 2)]
    rivals: Rivals = {
        "shutil.copyfile": lambda: shutil.copyfile(source, target),
        "read and write, 256 KiB": lambda: read_and_write(source, target),
        "copy_checked": lambda: copy_checked(source, target),
        "copy_checked, 2 threads": lambda: copy_checked(source, target, threads=2),
        "join_checked of 2 ranges": lambda: join_checked(target, half),
        "copy_checked, pure": under(PURE, lambda: copy_checked(source, target)),
    }
    title = "Copy into a new file; shutil and the plain loop make no checksum"
    compare(title, size, rivals, rounds, before=away_with(target))
    target.unlink()
    rivals = {"native": lambda: checksum_file(source), "pure": under(PURE, lambda: checksum_file(source))}
    compare("Checksum of a file in the page cache", size, rivals, rounds)


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
    compare(title, size, rivals, rounds, before=away_with(target))
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
    packets = packets_of_a_unit()
    bundle = pack_bundle(PARAMETERS, packets)
    target = folder / "bundle"

    def write() -> None:
        with BundleWriter(target, PARAMETERS) as writer:
            for packet in packets:
                writer.add(packet)

    def walk() -> None:
        for _ in BundleReader(bundle):
            pass

    calls: Rivals = {
        "write to a new file": write,
        "pack": lambda: pack_bundle(PARAMETERS, packets),
        "unpack into a list": lambda: unpack_bundle(bundle),
        "walk": walk,
        "verify": lambda: BundleReader(bundle).verify(),
    }
    for name, call in calls.items():
        rivals = {"native": call, "pure": under(PURE, call)}
        title = f"Bundle of {len(bundle) / 1e6:.1f} MB in {len(packets)} packets: {name}"
        compare(title, len(bundle), rivals, rounds * 3, before=away_with(target))


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
    size, source, target = 256 << 20, folder / "source", folder / "target"
    source.write_bytes(random.Random(0).randbytes(1 << 20) * (size >> 20))
    rivals: Rivals = {
        "plain": lambda: read_and_write(source, target),
        "copyfile": lambda: shutil.copyfile(source, target),
        "checked": lambda: copy_checked(source, target),
        "two threads": lambda: copy_checked(source, target, threads=2),
    }
    bundle = pack_bundle(PARAMETERS, packets_of_a_unit())
    rounds = max(5, count)
    with kernel(NATIVE):
        taken = _taken(rivals, rounds, before=away_with(target))
        (unpacking,) = _taken({"unpack": lambda: unpack_bundle(bundle)}, rounds * 3).values()
    source.unlink()
    target.unlink()
    checked = _ratio(taken["plain"], taken["checked"])
    threads = _ratio(taken["copyfile"], taken["two threads"])
    speed = len(bundle) / statistics.median(unpacking) / 1e9
    return [
        ("fastio: copy with checksum, speed against a plain copy without", f"{checked:.2f}×", "≥ 0.9×"),
        ("fastio: the same with two threads, against `shutil.copyfile`", f"{threads:.2f}×", "≥ 1.4×"),
        (f"fastio: a bundle of {len(bundle) / 1e6:.0f} MB unpacked", f"{speed:.1f} GB/s", "≥ 2 GB/s"),
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
        (folder / "source").write_bytes(random.Random(0).randbytes(1 << 20) * options.size_mb)
        copies(folder, size, options.rounds)
        chunks(folder, size, options.rounds)
        bundles(folder, options.rounds)
        bytes_in_memory(options.rounds)


if __name__ == "__main__":
    main()
