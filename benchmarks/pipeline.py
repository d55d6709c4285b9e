"""The whole way beside ffmpeg: alternated runs, medians of pairs, CPU seconds beside wall time.

    python benchmarks/pipeline.py [--pairs 5] [--only NAME ...] [--write docs/benchmarks.md]

The rival is ffmpeg as the PyPI package imageio-ffmpeg ships it (libx264, the same
encoder family as PyAV's), or the one that CINELOG_FFMPEG names.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from cinelog.standalone import Standalone, StandaloneSettings
from cinelog.watching import Watcher
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from cinelog_common.logging import configure_logging
from origin import RatedOrigin

ROOT = Path(__file__).parent.parent
CINELOG = Path(sys.executable).with_name("cinelog")
Row = tuple[str, str, str]
"""What was measured, the figure, the goal."""


def ffmpeg() -> str:
    if named := os.environ.get("CINELOG_FFMPEG"):
        return named
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def footage(folder: Path, seconds: int) -> Path:
    """The example clip, repeated without re-encoding until it lasts long enough."""
    clip, path = ROOT / "examples" / "big-buck-bunny.mp4", folder / f"film-{seconds}.mp4"
    loops = str(-(-seconds // 8) - 1)
    command = [ffmpeg(), "-v", "error", "-y", "-stream_loop", loops, "-i", str(clip), "-c", "copy"]
    subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True)
    return path


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run to the end; return wall and CPU seconds, children included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def pairs(ours: Callable[[], list[str]], theirs: list[str], folder: Path, count: int) -> tuple[float, ...]:
    """Alternate; return the medians: wall ratio, our wall, their wall, our CPU, their CPU."""
    found = []
    for _ in range(count):
        mine, rival = timed(ours(), folder), timed(theirs, folder)
        found.append((mine[0] / rival[0], mine[0], rival[0], mine[1], rival[1]))
    return tuple(statistics.median(column) for column in zip(*found, strict=True))


def local_file(folder: Path, count: int) -> list[Row]:
    film = footage(folder, 24)

    def ours() -> list[str]:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return [str(CINELOG), "run", str(film), "--out", str(folder / "out"), "--json"]

    theirs = [ffmpeg(), "-v", "error", "-y", "-i", str(film), "-c:v", "libx264", "-preset", "medium"]
    theirs += ["-crf", "23", "-c:a", "aac", str(folder / "rival.mp4")]
    ratio, wall, rival, cpu, rival_cpu = pairs(ours, theirs, folder, count)
    figure = f"{ratio:.2f}× (wall {wall:.1f} s : {rival:.1f} s, CPU {cpu:.1f} s : {rival_cpu:.1f} s)"
    return [("`cinelog run`, 24 s of 720p, everything it makes, against ffmpeg's one MP4", figure, "≤ 1.2×")]


def serve(folder: Path, count: int) -> list[Row]:
    """Time from call to ready, and what idling costs, all processes together."""
    ready, cpu, memory = [], [], []
    for turn in range(count):
        port = 20000 + os.getpid() % 10000 + turn
        command = [str(CINELOG), "serve", "--port", str(port), "--data", str(folder / f"serve-{turn}")]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not _answers(port):
                time.sleep(0.02)
            ready.append(time.perf_counter() - began)
            time.sleep(35)  # children that proved encoders are kept warm for half a minute
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            used = sum(sum(one.cpu_times()[:2]) for one in family)
            time.sleep(20)
            cpu.append((sum(sum(one.cpu_times()[:2]) for one in family) - used) / 20 * 100)
            memory.append(sum(one.memory_info().rss for one in family) / 2**20)
        finally:
            process.terminate()
            process.wait()
    return [
        ("`cinelog serve` ready after", f"{statistics.median(ready):.2f} s", "≤ 3 s"),
        ("idle `serve`, share of one core", f"{statistics.median(cpu):.2f} %", "≤ 2 %"),
        ("idle `serve`, resident, all processes", f"{statistics.median(memory):.0f} MiB", "≤ 250 MB"),
    ]


def _answers(port: int) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def start(folder: Path, count: int) -> list[Row]:
    """Time from the call of `cinelog run` to the first byte asked of the source."""
    film = footage(folder, 8)
    found = [asyncio.run(_start(film, folder / f"start-{turn}")) for turn in range(count)]
    return [("`cinelog run` asks the source after", f"{statistics.median(found):.2f} s", "≤ 2.5 s")]


async def _start(film: Path, out: Path) -> float:
    origin = RatedOrigin(film, 1e9)
    url = await origin.start()
    began = time.perf_counter()
    quiet = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(str(CINELOG), "run", url, "--out", str(out), **quiet)
    while origin.first_request is None:
        await asyncio.sleep(0.002)
    process.terminate()
    await process.wait()
    await origin.stop()
    return origin.first_request - began


def overlap(folder: Path, count: int) -> list[Row]:
    """How much of a slow download has arrived when the first segment is being encoded."""
    film, shares, latencies = footage(folder, 64), [], []
    for turn in range(count):
        share, latency = asyncio.run(_overlap(film, folder / f"overlap-{turn}"))
        shares.append(share)
        latencies.append(latency)
    share, latency = statistics.median(shares), statistics.median(latencies)
    return [
        (
            "download arrived when the first segment is being encoded",
            f"{statistics.median(shares):.1f} %",
            "< 15 %",
        ),
        (
            "from `JobRequested` to the first byte asked for",
            f"{statistics.median(latencies):.0f} ms",
            "< 300 ms",
        ),
    ]


async def _overlap(film: Path, data: Path) -> tuple[float, float]:
    origin = RatedOrigin(film, film.stat().st_size / 64)
    url = await origin.start()
    settings = StandaloneSettings(data=data, allow_private_sources=True)
    async with Standalone(settings) as node:
        while not node.ready():
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)  # an idle machine: encoders are proven, groups have settled
        job = job_id_of_key("local", str(data))
        seen = asyncio.Event()
        watcher = Watcher(
            node.platform, job, lambda _, progress: seen.set() if "encode" in progress else None
        )
        await watcher.start(1)
        request = JobRequested(job=job, source=Source(url=url), options=Options(preset="veryfast"))
        began = time.perf_counter()
        await node.platform.announcer("benchmark").announce(request)
        await asyncio.wait_for(seen.wait(), 60)
        share = origin.sent / origin.size * 100
        await watcher.stop()
    await origin.stop()
    assert origin.first_request is not None
    return share, (origin.first_request - began) * 1000


GROUPS: dict[str, Callable[[Path, int], list[Row]]] = {
    "local-file": local_file,
    "start": start,
    "overlap": overlap,
    "serve": serve,
}


def machine() -> str:
    names = {
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    }
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({', '.join(sorted(names))}), {system}"


def main() -> None:
    configure_logging(level="ERROR")
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    print(
        f"{machine()}; medians of {arguments.pairs}\n\n| measured | figure | goal |\n| --- | --- | --- |",
        flush=True,
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="cinelog-bench-") as folder:
        for name in arguments.only:
            for row in GROUPS[name](Path(folder), arguments.pairs):
                rows.append(row)
                print("| " + " | ".join(row) + " |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
