"""Which subtitles are wanted."""

from pathlib import Path

import pytest
from cinelog_download.domain.subtitling import best_versions, is_wanted, none_of, text_file
from cinelog_download.ports import Subtitle


def subtitle(language: str, form: str = "vtt", title: str = "") -> Subtitle:
    return Subtitle(url="http://films.example/text", language=language, format=form, title=title)


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

    chosen = best_versions([subtitle(*one) for one in offered], "all")

    assert [(one.language, one.format) for one in chosen] == [("de", "vtt"), ("en", "srt")]


def test_two_tracks_of_one_language_with_names_of_their_own_are_both_taken() -> None:
    both = [subtitle("en", "vtt", "English"), subtitle("en", "vtt", "English for the deaf")]

    assert best_versions(both, "en") == both


def test_languages_that_are_asked_for_in_vain_are_named() -> None:
    assert none_of("en,de", 0) == ("The source has no text subtitles in en,de.",)
    assert none_of("en,de", 1) == none_of("all", 0) == none_of("none", 0) == ()


def test_a_tag_that_says_more_than_a_language_becomes_the_title() -> None:
    assert text_file(subtitle("pt-BR"), Path("a")).title == "pt-BR"
    assert text_file(subtitle("pt-BR", title="Brasil"), Path("a")).title == "Brasil"
    assert text_file(subtitle("und"), Path("a")).title == ""
    assert text_file(subtitle("en"), Path("a")).title == ""
    assert text_file(subtitle("en"), Path("a")).language == "eng"
