"""Times that cannot be, put right."""

from cinelog_download.domain.stamps import Stamped, Stamps
from hypothesis import given
from hypothesis import strategies as st


def test_sound_times_stay_as_they_are() -> None:
    stamps = Stamps()
    times = [(0, -2), (3, -1), (1, 0), (2, 1), (4, 2)]

    mended = [stamps.mend(pts, dts, shown=True) for pts, dts in times]

    assert mended == [Stamped(pts=pts, dts=dts) for pts, dts in times]
    assert stamps.warnings() == []


def test_times_that_run_backwards_keep_the_order_of_the_packets() -> None:
    stamps = Stamps()

    mended = [stamps.mend(at, at, shown=True).pts for at in (0, 200, 100, 300)]

    assert mended == [0, 200, 201, 300]
    assert stamps.warnings() == ["The times of 1 picture(s) ran backwards and were put right."]


def test_of_two_pictures_with_one_time_the_later_one_is_hidden() -> None:
    stamps = Stamps()

    first, second, third = (stamps.mend(pts, dts, shown=True) for pts, dts in ((8, 0), (8, 1), (8, 2)))

    assert (first.hidden, second.hidden, third.hidden) == (False, True, True)
    assert first.pts == 8
    assert second.pts != third.pts
    assert stamps.warnings() == ["2 picture(s) with the time of another one were left out."]


def test_packets_that_show_nothing_may_share_a_time() -> None:
    stamps = Stamps()

    mended = [stamps.mend(8, dts, shown=dts == 1) for dts in (0, 1, 2)]

    assert [one.hidden for one in mended] == [False, False, False]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(-4, 50)), max_size=60))
def test_whatever_comes_shown_times_are_distinct_and_decode_times_never_fall(
    times: list[tuple[int, int]],
) -> None:
    stamps = Stamps()

    mended = [stamps.mend(pts, dts, shown=True) for pts, dts in times]

    shown = [one.pts for one in mended if not one.hidden]
    decoded = [one.dts for one in mended if one.dts is not None]
    assert len(set(shown)) == len(shown)
    assert decoded == sorted(decoded)
