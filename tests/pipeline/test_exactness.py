"""Every picture of the source once, in order, at its time, with the sound where it was."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from cinelog_testkit.commands import Finished, cinelog
from cinelog_testkit.films import Film, make_film
from cinelog_testkit.viewing import pieces, variants, view, view_hls

RESULT_FIELDS = {"job_id", "state", "error", "outputs", "warnings", "timings_s"}
LEAST_KINDS = {"mp4", "hls", "poster", "sprite", "manifest"}


@pytest.fixture(scope="module")
def footage(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The example clip, converted once for all tests that look at it."""
    out = tmp_path_factory.mktemp("footage") / "out"
    return cinelog(
        "run", example, "--out", out, "--json", "--preset", "ultrafast", "--crf", "12", "--segment", "2"
    )


def test_the_example_ends_with_one_object_on_standard_output(footage: Finished) -> None:
    result = footage.result

    assert footage.code == 0
    assert footage.out.count("\n") == 1
    assert result.keys() >= RESULT_FIELDS
    assert (result["state"], result["error"]) == ("completed", None)
    assert {output["kind"] for output in result["outputs"]} >= LEAST_KINDS
    assert "Traceback" not in footage.err


def test_every_output_lies_where_the_result_says_and_is_named_after_the_title(footage: Finished) -> None:
    named = {output["kind"]: Path(output["path"]) for output in footage.result["outputs"]}

    assert all(path.is_file() for path in named.values()), named
    assert named["mp4"].name == "Big Buck Bunny (excerpt).mp4"
    assert named["hls"].parts[-2:] == ("Big Buck Bunny (excerpt)", "master.m3u8")


def test_what_the_result_says_of_the_video_is_so(footage: Finished) -> None:
    for kind in ("mp4", "hls"):
        said = footage.output(kind)
        with av.open(said["path"] if kind == "mp4" else str(footage.path("mp4"))) as film:
            stream = film.streams.video[0]
            assert (said["width"], said["height"]) == (stream.width, stream.height)
            assert said["frames"] == stream.frames
            assert said["duration_s"] == pytest.approx(float(stream.duration * stream.time_base), abs=0.05)


def _small(path: Path) -> tuple[list[Fraction], Any]:
    """When each picture is shown, and its brightness in 64 × 36 blocks."""
    times, pictures = [], []
    with av.open(str(path)) as film:
        for frame in film.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            times.append(frame.pts * frame.time_base)
            pictures.append(frame.reformat(width=64, height=36, format="gray").to_ndarray().astype(np.int16))
    return [time - times[0] for time in times], np.stack(pictures)


def test_real_footage_comes_out_picture_by_picture(example: Path, footage: Finished) -> None:
    source_times, source = _small(example)

    times, pictures = _small(footage.path("mp4"))

    assert times == source_times
    assert np.abs(pictures - source).mean(axis=(1, 2)).max() < 3.0
    in_place = np.abs(pictures[1:-1] - source[1:-1]).mean()
    assert in_place < np.abs(pictures[1:-1] - source[2:]).mean()
    assert in_place < np.abs(pictures[1:-1] - source[:-2]).mean()


def test_the_playlists_segments_are_those_of_the_file(footage: Finished) -> None:
    (pictures,) = variants(footage.path("hls"))
    _, segments = pieces(pictures)

    assert len(segments) >= 3
    assert all(segment.is_file() for segment in segments)


def test_numbered_pictures_and_clicks_survive_in_file_and_playlist(
    film: Path, convert: Any, same_film: Any
) -> None:
    source = view(film)

    done = convert(film, "--segment", "1")

    same_film(view(done.path("mp4")), source)
    same_film(view_hls(done.path("hls")), source)
    assert len(pieces(variants(done.path("hls"))[0])[1]) >= 4


def test_pictures_shown_for_different_times_keep_their_times(
    tmp_path: Path, convert: Any, same_film: Any
) -> None:
    steps_ms = [20, 40, 500, 33, 20, 20, 120, 41, 77, 900, 20, 20, 35, 300, 20, 20, 41, 250, 20, 20] * 2
    pts = tuple(90 * sum(steps_ms[:n]) for n in range(len(steps_ms)))
    source = make_film(tmp_path / "varying.mp4", Film(pts=pts, keyframes=7))

    done = convert(source, "--segment", "1")

    same_film(view(done.path("mp4")), view(source))
    same_film(view_hls(done.path("hls")), view(source))


def test_a_recording_that_begins_late_begins_at_zero(tmp_path: Path, convert: Any, same_film: Any) -> None:
    source = make_film(tmp_path / "broadcast.ts", Film(frames=75))

    done = convert(source, "--segment", "1")

    viewing = view(done.path("mp4"))
    same_film(viewing, view(source))
    assert viewing.pictures[0].at == 0
