"""Which tags and chapters of a source a file takes over."""

from cinelog_common.contract.values import Chapter
from cinelog_merge.domain.naming import marks, told_tags
from hypothesis import given
from hypothesis import strategies as st


def chapter(start_s: float, title: str = "") -> Chapter:
    return Chapter(start_s=start_s, end_s=start_s + 1, title=title)


def test_what_is_about_the_file_is_left_behind() -> None:
    tags = {"ARTIST": " Somebody ", "major_brand": "isom", "encoder": "Lavf", "genre": ""}

    assert told_tags(tags) == {"artist": "Somebody"}


def test_a_date_without_dashes_gets_some() -> None:
    assert told_tags({"date": "20260102"}) == {"date": "2026-01-02"}
    assert told_tags({"date": "2026"}) == {"date": "2026"}


def test_a_chapter_without_a_title_gets_a_number() -> None:
    found = marks([chapter(0, "Start"), chapter(5, " \n"), chapter(9, "The  end")], 20)

    assert [mark.title for mark in found] == ["Start", "Chapter 2", "The end"]


def test_chapters_behind_the_end_and_at_the_same_time_are_dropped() -> None:
    found = marks([chapter(5, "later"), chapter(0, "a"), chapter(5.0001, "twin"), chapter(30, "beyond")], 20)

    assert [(mark.start_ms, mark.title) for mark in found] == [(0, "a"), (5000, "later")]


@given(st.lists(st.tuples(st.floats(-10, 1e5), st.text(max_size=20)), max_size=30), st.floats(0, 1e5))
def test_whatever_chapters_there_are_they_are_in_order_and_within_the_film(
    told: list[tuple[float, str]], duration_s: float
) -> None:
    found = marks([chapter(start, title) for start, title in told], duration_s)

    starts = [mark.start_ms for mark in found]
    assert starts == sorted(set(starts))
    assert all(0 <= start <= duration_s * 1000 for start in starts)
    assert all(mark.title for mark in found)
