"""Sound that goes on long behind the picture: segments show the last picture on, files stay exact."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import variants, view, view_hls
from imageio_ffmpeg import get_ffmpeg_exe

SOUND_S = 15.0


@pytest.mark.parametrize("frames", [1, 50])
def test_segments_show_the_last_picture_as_long_as_the_sound_lasts(
    tmp_path: Path, convert: Any, same_film: Any, frames: int
) -> None:
    source = make_film(tmp_path / "film.mp4", Film(frames=frames, sound_s=SOUND_S))

    done = convert(source, "--profile", "ladder", "--segment", "2")

    same_film(view(done.path("mp4")), view(source))
    # That breaks no clause of RFC 8216 is looked at on the way.
    assert variants(done.path("hls"))
    shown = view_hls(done.path("hls"))
    assert shown.numbers[:frames] == view(source).numbers
    assert set(shown.numbers[frames:]) == {frames - 1}
    assert len(shown.numbers) - frames == pytest.approx((SOUND_S - frames / 25) / 2, abs=1)
    assert float(shown.times[-1]) > SOUND_S - 2.5
    outputs = json.loads(done.path("mp4").with_suffix(".json").read_text())["outputs"]
    assert {output["frames"] for output in outputs if "frames" in output} == {frames}
    assert done.result["warnings"] == []


def test_subtitles_behind_the_last_picture_are_kept(tmp_path: Path, convert: Any) -> None:
    source = make_film(tmp_path / "film.mp4", Film(frames=25, sound_s=SOUND_S))
    (tmp_path / "said.srt").write_text("1\n00:00:10,000 --> 00:00:12,000\nStill here.\n")
    both = tmp_path / "both.mkv"
    inputs = ("-i", source, "-i", tmp_path / "said.srt")
    argv = [get_ffmpeg_exe(), "-v", "error", *inputs, "-map", "0", "-map", "1", "-c", "copy", both]
    subprocess.run(argv, check=True, timeout=60)

    done = convert(both, "--subs", "all", "--segment", "2")

    assert "Still here." in "".join(path.read_text() for path in done.path("hls").parent.rglob("*.vtt"))
