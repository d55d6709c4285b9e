import itertools

import pytest
from cinelog_common.cmaf.timing import SampleTime, SeamError, time_samples
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def closed_segments(draw: st.DrawFn) -> tuple[list[int], int, int]:
    start = draw(st.integers(0, 1 << 40))
    steps = draw(st.lists(st.integers(1, 200_000), min_size=1, max_size=60))
    gap = draw(st.sampled_from([0, 0, 0, 1, 4_000]))
    pts = [start + gap]
    for step in steps[:-1]:
        pts.append(pts[-1] + step)
    rest = draw(st.permutations(pts[1:]))
    return [pts[0], *rest], start, pts[-1] + steps[-1]


@given(closed_segments())
def test_durations_cover_the_interval_and_every_pts_comes_back(segment: tuple[list[int], int, int]) -> None:
    pts, start, end = segment

    times = time_samples(pts, start, end)

    decode_times = [start]
    for time in times:
        decode_times.append(decode_times[-1] + time.duration)
    assert decode_times[-1] == end
    assert all(before < after for before, after in itertools.pairwise(decode_times))
    shown = [dts + time.composition_offset for dts, time in zip(decode_times, times, strict=False)]
    assert shown == [start, *pts[1:]]


@given(closed_segments())
def test_each_duration_is_the_frames_own_time_on_screen(segment: tuple[list[int], int, int]) -> None:
    pts, start, end = segment

    times = time_samples(pts, start, end)

    shown = sorted(pts)
    until = dict(zip(shown, [*shown[1:], end], strict=True))
    assert times[0].duration == until[pts[0]] - start
    assert [time.duration for time in times[1:]] == [until[own] - own for own in pts[1:]]


def test_b_frames_get_signed_offsets_without_a_reorder_delay() -> None:
    times = time_samples([0, 3, 1, 2], 0, 4)

    assert [(time.duration, time.composition_offset) for time in times] == [(1, 0), (1, 2), (1, -1), (1, -1)]


def test_a_long_hold_is_the_duration_of_its_own_frame() -> None:
    times = time_samples([100, 2200, 120], 100, 2240)

    assert [time.duration for time in times] == [20, 40, 2080]
    assert [time.composition_offset for time in times] == [0, 2080, -40]


def test_one_frame_covers_its_whole_segment() -> None:
    assert time_samples([7], 7, 5007) == [SampleTime(duration=5000, composition_offset=0)]


def test_a_first_frame_that_comes_late_is_shown_from_the_start_on() -> None:
    times = time_samples([500, 580, 540], 0, 620)

    assert [(time.duration, time.composition_offset) for time in times] == [(540, 0), (40, 40), (40, -40)]
    assert sum(time.duration for time in times) == 620


@pytest.mark.parametrize(
    ("pts", "start", "end", "says"),
    [
        ([], 0, 10, "no frames"),
        ([0, 5, 5], 0, 10, "two frames are shown at 5"),
        ([0, 10], 0, 10, "outside"),
        ([3, 4], 4, 10, "outside"),
        ([4, 3], 3, 10, "after the one at 3"),
    ],
)
def test_frames_that_cannot_cover_their_interval_are_refused(
    pts: list[int], start: int, end: int, says: str
) -> None:
    with pytest.raises(SeamError, match=says):
        time_samples(pts, start, end)
