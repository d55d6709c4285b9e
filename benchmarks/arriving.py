"""Sources that are still arriving: when the work begins, and how soon after the last byte there is video."""

import asyncio
import contextlib
import shutil
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from cinelog.settings import StandaloneSettings
from cinelog.standalone import Standalone
from cinelog.watching import Watcher
from cinelog_common.contract.events import JobCancelRequested, JobRequested
from cinelog_common.contract.values import Options, Source
from cinelog_common.ids import job_id_of_key
from films import footage
from measuring import Row, timed
from origin import RatedOrigin
from rivals import equal, ours

QUIET = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
FILM_S, HEIGHT = 64, 720


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
    return asyncio.run(_overlaps(folder, count))


async def _overlaps(folder: Path, count: int) -> list[Row]:
    rows, latencies = [], []
    settings = StandaloneSettings(data=folder / "overlap", allow_private_sources=True)
    async with Standalone(settings) as node:
        while not node.ready():
            await asyncio.sleep(0.01)
        await asyncio.sleep(2)  # an idle machine: encoders are proven, groups have settled
        for seconds in (24, 64):
            shares = []
            for _ in range(count):
                share, latency = await _overlap(node, footage(folder, seconds), seconds)
                shares.append(share)
                latencies.append(latency)
            what = f"download arrived when the first segment is being encoded, {seconds} s of film"
            rows.append((what, f"{statistics.median(shares):.1f} %", "< 15 %"))
    figure = f"{statistics.median(latencies):.0f} ms"
    return [*rows, ("from `JobRequested` to the first byte asked for", figure, "< 300 ms")]


async def _overlap(node: Standalone, film: Path, seconds: int) -> tuple[float, float]:
    """Return the share of the bytes, in percent, and the milliseconds; then the job is cancelled."""
    origin = RatedOrigin(film, film.stat().st_size / seconds)
    url = await origin.start()
    job = job_id_of_key("local", url)  # every origin has a port of its own
    seen = asyncio.Event()
    watcher = Watcher(node.platform, job, lambda _, progress: seen.set() if "encode" in progress else None)
    await watcher.start(1)
    announcer = node.platform.announcer("benchmark")
    request = JobRequested(job=job, source=Source(url=url), options=Options(preset="veryfast"))
    began = time.perf_counter()
    await announcer.announce(request)
    await asyncio.wait_for(seen.wait(), 60)
    share = origin.sent / origin.size * 100
    await announcer.announce(JobCancelRequested(job=job, run=1))
    await asyncio.wait_for(watcher.ended(), 60)
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


Way = Callable[[Path, Path, RatedOrigin], Awaitable[float]]
"""Makes video of a film that the origin serves; returns the share that was in when something was playable."""


async def _pipelined(_: Path, folder: Path, origin: RatedOrigin) -> float:
    process = await asyncio.create_subprocess_exec(*ours(origin.url, folder)(), **QUIET)
    ended = asyncio.create_task(process.wait())
    share = 1.0
    while not ended.done():
        if share == 1.0 and _playable(folder / "out"):
            share = origin.sent / origin.size
        await asyncio.sleep(0.02)
    assert ended.result() == 0, origin.url
    return share


def _playable(out: Path) -> bool:
    """Whether the live playlist of the video names its first segment."""
    with contextlib.suppress(OSError):
        return any("#EXTINF" in one.read_text() for one in out.glob(".cinelog/objects/jobs/*/*/live/*p.m3u8"))
    return False


async def _ffmpeg_url(film: Path, folder: Path, origin: RatedOrigin) -> float:
    command = equal(film, folder, HEIGHT, url=origin.url)()
    process = await asyncio.create_subprocess_exec(*command, **QUIET)
    assert await process.wait() == 0
    return 1.0


async def _arrive(way: Way, film: Path, rate: float, folder: Path) -> Arrival:
    origin = RatedOrigin(film, rate)
    await origin.start()
    began = time.perf_counter()
    share = await way(film, folder, origin)
    ended = time.perf_counter()
    await origin.stop()
    assert origin.last_byte is not None
    return Arrival(ended - began, ended - origin.last_byte, share)


class Turn(NamedTuple):
    """The ways, one after the other."""

    mine: Arrival
    direct: Arrival
    stored_s: float
    """What ffmpeg took for the stored file."""


def links(folder: Path, count: int) -> list[Row]:
    """A link as fast as the film plays, and one twice as fast.

    Who downloads first is done as long after the last byte as ffmpeg takes for the stored file, whatever the
    link: so that alone is run, in each turn.
    """
    film = footage(folder, FILM_S)
    found: dict[int, list[Turn]] = {1: [], 2: []}
    for turn in range(count):
        stored = timed(equal(film, folder, HEIGHT)(), folder).wall_s
        for speed, turns in found.items():
            rate = film.stat().st_size / FILM_S * speed
            turns.append(Turn(*_both(film, rate, folder, turn), stored))
            print(f"  link {speed}×, turn {turn + 1}: {turns[-1]}", file=sys.stderr)
    return [
        *_rows(found[1], f"{FILM_S} s of 720p at the rate it plays at", ("≤ 1.10×", "≥ 2.3×", "< 25 %")),
        *_rows(found[2], f"{FILM_S} s of 720p at twice the rate it plays at", ("≤ 1.0×", "", "")),
    ]


def _both(film: Path, rate: float, folder: Path, turn: int) -> tuple[Arrival, Arrival]:
    shutil.rmtree(folder / "out", ignore_errors=True)
    found = {}
    for way in (_ffmpeg_url, _pipelined) if turn % 2 else (_pipelined, _ffmpeg_url):
        found[way] = asyncio.run(_arrive(way, film, rate, folder))
    return found[_pipelined], found[_ffmpeg_url]


def _rows(found: list[Turn], where: str, goals: tuple[str, str, str]) -> list[Row]:
    total = statistics.median(one.mine.total_s / one.direct.total_s for one in found)
    after = statistics.median(one.stored_s / one.mine.after_last_byte_s for one in found)
    share = statistics.median(one.mine.first_playable_share for one in found) * 100
    mine = statistics.median(one.mine.total_s for one in found)
    direct = statistics.median(one.direct.total_s for one in found)
    stored = statistics.median(one.stored_s for one in found)
    late = statistics.median(one.mine.after_last_byte_s for one in found)
    return [
        (
            f"{where}: total time against `ffmpeg URL`",
            f"{total:.2f}× ({mine:.1f} s : {direct:.1f} s)",
            goals[0],
        ),
        (
            f"{where}: playable after the last byte, shorter than download-then-ffmpeg",
            f"{after:.1f}× ({late:.1f} s : {stored:.1f} s)",
            goals[1],
        ),
        (f"{where}: bytes in when the first segment is playable", f"{share:.0f} %", goals[2]),
    ]
