from itertools import pairwise

from cinelog_transcode.domain.parts import Span, plan_parts
from hypothesis import given
from hypothesis import strategies as st


def test_a_short_unit_stays_whole() -> None:
    assert plan_parts(range(0, 100, 10), Span(start=0, end=100), 100) == (Span(start=0, end=100),)


def test_a_long_unit_is_cut_into_even_parts() -> None:
    parts = plan_parts(range(0, 100, 10), Span(start=0, end=100), 40)

    assert [(part.start, part.end) for part in parts] == [(0, 30), (30, 60), (60, 100)]


def test_a_frame_held_longer_than_the_maximum_makes_a_longer_part() -> None:
    parts = plan_parts([0, 10, 200, 210], Span(start=0, end=220), 40)

    assert [(part.start, part.end) for part in parts] == [(0, 10), (10, 200), (200, 220)]


def test_a_late_first_frame_does_not_leave_an_empty_part() -> None:
    parts = plan_parts([90, 100, 110], Span(start=0, end=120), 40)

    assert [(part.start, part.end) for part in parts] == [(0, 100), (100, 120)]


@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=200),
    longest=st.integers(1, 300),
    late=st.integers(0, 60),
)
def test_parts_cover_the_unit_and_each_has_a_frame_of_its_own_at_its_start(
    gaps: list[int], longest: int, late: int
) -> None:
    pts = [late]
    for gap in gaps[:-1]:
        pts.append(pts[-1] + gap)
    span = Span(start=0, end=pts[-1] + gaps[-1])

    parts = plan_parts(pts, span, longest)

    assert parts[0].start == span.start
    assert parts[-1].end == span.end
    assert all(this.end == after.start for this, after in pairwise(parts))
    assert all(part.start in pts for part in parts[1:])
    for part in parts:
        shown = [time for time in pts if part.start <= time < part.end]
        assert shown
        if part.end - part.start > longest:
            # Only where no frame would have allowed a shorter one.
            after_first = [time for time in shown if time > shown[0]]
            assert not any(time - part.start <= longest for time in after_first)
