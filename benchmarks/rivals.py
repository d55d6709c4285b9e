"""The commands that are compared: `cinelog run`, ffmpeg's one MP4, and ffmpeg making all that ours makes.

All rivals keep every frame (`-fps_mode passthrough`), put the index in front (`+faststart`), as ours does,
and may use all cores. Encoder, preset and quality are the same: libx264, medium, CRF 23.
"""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from films import ffmpeg

CINELOG = Path(sys.executable).with_name("cinelog")
PASS = ["-fps_mode", "passthrough"]
X264 = ["-c:v", "libx264", "-preset", "medium", "-crf", "23"]
RUNGS = (1080, 720, 480)
SEGMENT_S, PICTURE_S, COLUMNS = 4, 2, 10
KEYED = ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_S})"]
CAPS_K = {1080: 9953, 720: 4412, 480: 1966}
"""By height: kbit/s that ours stays below, with half a second's buffer; so does its equal."""


def ours(film: Path | str, folder: Path, *options: str) -> Callable[[], list[str]]:
    """A run that starts from nothing."""

    def command() -> list[str]:
        shutil.rmtree(folder / "out", ignore_errors=True)
        return [str(CINELOG), "run", str(film), "--out", str(folder / "out"), "--json", *options]

    return command


def theirs(film: Path | str, folder: Path, crf: str = "23") -> list[str]:
    """One MP4, ready to be played from its start."""
    made = ["-movflags", "+faststart", str(folder / "rival.mp4")]
    picture = [*X264[:-1], crf]
    return [ffmpeg(), "-v", "error", "-y", "-i", str(film), *PASS, *picture, "-c:a", "aac", *made]


def capped(height: int) -> list[str]:
    """What keeps x264 below ours' cap."""
    return ["-maxrate", f"{CAPS_K[height]}k", "-bufsize", f"{CAPS_K[height] // 2}k"]


def equal(film: Path, folder: Path, *heights: int, url: str = "") -> Callable[[], list[str]]:
    """One ffmpeg that makes what ours makes by default, from one decode and one encode of each rung.

    `heights` are the rungs', the tallest, which is the film's own, first. With `url` the film is read there.

    An MP4 of the tallest rung; HLS with fragments of four seconds that begin at keyframes, the sound apart;
    a poster (the liveliest of the first third of pictures taken every two seconds); a sheet of all of them;
    the sound's loudness by EBU R128 with its true peak.
    """
    pictures = math.ceil(_seconds(film) / PICTURE_S)
    rungs = len(heights)
    graph = [f"[0:v]split={rungs + 1}" + "".join(f"[s{n}]" for n in range(rungs)) + "[t]"]
    graph += [f"[s{n}]" + (f"scale=-2:{heights[n]}" if n else "null") + f"[v{n}]" for n in range(rungs)]
    every = rf"select=isnan(prev_selected_t)+gte(t-prev_selected_t\,{PICTURE_S})"
    graph += [
        f"[t]{every},scale=640:-2,split[p][q]",
        f"[p]thumbnail=n={math.ceil(pictures / 3)}[poster]",
        f"[q]scale=160:-2,tile={COLUMNS}x{math.ceil(pictures / COLUMNS)}[sheet]",
        "[0:a]ebur128=peak=true:framelog=quiet[a]",
    ]

    def command() -> list[str]:
        place = folder / "equal"
        shutil.rmtree(place, ignore_errors=True)
        made = [ffmpeg(), "-nostats", "-y", "-i", url or str(film), "-filter_complex", ";".join(graph)]
        for n in range(rungs):
            (place / f"v{n}").mkdir(parents=True)
            sound = [] if n else ["-map", "[a]", "-c:a", "aac"]
            made += ["-map", f"[v{n}]", *sound, *PASS, *X264, *capped(heights[n])]
            made += [*KEYED, "-flags", "+global_header"]
            made += ["-f", "tee", "|".join([*_whole(place, n), _streamed(place / f"v{n}", "v")])]
        (place / "a0").mkdir()
        for name in ("poster", "sheet"):
            made += ["-map", f"[{name}]", "-frames:v", "1", "-update", "1", str(place / f"{name}.jpg")]
        return made

    return command


def _whole(place: Path, rung: int) -> list[str]:
    if rung:
        return []
    return [f"[f=mp4:movflags=+faststart]{place / 'video.mp4'}", _streamed(place / "a0", "a")]


def _streamed(place: Path, streams: str) -> str:
    hls = f"f=hls:hls_segment_type=fmp4:hls_time={SEGMENT_S}:hls_playlist_type=vod"
    return rf"[select={streams}:{hls}:hls_segment_filename={place}/%d.m4s]{place}/index.m3u8"


def _seconds(film: Path) -> float:
    told = subprocess.run([ffmpeg(), "-i", str(film)], check=False, capture_output=True, text=True).stderr
    found = re.search(r"Duration: (\d+):(\d+):([0-9.]+)", told)
    assert found, told
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
