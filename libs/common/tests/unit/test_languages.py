"""Languages in the two spellings that media know."""

import pytest
from cinelog_common.languages import is_tag, language_tag, three_letters
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("said", "tag"),
    [
        ("eng", "en"),
        ("ENG", "en"),
        ("fre", "fr"),
        ("fra", "fr"),
        ("heb", "he"),
        ("iw", "he"),
        ("por-BR", "pt-BR"),
        ("pt_br", "pt-br"),
        ("gsw", "gsw"),
        ("", ""),
        ("und", ""),
        ("und-US", ""),
        ("xx", ""),
        ("english", ""),
        ("en-", ""),
        ("en-!", ""),
        ("\u017fwe", ""),
    ],
)
def test_what_containers_say_becomes_the_shortest_tag(said: str, tag: str) -> None:
    assert language_tag(said) == tag


@given(st.text(max_size=12) | st.from_regex(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}", fullmatch=True))
def test_what_is_written_is_a_tag_or_nothing(said: str) -> None:
    tag = language_tag(said)

    assert tag == "" or is_tag(tag)
    assert language_tag(tag) == tag


@pytest.mark.parametrize("code", ["de", "en", "fr", "he", "zh"])
def test_both_spellings_lead_to_each_other(code: str) -> None:
    assert language_tag(three_letters(code)) == code


@pytest.mark.parametrize(
    ("tag", "language"),
    [("de", "deu"), ("de-AT", "deu"), ("EN_us", "eng"), ("fra", "fra"), ("", "und"), ("x-klingon", "und")],
)
def test_tags_of_playlists_become_the_languages_of_containers(tag: str, language: str) -> None:
    assert three_letters(tag) == language
