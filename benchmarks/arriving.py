"""Sources that are still arriving: when the work begins, and how soon after the last byte there is video."""

import asyncio
import contextlib
import shutil
import statistics
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog.watching import Watcher
from cinelog_common.contract.events import JobRequested
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from encoding import ours, theirs
from films import footage
from measuring import Row
from origin import RatedOrigin

QUIET = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
FILM_S = 32


def start(folder: Path, count: int) -> list[Row]:
    """Time from the call of `cinelog run` to the first byte asked of the source."""
    film = footage(folder, 8)
    found = [asyncio.run(_start(film, folder / f"start-{turn}")) for turn in range(count)]
    return [("`cinelog run` asks the source after", f"{statistics.median(found):.2f} s", "≤ 2.5 s")]


async def _start(film: Path, out: Path) -> float:
    origin = RatedOrigin(film, 1e9)
    url = await origin.start()
    began = time.perf_counter()
    command = [*ours(film, out)()[:2], url, "--out", str(out)]
    process = await asyncio.create_subprocess_exec(*command, **QUIET)
    while origin.first_request is None:
        await asyncio.sleep(0.002)
    process.terminate()
    await process.wait()
    await origin.stop()
    return origin.first_request - began


def overlap(folder: Path, count: int) -> list[Row]:
    """How much of a slow download has arrived when the first segment is being encoded."""
    rows = []
    for seconds in (24, 64):
        film, shares, latencies = footage(folder, seconds), [], []
        for turn in range(count):
            share, latency = asyncio.run(_overlap(film, seconds, folder / f"overlap-{seconds}-{turn}"))
            shares.append(share)
            latencies.append(latency)
        what = f"download arrived when the first segment is being encoded, {seconds} s of film"
        rows.append((what, f"{statistics.median(shares):.1f} %", "< 15 %"))
    figure = f"{statistics.median(latencies):.0f} ms"
    return [*rows, ("from `JobRequested` to the first byte asked for", figure, "< 300 ms")]


async def _overlap(film: Path, seconds: int, data: Path) -> tuple[float, float]:
    origin = RatedOrigin(film, film.stat().st_size / seconds)
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


class Arrival(NamedTuple):
    """One way to video from a link of limited rate."""

    total_s: float
    after_last_byte_s: float
    first_playable_share: float
    """Of the source's bytes, when the first segment could be played; 1 where that is at the end."""


Way = Callable[[str, Path, RatedOrigin], Awaitable[float]]
"""Makes video of an address; returns the share of the bytes that were in when something was playable."""


async def _pipelined(url: str, folder: Path, origin: RatedOrigin) -> float:
    command = [*ours(Path(url), folder)()[:2], url, *ours(Path(url), folder)()[3:]]
    process = await asyncio.create_subprocess_exec(*command, **QUIET)
    ended = asyncio.create_task(process.wait())
    share = 1.0
    while not ended.done():
        if share == 1.0 and _playable(folder / "out"):
            share = origin.sent / origin.size
        await asyncio.sleep(0.02)
    assert ended.result() == 0, command
    return share


def _playable(out: Path) -> bool:
    """Whether the live playlist of the video names its first segment."""
    with contextlib.suppress(OSError):
        return any("#EXTINF" in one.read_text() for one in out.glob(".cinelog/objects/jobs/*/*/live/*p.m3u8"))
    return False


async def _ffmpeg(source: str, folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(*theirs(Path(source), folder), **QUIET)
    assert await process.wait() == 0


async def _ffmpeg_url(url: str, folder: Path, _: RatedOrigin) -> float:
    command = [url if part == str(Path(url)) else part for part in theirs(Path(url), folder)]
    process = await asyncio.create_subprocess_exec(*command, **QUIET)
    assert await process.wait() == 0
    return 1.0


async def _download_first(url: str, folder: Path, _: RatedOrigin) -> float:
    film = folder / "fetched.mp4"
    await asyncio.to_thread(urllib.request.urlretrieve, url, film)
    await _ffmpeg(str(film), folder)
    return 1.0


WAYS: dict[str, Way] = {
    "ours": _pipelined,
    "download then ffmpeg": _download_first,
    "ffmpeg URL": _ffmpeg_url,
}


async def _arrive(way: Way, film: Path, rate: float, folder: Path) -> Arrival:
    origin = RatedOrigin(film, rate)
    url = await origin.start()
    began = time.perf_counter()
    share = await way(url, folder, origin)
    ended = time.perf_counter()
    await origin.stop()
    assert origin.last_byte is not None
    return Arrival(ended - began, ended - origin.last_byte, share)


def links(folder: Path, count: int) -> list[Row]:
    """A link as fast as the film plays, and one twice as fast; all ways in turn."""
    film, rows = footage(folder, FILM_S), []
    for speed, bound in ((1, "≤ 1.10×"), (2, "≤ 1.0×")):
        rate = film.stat().st_size / FILM_S * speed
        found: dict[str, list[Arrival]] = {name: [] for name in WAYS}
        for turn in range(count):
            for name in list(WAYS) if turn % 2 == 0 else list(reversed(WAYS)):
                shutil.rmtree(folder / "out", ignore_errors=True)
                found[name].append(asyncio.run(_arrive(WAYS[name], film, rate, folder)))
        for name, arrivals in found.items():
            print(
                f"  {speed}x {name}: {[tuple(round(f, 2) for f in one) for one in arrivals]}", file=sys.stderr
            )
        rows += _rows(found, f"{FILM_S} s of 720p at {speed}× the rate it plays at", bound)
    return rows


def _rows(found: dict[str, list[Arrival]], where: str, bound: str) -> list[Row]:
    mine, stored, direct = (found[name] for name in WAYS)
    total = _ratio(mine, direct, "total_s")
    after = _ratio(stored, mine, "after_last_byte_s")
    share = statistics.median(one.first_playable_share for one in mine) * 100
    return [
        (f"{where}: total time against `ffmpeg URL`", f"{total:.2f}×", bound),
        (
            f"{where}: playable after the last byte, shorter than download-then-ffmpeg",
            f"{after:.1f}×",
            "≥ 2.3×",
        ),
        (f"{where}: bytes in when the first segment is playable", f"{share:.0f} %", "< 25 %"),
    ]


def _ratio(one: list[Arrival], other: list[Arrival], what: str) -> float:
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(one, other, strict=True))
