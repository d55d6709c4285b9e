"""Local files: `cinelog run` beside ffmpeg with the same encoder, preset and quality (see `rivals`).

Ours checks its seams, too, which its rival has none of; quality is not measured (it is off by default).
"""

import itertools
import json
import math
import re
import subprocess
import sys
from pathlib import Path

from films import big_buck_bunny, ffmpeg, footage, silent
from measuring import Row, pairs, watched
from rivals import KEYED, PASS, RUNGS, SEGMENT_S, X264, capped, equal, ours, theirs

ENCODER = "cinelog_transcode.children.encoder"
MORE = "one MP4 each, and ours a poster, a sprite sheet and the loudness besides (one pair)"


def local_file(folder: Path, count: int) -> list[Row]:
    """The issue of every new user: a short clip, with all that is made of it."""
    film = footage(folder, 24)
    figure = str(pairs(ours(film, folder), lambda: theirs(film, folder), folder, count))
    return [("`cinelog run`, 24 s of 720p, everything it makes, against ffmpeg's one MP4", figure, "≤ 1.2×")]


def _both(film: Path, folder: Path, count: int, height: int) -> tuple[str, str]:
    """Everything against the same, and one MP4 each."""
    everything = pairs(ours(film, folder), equal(film, folder, height), folder, count)
    single = pairs(ours(film, folder, "--container", "mp4"), lambda: theirs(film, folder), folder, 1)
    return str(everything), str(single)


def regular(folder: Path, count: int) -> list[Row]:
    """A minute with regular GOPs."""
    everything, single = _both(footage(folder, 64), folder, count, 720)
    return [
        ("64 s of 720p, everything it makes, against ffmpeg making the same", everything, "≤ 0.92×"),
        (f"64 s of 720p, {MORE}", single, ""),
    ]


def irregular(folder: Path, count: int) -> list[Row]:
    """Half a minute of 1080p with five keyframes, up to ten seconds apart."""
    everything, single = _both(big_buck_bunny(), folder, count, 1080)
    what = "30 s of 1080p with irregular keyframes"
    return [
        (f"{what}, everything it makes, against ffmpeg making the same", everything, "≤ 1.0×"),
        (f"{what}, {MORE}", single, ""),
    ]


def ladder(folder: Path, count: int) -> list[Row]:
    """Three rungs from one decode; the rival too."""
    film = big_buck_bunny()
    figure = str(pairs(ours(film, folder, "--profile", "ladder"), equal(film, folder, *RUNGS), folder, count))
    what = "ladder of 1080, 720 and 480 in HLS, the tallest as MP4 too, poster, sprite sheet, loudness"
    return [(f"{what}: against one ffmpeg that makes the same with `split`", figure, "≤ 0.95×")]


def size(folder: Path, _: int) -> list[Row]:
    """Bytes of video at the same similarity, from the rival's own curve around ours.

    Where ours makes HLS, the rival has keyframes for it too; how much smaller it can do without is told.
    """
    small, large = footage(folder, 64), big_buck_bunny()
    first, second = _made(small, folder), _made(large, folder)
    keyed = f"ffmpeg's with keyframes for fragments of {SEGMENT_S} s"
    what = "size of the video at the same SSIM as"
    return [
        (f"{what} {keyed}, 64 s of 720p", _against(first, small, folder, *KEYED), "≤ +1 %"),
        (f"{what} {keyed}, 1080p, irregular", _against(second, large, folder, *KEYED), "≤ +1 %"),
        (f"{what} ffmpeg's that cannot be cut, 64 s of 720p", _against(first, small, folder), ""),
    ]


def _made(film: Path, folder: Path) -> tuple[float, int]:
    subprocess.run(ours(film, folder, "--container", "mp4")(), check=True, capture_output=True)
    return _quality(next((folder / "out").glob("*.mp4")), film)


def _against(mine: tuple[float, int], film: Path, folder: Path, *options: str) -> str:
    curve = []
    for crf in ("22.5", "23.5"):
        *command, made = theirs(film, folder, crf)
        subprocess.run([*command, *options, made], check=True)
        curve.append(_quality(folder / "rival.mp4", film))
    wanted = math.exp(_interpolated([(ssim, math.log(size)) for ssim, size in curve], mine[0]))
    return f"{(mine[1] / wanted - 1) * 100:+.1f} % (SSIM {mine[0]:.4f})"


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
    """CPU beside the encoders for each further minute.

    The film is silent: measuring and encoding sound is work that ffmpeg has too.
    """
    short, long = silent(folder, 32), silent(folder, 128)
    costs = [watched(ours(film, folder)(), folder) for film in (short, long)]
    encoding = [cost.cpu_s.get(ENCODER, 0.0) for cost in costs]
    others = [sum(cost.cpu_s.values()) - used for cost, used in zip(costs, encoding, strict=True)]
    share = (others[1] - others[0]) / (encoding[1] - encoding[0]) * 100
    for cost, seconds in zip(costs, (32, 128), strict=True):
        told = json.dumps({name: round(used, 2) for name, used in cost.cpu_s.items()})
        print(f"  CPU by process, {seconds} s: {told}", file=sys.stderr)
    whole = others[1] / encoding[1] * 100
    what = "CPU of all but encoding, of that of encoding"
    return [
        (f"{what}, 32 s to 128 s of 720p", f"{share:.1f} %", "≤ 3 %"),
        (f"{what}, 128 s of 720p, start, proofs and first seams included", f"{whole:.1f} %", ""),
    ]


def encoder_memory(folder: Path, _: int) -> list[Row]:
    """The largest encoder process of a film, and ffmpeg on a segment of it."""
    films = {720: footage(folder, 64), 1080: big_buck_bunny()}
    return [_largest(film, folder, height) for height, film in films.items()]


def _largest(film: Path, folder: Path, height: int) -> Row:
    encoder = watched(ours(film, folder)(), folder).peaks_mib[ENCODER]
    usual, bare = (
        watched(_alone(film, folder, height, *threads), folder).peak_mib
        for threads in ((), ("-threads", "1"))
    )
    what = f"memory of the largest encoder process of {height}p, against ffmpeg on such a segment"
    told = f"{encoder:.0f} MiB : {usual:.0f} MiB; with one thread {bare:.0f} MiB"
    return what, f"{encoder / usual:.2f}× ({told})", "≤ 1.1×"


def _alone(film: Path, folder: Path, height: int, *threads: str) -> list[str]:
    """A segment's picture as one of our processes encodes it, with the same options."""
    segment = folder / "segment.mp4"
    cut = [ffmpeg(), "-v", "error", "-y", "-i", str(film), "-t", str(SEGMENT_S), "-an", "-c", "copy"]
    subprocess.run([*cut, str(segment)], check=True)
    command = [ffmpeg(), "-v", "error", "-y", *threads, "-i", str(segment)]
    return [*command, *PASS, *X264, *capped(height), *threads, str(folder / "alone.mp4")]
