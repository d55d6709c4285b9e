"""Which subtitles are wanted."""

from pathlib import Path

import pytest
from cinelog_download.domain.dashtexts import LostText, Stretch
from cinelog_download.domain.demuxing import TextPart
from cinelog_download.domain.subtitling import best_versions, is_wanted, left_out, none_of, text_file
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


def test_a_track_in_stretches_is_a_file_for_each() -> None:
    stretches = (Stretch(pieces=()), Stretch(pieces=(), origin_s=3.0, begins_s=4.0, lasts_s=2.0))
    offered = Subtitle(url="u", language="en", format="mp4", forced=True, stretches=stretches)

    file = text_file(offered, Path("made/beside-2.mp4"))

    assert (file.forced, file.hearing_impaired) == (True, False)
    assert file.parts == (
        TextPart(path="made/beside-2-0.mp4"),
        TextPart(path="made/beside-2-1.mp4", origin_s=3.0, begins_s=4.0, lasts_s=2.0),
    )


def test_what_is_left_out_is_told_once_for_each_reason_to_those_who_want_it() -> None:
    lost = [
        LostText(language="de", why="They are lost."),
        LostText(language="fr", why="They are gone.", partly=True),
        LostText(language="en", why="They are lost."),
        LostText(language="de", why="They are lost."),
    ]

    assert left_out(lost, "all") == (
        "The subtitles in de, en are left out: They are lost.",
        "The subtitles in fr are left out of a part of the film: They are gone.",
    )
    assert left_out(lost, "en") == ("The subtitles in en are left out: They are lost.",)
    assert left_out(lost, "none") == ()


def test_very_many_lost_tracks_make_few_warnings() -> None:
    languages = [LostText(language=f"x-{number}", why="They are lost.") for number in range(1000)]
    reasons = [LostText(language="en", why=f"It was {number}.") for number in range(1000)]

    [one] = left_out(languages, "all")
    many = left_out(reasons, "all")

    assert one.endswith(", x-19 and 980 more are left out: They are lost.")
    assert len(many) == 21
    assert many[-1] == "Further subtitles are left out, for 980 other reasons."
