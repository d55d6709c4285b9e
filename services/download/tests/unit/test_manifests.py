import tracemalloc

import pytest
from cinelog_common.errors import Category, PermanentError
from cinelog_download.domain.manifests import Stream, presentation
from cinelog_download.domain.pieces import Piece
from cinelog_download.domain.templates import fill_in

BASE = "https://cdn.example/v/film.mpd?sig=1"
HEAD = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT10.5S">'


def streams(text: str, base_url: str) -> tuple[Stream, ...]:
    return presentation(text, base_url).streams


def manifest(*lines: str, head: str = HEAD) -> str:
    return "\n".join([head, *lines, "</MPD>"])


def urls(stream: Stream) -> list[str]:
    assert stream.recording is not None
    return [each.url.removeprefix("https://cdn.example/v/") for each in stream.recording.pieces]


def picture(*lines: str, attributes: str = 'id="v" bandwidth="5"') -> str:
    inner = "".join(lines)
    return (
        f'<Period><AdaptationSet mimeType="video/mp4"><Representation {attributes}>{inner}'
        "</Representation></AdaptationSet></Period>"
    )


def test_a_template_with_numbers_counts_to_the_end_of_the_period() -> None:
    template = (
        '<SegmentTemplate media="$RepresentationID$/$Number%05d$.m4s" '
        'initialization="$RepresentationID$/i.mp4"'
        ' startNumber="3" duration="4000" timescale="1000"/>'
    )

    (found,) = streams(manifest(picture(template)), BASE)

    assert urls(found) == ["v/i.mp4", "v/00003.m4s", "v/00004.m4s", "v/00005.m4s"]
    assert found.recording is not None
    assert found.recording.duration_s == pytest.approx(10.5)
    assert found.recording.pieces[0].begins == 0
    assert [each.perhaps for each in found.recording.pieces] == [False] * 4


def test_a_last_segment_that_rounding_made_may_be_missing() -> None:
    template = '<SegmentTemplate media="$Number$" duration="1040" timescale="100"/>'

    (found,) = streams(manifest(picture(template)), BASE)

    assert found.recording is not None
    assert [each.perhaps for each in found.recording.pieces] == [False, True]


def test_a_timeline_says_when_each_segment_begins() -> None:
    template = (
        '<SegmentTemplate media="$Time$-$Number$.m4s" initialization="i.mp4" timescale="10"><SegmentTimeline>'
        '<S t="5" d="20" r="1"/><S d="30"/><S t="80" d="15" r="-1"/></SegmentTimeline></SegmentTemplate>'
    )

    (found,) = streams(manifest(picture(template)), BASE)

    assert urls(found) == ["i.mp4", "5-1.m4s", "25-2.m4s", "45-3.m4s", "80-4.m4s", "95-5.m4s"]


def test_a_list_names_segments_and_ranges() -> None:
    lines = (
        '<BaseURL>all.mp4</BaseURL><SegmentList duration="5"><Initialization range="0-99"/>'
        '<SegmentURL mediaRange="100-199"/><SegmentURL mediaRange="200-299"/></SegmentList>'
    )

    (found,) = streams(manifest(picture(lines)), BASE)

    url = "https://cdn.example/v/all.mp4"
    assert found.recording is not None
    assert found.recording.pieces == (
        Piece(url=url, start=0, stop=100, begins=0),
        Piece(url=url, start=100, stop=200, duration_s=5.0),
        Piece(url=url, start=200, stop=300, duration_s=5.0),
    )


def test_a_representation_that_is_one_file_is_fetched_as_one() -> None:
    lines = '<BaseURL>film.mp4</BaseURL><SegmentBase indexRange="100-200"/>'

    (found,) = streams(manifest(picture(lines)), BASE)

    assert found.url == "https://cdn.example/v/film.mp4"


def test_the_best_picture_comes_with_every_language_the_main_one_first() -> None:
    def sound(language: str, role: str, bandwidth: int) -> str:
        return (
            f'<AdaptationSet contentType="audio" lang="{language}"><Role value="{role}"/>'
            f'<Representation id="{language}{bandwidth}" bandwidth="{bandwidth}"/>'
            f'<Representation id="{language}1" bandwidth="1"/></AdaptationSet>'
        )

    text = manifest(
        '<Period><SegmentTemplate media="$RepresentationID$-$Number$" duration="6"/>',
        sound("de", "dub", 9),
        sound("en", "main", 8),
        '<AdaptationSet contentType="video"><Representation id="low" height="360" bandwidth="90"/>'
        '<Representation id="high" height="720" bandwidth="80"/></AdaptationSet>',
        '<AdaptationSet contentType="video"><EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode"/>'
        '<Representation id="trick" height="2160" bandwidth="1"/></AdaptationSet>',
        '<AdaptationSet contentType="text"><Representation id="t" bandwidth="1"/></AdaptationSet></Period>',
    )

    found = streams(text, BASE)

    assert [(each.kind, each.name, each.language) for each in found] == [
        ("video", "high", ""),
        ("audio", "en8", "en"),
        ("audio", "de9", "de"),
    ]


