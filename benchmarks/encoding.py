"""Local files: `cinelog run` beside one ffmpeg with the same encoder, preset and quality.

The rival is told to keep every frame (`-fps_mode passthrough`) and to put the index in front
(`+faststart`), as ours is; it may use all cores. Ours checks its seams, and takes poster and sprite sheet.
"""

import itertools
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from films import big_buck_bunny, ffmpeg, footage
from measuring import Row, pairs, watched

CINELOG = Path(sys.executable).with_name("cinelog")
PASS = ["-fps_mode", "passthrough"]
X264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "23"]
RUNGS = (1080, 720, 480)


def ours(film: Path, folder: Path, *options: str) -> Callable[[], list[str]]:
    """A run that starts from nothing."""

    def command() -> list[str]:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return [str(CINELOG), "run", str(film), "--out", str(folder / "out"), "--json", *options]

    return command


def theirs(film: Path, folder: Path, crf: str = "23") -> list[str]:
    """One MP4, ready to be played from its start."""
    made = ["-movflags", "+faststart", str(folder / "rival.mp4")]
    picture = [*X264[:-1], crf]
    return [ffmpeg(), "-v", "error", "-y", "-i", str(film), *PASS, *picture, "-c:a", "aac", *made]


def _against_ffmpeg(film: Path, folder: Path, count: int, *options: str) -> str:
    return str(pairs(ours(film, folder, *options), lambda: theirs(film, folder), folder, count))


def local_file(folder: Path, count: int) -> list[Row]:
    """The issue of every new user: a short clip, with all that is made of it."""
    figure = _against_ffmpeg(footage(folder, 24), folder, count)
    return [("`cinelog run`, 24 s of 720p, everything it makes, against ffmpeg's one MP4", figure, "≤ 1.2×")]


def regular(folder: Path, count: int) -> list[Row]:
    """A minute with regular GOPs."""
    film = footage(folder, 64)
    everything = _against_ffmpeg(film, folder, count)
    same = _against_ffmpeg(film, folder, count, "--container", "mp4")
    return [
        ("64 s of 720p, one MP4 each (ours with its poster and sprite sheet)", same, "≤ 0.92×"),
        ("64 s of 720p, everything it makes, against ffmpeg's one MP4", everything, "≤ 0.92×"),
    ]


def irregular(folder: Path, count: int) -> list[Row]:
    """Half a minute of 1080p with five keyframes, up to ten seconds apart."""
    film = big_buck_bunny()
    figure = _against_ffmpeg(film, folder, count, "--container", "mp4")
    return [("30 s of 1080p with irregular keyframes, one MP4 each", figure, "≤ 1.0×")]


def ladder(folder: Path, count: int) -> list[Row]:
    """Three rungs from one decode; the rival too."""
    film = big_buck_bunny()
    sizes = ";".join(f"[v{n}]scale=-2:{height}[o{n}]" for n, height in enumerate(RUNGS))
    rival = [ffmpeg(), "-v", "error", "-y", "-i", str(film), "-filter_complex"]
    rival += [f"[0:v]split={len(RUNGS)}" + "".join(f"[v{n}]" for n in range(len(RUNGS))) + f";{sizes}"]
    for n, height in enumerate(RUNGS):
        made = ["-movflags", "+faststart", str(folder / f"rival-{height}.mp4")]
        rival += ["-map", f"[o{n}]", "-map", "0:a", *PASS, *X264, "-c:a", "aac", *made]
    mine = ours(film, folder, "--profile", "ladder", "--container", "mp4")
    figure = str(pairs(mine, lambda: rival, folder, max(1, count)))
    return [("ladder of 1080, 720 and 480, an MP4 each, against one ffmpeg with `split`", figure, "≤ 0.95×")]


def size(folder: Path, _: int) -> list[Row]:
    """Bytes of video at the same similarity, from the rival's own curve around ours."""
    rows: list[Row] = []
    for name, film in (("720p", footage(folder, 24)), ("1080p, irregular", big_buck_bunny())):
        subprocess.run(ours(film, folder, "--container", "mp4")(), check=True, capture_output=True)
        mine = _quality(next((folder / "out").glob("*.mp4")), film)
        curve = []
        for crf in ("22", "23", "24"):
            subprocess.run(theirs(film, folder, crf), check=True)
            curve.append(_quality(folder / "rival.mp4", film))
        wanted = math.exp(_interpolated([(ssim, math.log(size)) for ssim, size in curve], mine[0]))
        figure = f"{(mine[1] / wanted - 1) * 100:+.1f} % (SSIM {mine[0]:.4f})"
        rows.append((f"size of the video at the same SSIM as ffmpeg's, {name}", figure, "≤ +1 %"))
    return rows


def _quality(made: Path, film: Path) -> tuple[float, int]:
    """Mean SSIM of the luma, and the bytes of the video stream."""
    graph = "[0:v]settb=AVTB,setpts=N[a];[1:v]settb=AVTB,setpts=N[b];[a][b]ssim"
    command = [ffmpeg(), "-i", str(made), "-i", str(film), "-lavfi", graph, "-f", "null", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.search(r"SSIM Y:([0-9.]+)", told)
    assert found, told
    sizes = subprocess.run(
        [ffmpeg(), "-v", "error", "-i", str(made), "-map", "0:v", "-c", "copy", "-f", "data", "-"],
        check=True,
        capture_output=True,
    )
    return float(found[1]), len(sizes.stdout)


def _interpolated(curve: list[tuple[float, float]], at: float) -> float:
    points = sorted(curve)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if at <= x1 or (x1, y1) == points[-1]:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    raise AssertionError(curve)


def overhead(folder: Path, _: int) -> list[Row]:
    """CPU beside the encoders, on a film long enough that starting up matters little, and memory."""
    long, short = footage(folder, 192), footage(folder, 64)
    costs = [watched(ours(film, folder)(), folder) for film in (short, long)]
    encoding = [cost.cpu_s.get("cinelog_transcode.children.encoder", 0.0) for cost in costs]
    others = [sum(cost.cpu_s.values()) - used for cost, used in zip(costs, encoding, strict=True)]
    share = (others[1] - others[0]) / (encoding[1] - encoding[0]) * 100
    rival = watched(theirs(long, folder), folder)
    segment = folder / "segment.mp4"
    cut = [ffmpeg(), "-v", "error", "-y", "-i", str(long), "-t", "4", "-c", "copy", str(segment)]
    subprocess.run(cut, check=True)
    one = [part if part != str(long) else str(segment) for part in theirs(long, folder)]
    alone = watched([*one[:1], "-threads", "1", *one[1:]], folder)
    encoder = costs[1].peaks_mib["cinelog_transcode.children.encoder"]
    told = json.dumps({name: round(used, 1) for name, used in costs[1].cpu_s.items()})
    print(f"  CPU by process, 192 s: {told}", file=sys.stderr)
    return [
        ("CPU of all but encoding, of that of encoding, 64 s to 192 s of 720p", f"{share:.1f} %", "≤ 3 %"),
        (
            "memory of an encoder process, against ffmpeg with one thread on such a segment",
            f"{encoder / alone.peak_mib:.2f}× ({encoder:.0f} MiB : {alone.peak_mib:.0f} MiB)",
            "≤ 1.1×",
        ),
        (
            "memory of all processes together, against ffmpeg's",
            f"{costs[1].peak_mib:.0f} MiB : {rival.peak_mib:.0f} MiB",
            "",
        ),
    ]
