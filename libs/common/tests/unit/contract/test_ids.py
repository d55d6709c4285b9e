"""Ids: the same for the same, and never the same for what differs."""

from cinelog_common.ids import job_id_of_event, job_id_of_key, job_id_of_position, name_id
from hypothesis import given
from hypothesis import strategies as st

PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_names_are_told_apart_however_their_parts_are_cut(one: list[str], other: list[str]) -> None:
    assert (name_id(*one) == name_id(*other)) == (one == other)


def test_ids_never_change_between_versions() -> None:
    assert name_id("a", 1) == "98628873-e51c-547f-9985-35237ee5f0a8"
    assert job_id_of_event("s", "1") == "80292351-60ab-5fea-b7e0-bfbe950efd26"


def test_the_same_place_in_a_log_that_was_made_anew_is_another_job() -> None:
    """It would find the first one's manifest, and show its film."""
    places = {job_id_of_position("t", 0, 7, epoch=epoch) for epoch in (1, 2, 3)}

    assert len(places) == 3
    assert job_id_of_position("t", 0, 7) in places
    assert job_id_of_position("t", 0, 7) == job_id_of_position("t", 0, 7, epoch=0)


def test_the_three_ways_to_a_job_never_meet() -> None:
    ids = {job_id_of_event("a", "b"), job_id_of_key("a", "b"), job_id_of_position("a", 0, 0)}

    assert len(ids) == 3
