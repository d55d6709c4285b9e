from pathlib import Path

import pytest
from cinelog_common.cmaf.checking import Seam, seams_of
from cinelog_common.cmaf.decoding import decode_all, decode_seams
from cinelog_common.cmaf.joining import JoinTrack, join_mp4, plan_join
from cinelog_common.cmaf.movietables import read_movie
from cinelog_common.errors import PermanentError
from msgspec.structs import replace


@pytest.mark.parametrize("footage", ["pictures", "uneven_pictures"])
@pytest.mark.parametrize("start_offset", [0, 12345])
def test_every_seam_of_a_sound_film_decodes_on_time(
    footage: str, start_offset: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    track: JoinTrack = replace(request.getfixturevalue(footage), start_offset=start_offset)
    join_mp4([track], tmp_path / "film.mp4")

    problems = decode_seams(tmp_path / "film.mp4", seams_of(plan_join([track])))

    assert problems == []


def test_a_seam_whose_bytes_are_broken_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([pictures], tmp_path / "film.mp4")
    track = read_movie(tmp_path / "film.mp4").tracks[0]
    data = bytearray((tmp_path / "film.mp4").read_bytes())
    begin = track.chunks[1][0]
    data[begin + 4 : begin + track.sizes[24]] = b"\xff" * (track.sizes[24] - 4)
    (tmp_path / "film.mp4").write_bytes(data)

    problems = decode_seams(tmp_path / "film.mp4", seams_of(plan_join([pictures])))

    assert [problem.segment for problem in problems] == ["video-000001.m4s"]


def test_a_frame_at_another_time_than_planned_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([pictures], tmp_path / "film.mp4")
    first, second, third = seams_of(plan_join([pictures]))
    moved = Seam(segment=second.segment, times=(second.times[0], second.times[1] + 1))

    problems = decode_seams(tmp_path / "film.mp4", [first, moved, third])

    assert [problem.segment for problem in problems] == ["video-000001.m4s"]
    assert "planned are" in problems[0].message


def test_a_full_decode_tells_every_frame(uneven_pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([uneven_pictures], tmp_path / "film.mp4")

    film = decode_all(tmp_path / "film.mp4")

    plan = plan_join([uneven_pictures])
    assert len(film.pts) == len(plan.tracks[0].sizes)
    assert film.pts[0] == 0
    assert sorted(set(film.pts)) == list(film.pts)
    assert (film.damaged, film.timescale) == (0, 90000)
    assert len(set(film.checksums)) == len(film.checksums)


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"<html>")

    with pytest.raises(PermanentError, match="cannot be decoded"):
        decode_all(tmp_path / "film.mp4")
