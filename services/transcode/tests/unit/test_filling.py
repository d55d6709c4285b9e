"""Stand-ins for pictures that cannot be decoded."""

from av.video.frame import VideoFrame
from cinelog_transcode.children.filling import filled
from hypothesis import given
from hypothesis import strategies as st

SIZE = (32, 16)


def shown(pts: list[int], starts: list[int], end: int) -> list[tuple[int | None, bool]]:
    frames = []
    for at in pts:
        frame = VideoFrame(*SIZE, "yuv420p")
        frame.pts = at
        frames.append(frame)
    return [(frame.pts, stands_in) for frame, stands_in in filled(iter(frames), starts, end, size=SIZE)]


def test_what_is_whole_stays_as_it_is() -> None:
    assert shown([-2, 0, 4, 8, 12], [0, 8], 10) == [(at, False) for at in (-2, 0, 4, 8, 12)]


def test_each_beginning_gets_the_picture_before_it_or_the_next_one_early() -> None:
    assert shown([3, 5, 21], [0, 8, 16], 24) == [
        (0, True),
        (3, False),
        (5, False),
        (8, True),
        (16, True),
        (21, False),
    ]


def test_where_there_is_none_at_all_it_is_black() -> None:
    found = [
        (frame.pts, stands_in, bytes(frame.planes[0])[0])
        for frame, stands_in in filled(iter([]), [0, 8], 16, size=SIZE)
    ]

    assert found == [(0, True, 16), (8, True, 16)]


def test_a_neighbours_picture_does_not_stand_in() -> None:
    assert shown([30], [0], 24) == [(0, True), (30, False)]


@given(st.sets(st.integers(-10, 60)), st.sets(st.integers(0, 39)))
def test_every_part_begins_with_a_picture_and_none_is_lost(pts: set[int], inner: set[int]) -> None:
    starts = sorted({0, *inner})

    found = shown(sorted(pts), starts, 40)

    times = [at for at, _ in found]
    assert times == sorted(set(times))
    assert set(starts) | pts == set(times)
    assert {at for at, stands_in in found if stands_in} == set(starts) - pts
