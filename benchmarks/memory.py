"""What the download side holds of a source, however large that is."""

import asyncio
import shutil
from pathlib import Path

from films import footage, heavy
from measuring import Row, watched
from origin import RatedOrigin
from rivals import ours

SIZES = ((60, 320), (1000, 5344))
"""Megabytes, and the seconds of footage that they are."""
ENCODED_S = 64
LINK = 200e6


def download(folder: Path, _: int) -> list[Row]:
    """Fetched over HTTP: cut, bundled and encoded; and longer ones, which are only joined again."""
    rows = [_row(heavy(folder, ENCODED_S), folder, "--preset", "ultrafast")]
    for megabytes, seconds in SIZES:
        film = footage(folder, seconds)
        size = film.stat().st_size
        assert 0.9 < size / 1e6 / megabytes < 1.1, size
        rows.append(_row(film, folder, "--profile", "original"))
    return rows


def _row(film: Path, folder: Path, *options: str) -> Row:
    peak, megabytes = asyncio.run(_peak(film, folder, *options)), film.stat().st_size / 1e6
    shutil.rmtree(folder / "out")
    film.unlink()
    how = "passed through" if "original" in options else "encoded"
    what = "memory of a job's download side, the standalone node included"
    return f"{what}, source of {megabytes:.0f} MB, {how}", f"{peak:.0f} MiB", "< 250 MB"


async def _peak(film: Path, folder: Path, *options: str) -> float:
    origin = RatedOrigin(film, LINK)
    url = await origin.start()
    command = ours(url, folder, *options)()
    family = await asyncio.to_thread(watched, command, folder, part=_is_download_side)
    await origin.stop()
    return family.peak_mib


def _is_download_side(name: str) -> bool:
    return name == "main" or name.startswith("cinelog_download.")
