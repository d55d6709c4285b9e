"""Times that cannot be, put right."""

from collections.abc import Iterable

import pytest
from cinelog_download.domain.stamps import Stamped, Stamps
from hypothesis import given
from hypothesis import strategies as st

FRAME = 100
Times = tuple[int | None, int | None]


def in_order(*, frame_ticks: int = FRAME) -> Stamps:
    """Pictures that are shown in the order in which they come."""
    return Stamps(frame_ticks, reordered=False, decode_times=True)


def reordered(*, decode_times: bool) -> Stamps:
    return Stamps(FRAME, reordered=True, decode_times=decode_times)


def through(stamps: Stamps, times: Iterable[Times]) -> list[Stamped]:
    settled = [one for pts, dts in times for one in stamps.add(pts, dts, shown=True)]
    return [*settled, *stamps.finish()]


def alike(times: Iterable[int]) -> list[Times]:
    return [(time, time) for time in times]


def hierarchy(groups: int) -> list[int]:
    """Times of groups of a P picture and three B pictures that are shown before it."""
    return [0, *(FRAME * (4 * n + at) for n in range(groups) for at in (4, 2, 1, 3))]


def test_sound_times_stay_as_they_are() -> None:
    stamps = reordered(decode_times=True)
    times = [(0, -2), (3, -1), (1, 0), (2, 1), (4, 2)]

    mended = through(stamps, times)

    assert mended == [Stamped(pts=pts, dts=dts) for pts, dts in times]
    assert stamps.warnings() == []


def test_a_container_without_times_of_decoding_changes_no_time_of_showing() -> None:
    # What libavformat makes of a Matroska whose picture begins 20 s after its sound.
    stamps = reordered(decode_times=False)
    times = [(20_000, 20_000), (20_120, 20_120), (20_040, None), (20_080, 20_040), (20_240, 20_080)]

    mended = through(stamps, times)

    assert [one.pts for one in mended] == [pts for pts, _ in times]
    assert [one.dts for one in mended] == [20_000, 20_120, None, 20_120, 20_120]
    assert stamps.warnings() == []


def test_neighbours_that_have_each_others_times_get_their_own_back() -> None:
    stamps = in_order()

    mended = through(stamps, alike((0, 200, 100, 300)))

    assert [one.pts for one in mended] == [0, 100, 200, 300]
    assert stamps.warnings() == ["The times of 1 picture(s) ran backwards and were put right."]


def test_one_time_far_ahead_is_wrong_and_not_all_that_follow() -> None:
    stamps = in_order()
    times = [n * FRAME for n in range(60)]

    mended = through(stamps, alike([*times[:20], 900_000, *times[21:]]))

    assert [one.pts for one in mended] == times
    assert stamps.backwards == 1


@pytest.mark.parametrize("wrong", [(20, 21), (20, 22), (0,), (0, 1)])
def test_few_times_far_ahead_leave_all_others_as_they_are(wrong: tuple[int, ...]) -> None:
    stamps = in_order()
    times = [n * FRAME for n in range(60)]

    mended = through(stamps, alike([time + 900_000 * (n in wrong) for n, time in enumerate(times)]))

    found = [one.pts or 0 for one in mended]
    assert found == sorted(found)
    assert [pts for n, pts in enumerate(found) if n not in wrong] == [
        time for n, time in enumerate(times) if n not in wrong
    ]


def test_one_time_far_behind_is_put_between_its_neighbours() -> None:
    stamps = in_order()
    times = [n * FRAME for n in range(10)]

    mended = through(stamps, alike([*times[:5], 7, *times[6:]]))

    assert [one.pts for one in mended] == times


@pytest.mark.parametrize("decode_times", [False, True])
@pytest.mark.parametrize(
    ("place", "by"),
    # A picture that comes too early to have many before it may well be a leading one.
    [(5, 900_000), *((place, by) for place in (40, 81, 82, 83, 84) for by in (900_000, -900_000))],
)
def test_one_wrong_time_among_reordered_ones_gets_the_place_that_is_free(
    decode_times: bool, place: int, by: int
) -> None:
    stamps = reordered(decode_times=decode_times)
    times = hierarchy(60)
    wrong = [pts + by * (n == place) for n, pts in enumerate(times)]

    mended = through(stamps, [(pts, n * FRAME - 400) for n, pts in enumerate(wrong)])

    assert [one.pts for one in mended] == times
    assert stamps.backwards == 1


