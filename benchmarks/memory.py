"""What the download side holds of a source, however large that is."""

import asyncio
import shutil
from pathlib import Path

from films import footage
from measuring import Row, watched
from origin import RatedOrigin
from rivals import ours

SIZES = ((60, 320), (1000, 5344))
"""Megabytes, and the seconds of footage that they are."""
LINK = 200e6


def download(folder: Path, _: int) -> list[Row]:
    """Fetched over HTTP, taken apart, stored as bundles and joined again; nothing is encoded."""
    rows = []
    for megabytes, seconds in SIZES:
        film = footage(folder, seconds)
        size = film.stat().st_size
        assert 0.9 < size / 1e6 / megabytes < 1.1, size
        peak = asyncio.run(_peak(film, folder))
        what = f"memory of a job's download side, the standalone node included, source of {size / 1e6:.0f} MB"
        rows.append((what, f"{peak:.0f} MiB", "< 250 MB"))
        shutil.rmtree(folder / "out")
        film.unlink()
    return rows


async def _peak(film: Path, folder: Path) -> float:
    origin = RatedOrigin(film, LINK)
    url = await origin.start()
    command = ours(url, folder, "--profile", "original")()
    family = await asyncio.to_thread(watched, command, folder, part=_is_download_side)
    await origin.stop()
    return family.peak_mib


def _is_download_side(name: str) -> bool:
    return name == "main" or name.startswith("cinelog_download.")
