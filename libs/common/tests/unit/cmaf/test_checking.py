from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from cinelog_common.cmaf.boxes import BoxError
from cinelog_common.cmaf.checking import CheckError, check_join, seams_of
from cinelog_common.cmaf.joining import JoinPlan, JoinTrack, TrackPlan, join_mp4, plan_join, write_join
from cinelog_common.cmaf.movietables import read_movie
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace


@pytest.fixture
def film(pictures: JoinTrack, sound: JoinTrack, tmp_path: Path) -> tuple[Path, JoinPlan]:
    plan = plan_join([replace(pictures, start_offset=900), sound])
    write_join(plan, tmp_path / "film.mp4")
    return tmp_path / "film.mp4", plan


def test_a_sound_join_passes(film: tuple[Path, JoinPlan]) -> None:
    check_join(*film)
    check_join(*film, every_byte=True)


def altered(values: array, at: int, by: int) -> array:
    other = values[:]
    other[at] += by
    return other


CHANGES: dict[str, Callable[[TrackPlan], TrackPlan]] = {
    "duration at 3": lambda track: replace(track, durations=altered(altered(track.durations, 3, 1), 4, -1)),
    "composition offset at 5": lambda track: replace(track, offsets=altered(track.offsets, 5, 1)),
    "sync position at 1": lambda track: replace(track, syncs=altered(track.syncs, 1, 1)),
    "sync position at 2": lambda track: replace(track, syncs=track.syncs[:2]),
    "size at 7": lambda track: replace(track, sizes=altered(track.sizes, 7, 1)),
    "a sample count of 60": lambda track: replace(track, sizes=track.sizes[:-1]),
    "a duration of": lambda track: replace(track, duration=track.duration - 1),
    "a timescale of": lambda track: replace(track, header=replace(track.header, timescale=1000)),
    "begins after": lambda track: replace(track, start=0),
    "lasts": lambda track: replace(track, presented=track.presented - 90),
    "plays from 0 on": lambda track: replace(track, header=replace(track.header, media_time=5)),
}


@pytest.mark.parametrize("says", CHANGES)
def test_an_index_that_differs_from_the_plan_is_refused(film: tuple[Path, JoinPlan], says: str) -> None:
    path, plan = film
    other = replace(plan, tracks=[CHANGES[says](plan.tracks[0]), plan.tracks[1]])

    with pytest.raises(CheckError, match=says):
        check_join(path, other)


def test_samples_that_lie_elsewhere_are_refused(film: tuple[Path, JoinPlan]) -> None:
    path, plan = film

    with pytest.raises(CheckError, match=r"looks for video-000001\.m4s at byte"):
        check_join(path, replace(plan, order=[(0, 1), *(place for place in plan.order if place != (0, 1))]))


def test_bytes_that_changed_at_a_seam_are_seen(film: tuple[Path, JoinPlan]) -> None:
    path, plan = film
    offset = read_movie(path).tracks[0].chunks[1][0]
    data = bytearray(path.read_bytes())
    data[offset + 10] ^= 1
    path.write_bytes(data)

    with pytest.raises(CheckError, match=r"video-000001\.m4s did not arrive"):
        check_join(path, plan)


def test_a_truncated_file_is_refused(film: tuple[Path, JoinPlan]) -> None:
    path, plan = film
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(CheckError, match="no sound MP4"):
        check_join(path, plan)


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_index_raises_a_box_error_only(film: tuple[Path, JoinPlan], data: st.DataObject) -> None:
    whole = bytearray(film[0].read_bytes())
    moov = whole.index(b"mdat")
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, moov))] = data.draw(st.integers(0, 255))
    hostile = film[0].with_name("hostile.mp4")
    hostile.write_bytes(whole)

    try:
        movie = read_movie(hostile)
    except BoxError:
        return

    assert all(len(track.sizes) == len(track.durations) for track in movie.tracks)


def test_seams_tell_when_their_first_frames_are_shown(uneven_pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([uneven_pictures], tmp_path / "film.mp4")

    seams = seams_of(plan_join([uneven_pictures]), frames_each=3)

    assert [seam.segment for seam in seams] == [path.name for path in uneven_pictures.fragments]
    assert seams[0].times == (0, Fraction(20, 1000), Fraction(60, 1000))
    assert len(seams[2].times) == 1