def test_a_gap_in_the_film_stays_one() -> None:
    stamps = in_order()
    times = [*range(0, 1000, FRAME), *range(90_000, 91_000, FRAME), 200_000]

    mended = through(stamps, alike(times))

    assert [one.pts for one in mended] == times
    assert stamps.warnings() == []


def test_what_goes_back_for_good_keeps_the_order_of_the_packets() -> None:
    stamps = in_order()

    mended = through(stamps, alike([*range(5000, 6000, FRAME), *range(0, 1000, FRAME)]))

    found = [one.pts or 0 for one in mended]
    assert found == sorted(set(found))
    assert found[:10] == list(range(5000, 6000, FRAME))


def test_a_usual_step_waits_for_nothing() -> None:
    stamps = in_order()
    through_first = [stamps.add(n * FRAME, n * FRAME, shown=True) for n in range(4)]

    now = stamps.add(4 * FRAME, 4 * FRAME, shown=True)

    assert sum(len(settled) for settled in through_first) == 4
    assert now == [Stamped(pts=4 * FRAME, dts=4 * FRAME)]


def test_of_two_pictures_with_one_time_the_later_one_is_hidden() -> None:
    stamps = reordered(decode_times=True)

    first, second, third = through(stamps, [(8, 0), (8, 1), (8, 2)])

    assert (first.hidden, second.hidden, third.hidden) == (False, True, True)
    assert first.pts == 8
    assert second.pts != third.pts
    assert stamps.warnings() == ["2 picture(s) with the time of another one were left out."]


def test_packets_that_show_nothing_may_share_a_time() -> None:
    stamps = reordered(decode_times=True)

    mended = [one for dts in (0, 1, 2) for one in stamps.add(8, dts, shown=dts == 1)]

    assert [one.hidden for one in mended] == [False, False, False]


def test_what_is_discarded_is_hidden_and_moves_no_picture_that_is_shown() -> None:
    # Two edits: between them libavformat gives the second one's beginning twice, first to be discarded.
    stamps = reordered(decode_times=True)
    shown = [(0, -200), (200, -100), (100, 0), (300, 100)]
    discarded = [(300, 100), (500, 200), (400, 300), (600, 400)]
    after = [(500, 200), (400, 300), (600, 400)]

    mended = [one for pts, dts in shown for one in stamps.add(pts, dts, shown=True)]
    thrown = [one for pts, dts in discarded for one in stamps.add(pts, dts, shown=False, discarded=True)]
    mended += [one for pts, dts in after for one in stamps.add(pts, dts, shown=True)]

    assert mended == [Stamped(pts=pts, dts=dts) for pts, dts in (*shown, *after)]
    assert all(one.hidden and (one.pts or 0) < 0 for one in thrown)
    assert len({one.pts for one in thrown}) == len(discarded)
    assert [one.dts for one in thrown] == [100] * 4
    assert stamps.warnings() == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(-4, 50), st.booleans()), max_size=60),
    st.booleans(),
    st.booleans(),
)
def test_whatever_comes_shown_times_are_distinct_and_decode_times_never_fall(
    times: list[tuple[int, int, bool]], reorders: bool, decode_times: bool
) -> None:
    stamps = Stamps(1, reordered=reorders, decode_times=decode_times)

    mended = [
        one
        for pts, dts, discarded in times
        for one in stamps.add(pts, dts, shown=not discarded, discarded=discarded)
    ]
    mended += stamps.finish()

    shown = [one.pts for one in mended if not one.hidden]
    decoded = [one.dts for one in mended if one.dts is not None]
    assert len(mended) == len(times)
    assert len(set(shown)) == len(shown)
    assert decoded == sorted(decoded)


@given(st.lists(st.integers(0, 400), max_size=80))
def test_pictures_in_order_are_shown_in_order_whatever_their_times_are(times: list[int]) -> None:
    stamps = in_order(frame_ticks=4)

    mended = through(stamps, alike(times))

    shown = [one.pts or 0 for one in mended if not one.hidden]
    assert shown == sorted(set(shown))


@given(st.lists(st.integers(0, 90), unique=True, max_size=80))
def test_a_film_of_any_rate_is_left_as_it_is(times: list[int]) -> None:
    stamps = in_order(frame_ticks=1)

    mended = through(stamps, alike(sorted(times)))

    assert [one.pts for one in mended] == sorted(times)
    assert stamps.warnings() == []
