"""Which subtitles are wanted."""

from pathlib import Path

import pytest
from cinelog_download.domain.subtitling import best_versions, is_wanted, none_of, text_file


@pytest.mark.parametrize(
    ("language", "wanted", "is_in"),
    [
        ("en", "all", True),
        ("und", "all", True),
        ("en", "none", False),
        ("eng", "en", True),
        ("en-GB", "eng", True),
        ("ger", "de", True),
        ("pt-BR", "pt", True),
        ("pt-BR", "pt-br", True),
        ("pt", "pt-BR", False),
        ("de", "en,de", True),
        ("und", "en", False),
        ("zxx", "zxx", True),
    ],
)
def test_languages_are_known_by_any_of_their_codes(language: str, wanted: str, *, is_in: bool) -> None:
    assert is_wanted(language, wanted) is is_in


def test_of_each_language_the_best_version_is_taken_in_the_pages_order() -> None:
    offered = [("de", "srt"), ("en", "ttml"), ("en", "ass"), ("de", "vtt"), ("en", "srt"), ("fr", "ttml")]

    chosen = best_versions(offered, lambda one: one[0], lambda one: one[1], "all")

    assert chosen == [("de", "vtt"), ("en", "srt")]


def test_languages_that_are_asked_for_in_vain_are_named() -> None:
    assert none_of("en,de", 0) == ("The source has no text subtitles in en,de.",)
    assert none_of("en,de", 1) == none_of("all", 0) == none_of("none", 0) == ()


def test_a_tag_that_says_more_than_a_language_becomes_the_title() -> None:
    assert text_file("pt-BR", "vtt", Path("a")).title == "pt-BR"
    assert text_file("en", "vtt", Path("a")).title == ""
    assert text_file("en", "vtt", Path("a")).language == "eng"
