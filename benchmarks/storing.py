"""How much disk a job takes while it runs."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from films import footage
from measuring import Row
from rivals import ours


def disk(folder: Path, _: int) -> list[Row]:
    """Bytes that are allocated below the output folder, at their most; a file with two names counts once."""
    film, out = footage(folder, 64), folder / "out"
    process = subprocess.Popen(ours(film, folder)(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, _allocated(out))
        time.sleep(0.05)
    assert process.returncode == 0
    source, made = film.stat().st_size, _made(out)
    figure = f"{peak / 1e6:.1f} MB (source {source / 1e6:.1f} MB, MP4 and HLS {made / 1e6:.1f} MB)"
    goal = f"≤ 2× source + 1.2× output = {(2 * source + 1.2 * made) / 1e6:.1f} MB"
    return [("peak disk of `cinelog run`, 64 s of 720p, everything it makes", figure, goal)]


def _made(out: Path) -> int:
    """Bytes that the user is given: what is kept besides, in `.cinelog`, is not output."""
    paths = [path for path in out.rglob("*") if path.is_file() and ".cinelog" not in path.parts]
    return sum({path.stat().st_ino: path.stat().st_size for path in paths}.values())


def _allocated(out: Path) -> int:
    sizes: dict[int, int] = {}
    # Folders vanish while they are walked through: `os.walk` passes over those.
    for folder, folders, files in os.walk(out):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                told = (Path(folder) / name).lstat()
                sizes[told.st_ino] = told.st_blocks * 512
    return sum(sizes.values())
