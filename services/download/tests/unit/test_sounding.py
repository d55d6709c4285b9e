"""Where sound is cut, and how it is placed."""

from itertools import pairwise

from cinelog_download.domain.sounding import Grid, PictureCuts, Step, next_cut, place
from hypothesis import given
from hypothesis import strategies as st

GRID = Grid(step=4000, longest=8000)


def cut_all(cuts: list[int], end: int, floors: list[int]) -> list[int]:
    """Cut sound while the picture's cuts become known, at the given floors one after another."""
    made: list[int] = []
    last = 0
    for floor in [*sorted(floors), None]:
        known = [cut for cut in cuts if floor is None or cut <= floor]
        state = PictureCuts(at=known, floor=floor)
        while (at := next_cut(last, state, GRID)) is not None and at < end:
            made.append(at)
            last = at
    return made


@given(
    st.lists(st.integers(100, 20_000), min_size=1, max_size=20),
    st.lists(st.integers(0, 100_000), max_size=20),
)
def test_when_the_picture_is_cut_decides_not_when_it_is_known(gaps: list[int], floors: list[int]) -> None:
    cuts: list[int] = []
    for gap in gaps:
        cuts.append((cuts[-1] if cuts else 0) + gap)
    end = cuts[-1] + 3000

    assert cut_all(cuts, end, floors) == cut_all(cuts, end, [])


@given(st.lists(st.integers(100, 20_000), min_size=1, max_size=20))
def test_no_fragment_is_longer_than_allowed(gaps: list[int]) -> None:
    cuts: list[int] = []
    for gap in gaps:
        cuts.append((cuts[-1] if cuts else 0) + gap)

    made = [0, *cut_all(cuts, cuts[-1], [])]

    assert all(after - before <= GRID.longest for before, after in pairwise(made))


def test_the_beginning_is_exact_and_jitter_later_is_not_mended() -> None:
    assert place(5, 0, rate=48_000) == Step(silence=5)
    assert place(-5, 0, rate=48_000) == Step(drop=5)
    assert place(48_500, 48_000, rate=48_000) == Step()
    assert place(50_000, 48_000, rate=48_000) == Step(silence=2000)
    assert place(46_000, 48_000, rate=48_000) == Step(drop=2000)


def test_where_one_recording_follows_another_nothing_is_taken_as_jitter() -> None:
    assert place(48_500, 48_000, rate=48_000) == Step()
    assert place(48_500, 48_000, rate=48_000, exact=True) == Step(silence=500)
    assert place(47_500, 48_000, rate=48_000, exact=True) == Step(drop=500)
