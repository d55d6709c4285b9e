"""File names from titles."""

import unicodedata

import pytest
from cinelog_storage.domain.names import MAX_BYTES, file_name, numbered
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(st.characters(), max_size=300))
def test_any_title_becomes_a_plain_name_and_stays_it(title: str) -> None:
    name = file_name(title)

    assert name
    assert 0 < len(name.encode()) <= MAX_BYTES
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name not in {".", ".."}
    assert name[0] not in ".- "
    assert name[-1] not in ". "
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs"} for char in name)
    assert file_name(name) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Big Buck Bunny", "Big Buck Bunny"),
        ("A/B: the  film?", "A B the film"),
        ("../../etc/passwd", "etc passwd"),
        ("Ame\u0301lie", "Am\u00e9lie"),
        ("nul", "video"),
        ("COM1.txt", "video"),
        ("", "video"),
    ],
)
def test_titles_stay_readable(title: str, name: str) -> None:
    assert file_name(title) == name


def test_the_first_of_a_name_has_no_number() -> None:
    assert [numbered("film", count) for count in (1, 2, 3)] == ["film", "film (2)", "film (3)"]