def test_every_period_is_a_stretch_of_its_own() -> None:
    period = (
        '<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="1">{}</Representation>'
        "</AdaptationSet>"
    )
    template = '<SegmentTemplate media="$Number$" initialization="i" duration="4"/>'
    text = manifest(
        '<Period duration="PT4S"><BaseURL>one/</BaseURL>' + period.format(template) + "</Period>",
        '<Period start="PT4S"><BaseURL>two/</BaseURL>' + period.format(template) + "</Period>",
    )

    (found,) = streams(text, BASE)

    assert urls(found) == ["one/i", "one/1", "two/i", "two/1", "two/2"]
    assert found.recording is not None
    assert [each.begins for each in found.recording.pieces] == [0, None, 1, None, None]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (manifest(head=HEAD.replace("<MPD ", '<MPD type="dynamic" ')), Category.UNSUPPORTED_SOURCE),
        (manifest(), Category.NOT_MEDIA),
        ("<MPD", Category.NOT_MEDIA),
        ("<html></html>", Category.NOT_MEDIA),
        ('<!DOCTYPE MPD [<!ENTITY a "b">]><MPD>&a;</MPD>', Category.NOT_MEDIA),
        (
            manifest(picture('<ContentProtection/><SegmentTemplate media="a" duration="1"/>')),
            Category.PROTECTED,
        ),
        (manifest(picture('<SegmentTemplate media="a"/>')), Category.NOT_MEDIA),
        (
            manifest(picture('<SegmentTemplate media="a" duration="1" timescale="1000000"/>')),
            Category.LIMIT_EXCEEDED,
        ),
        (
            manifest(
                picture(
                    '<SegmentTemplate media="a"><SegmentTimeline><S d="1" r="99999999999"/>'
                    "</SegmentTimeline></SegmentTemplate>"
                )
            ),
            Category.LIMIT_EXCEEDED,
        ),
        (manifest(picture("<BaseURL>http://[</BaseURL>")), Category.NOT_MEDIA),
        (
            manifest(
                picture(
                    '<SegmentTemplate media="a"><SegmentTimeline>'
                    + '<S d="1" r="99998"/>' * 1000
                    + "</SegmentTimeline></SegmentTemplate>"
                )
            ),
            Category.LIMIT_EXCEEDED,
        ),
        (
            manifest('<Period xlink:href="x" xmlns:xlink="http://www.w3.org/1999/xlink"/>'),
            Category.UNSUPPORTED_SOURCE,
        ),
    ],
)
def test_what_cannot_be_fetched_is_refused(text: str, category: Category) -> None:
    with pytest.raises(PermanentError) as caught:
        streams(text, BASE)

    assert caught.value.category is category
    assert caught.value.action


def test_a_template_keeps_dollar_signs_and_what_it_does_not_know() -> None:
    assert fill_in("a$$b$Number%03d$-$Time$-$Other$", {"Number": 7, "Time": 12}) == "a$b007-12-$Other$"


def test_only_what_is_chosen_is_listed_however_much_there_is_to_choose_from() -> None:
    entries = "<SegmentList duration='1'>" + "<SegmentURL media='m'/>" * 20_000 + "</SegmentList>"
    pictures = '<AdaptationSet contentType="video">' + "<Representation/>" * 500 + "</AdaptationSet>"
    text = manifest(f'<Period duration="PT8S">{entries}{pictures}</Period>')

    tracemalloc.start()
    try:
        found = streams(text, BASE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    (picture,) = found
    assert picture.recording is not None
    assert len(picture.recording.pieces) == 20_000
    # Ten millions of them would take more than a thousand megabytes.
    assert peak < 100 << 20


def test_sounds_in_too_many_languages_are_too_much_together() -> None:
    entries = "<SegmentList duration='1'>" + "<SegmentURL media='m'/>" * 90_000 + "</SegmentList>"
    sounds = "".join(
        f'<AdaptationSet contentType="audio" lang="l{n}"><Representation/></AdaptationSet>' for n in range(9)
    )

    with pytest.raises(PermanentError) as caught:
        streams(manifest(f'<Period duration="PT8S">{entries}{sounds}</Period>'), BASE)

    assert caught.value.category is Category.LIMIT_EXCEEDED
