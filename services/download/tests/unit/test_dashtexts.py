"""Which text tracks of a DASH manifest are read, and what is said of those that are not."""

import pytest
from cinelog_download.domain.dashtexts import MOST_SEGMENTS, MOST_TRACKS, LostText, Text
from cinelog_download.domain.manifests import Presentation, presentation
from hypothesis import example, given
from hypothesis import strategies as st

BASE = "https://cdn.example/v/film.mpd?sig=1"
PICTURE = (
    '<AdaptationSet mimeType="video/mp4"><Representation id="v" bandwidth="5">'
    '<SegmentTemplate media="v$Number$" duration="4"/></Representation></AdaptationSet>'
)
VTT = 'mimeType="text/vtt"'
WVTT = 'mimeType="application/mp4" codecs="wvtt"'
TTML = 'mimeType="application/mp4" codecs="stpp.ttml.im1t"'
TTML_LOST = "They are TTML (stpp.ttml.im1t), which Cinelog does not read."


def text(attributes: str, inside: str = "<BaseURL>t.vtt</BaseURL>", beside: str = "") -> str:
    return (
        f'<AdaptationSet {attributes}>{beside}<Representation id="t" bandwidth="1">{inside}'
        "</Representation></AdaptationSet>"
    )


def looked_at(*periods: str, attributes: str = 'duration="PT8S"') -> Presentation:
    inside = "".join(f"<Period {attributes}>{PICTURE}{each}</Period>" for each in periods)
    return presentation(f"<MPD>{inside}</MPD>", BASE)


def urls(track: Text) -> list[list[str]]:
    return [
        [piece.url.removeprefix("https://cdn.example/v/") for piece in stretch.pieces]
        for stretch in track.stretches
    ]


@pytest.mark.parametrize("attributes", ['mimeType="text/vtt"', 'contentType="text" mimeType="text/vtt"'])
def test_a_file_of_webvtt_is_a_track_with_its_language_and_name(attributes: str) -> None:
    found = looked_at(text(f'{attributes} lang="pt-BR"', beside="<Label> Brasil\n</Label>"))

    [track] = found.texts
    assert (track.language, track.title, track.form) == ("pt-BR", "Brasil", "vtt")
    assert urls(track) == [["t.vtt"]]
    assert found.lost == ()
    assert [each.kind for each in found.streams] == ["video"]


@pytest.mark.parametrize(
    ("inside", "listed"),
    [
        (
            '<SegmentTemplate media="$RepresentationID$-$Number$.vtt" duration="4"/>',
            ["t-1.vtt", "t-2.vtt"],
        ),
        (
            '<SegmentTemplate media="$Time$"><SegmentTimeline><S d="4"/></SegmentTimeline></SegmentTemplate>',
            ["0"],
        ),
        (
            '<SegmentList duration="4"><SegmentURL media="a.vtt"/><SegmentURL media="b.vtt"/></SegmentList>',
            ["a.vtt", "b.vtt"],
        ),
    ],
)
def test_webvtt_may_come_in_segments(inside: str, listed: list[str]) -> None:
    [track] = looked_at(text(VTT, inside)).texts

    assert urls(track) == [listed]


def test_webvtt_in_mp4_begins_with_its_init_segment() -> None:
    inside = '<SegmentTemplate initialization="i.mp4" media="$Number$.m4s" duration="4"/>'

    [track] = looked_at(text(f'contentType="text" {WVTT} lang="en"', inside)).texts

    assert (track.form, urls(track)) == ("mp4", [["i.mp4", "1.m4s", "2.m4s"]])


@pytest.mark.parametrize(
    ("role", "forced", "hearing_impaired"),
    [
        ("subtitle", False, False),
        ("caption", False, True),
        ("forced-subtitle", True, False),
        ("forced_subtitle", True, False),
    ],
)
def test_a_role_says_whom_a_track_is_for(role: str, *, forced: bool, hearing_impaired: bool) -> None:
    [track] = looked_at(text(VTT, beside=f'<Role value="{role}"/>')).texts

    assert (track.forced, track.hearing_impaired) == (forced, hearing_impaired)


def test_each_period_tells_where_in_the_film_it_is_and_what_its_clock_shows() -> None:
    base = '<BaseURL>t.vtt</BaseURL><SegmentBase timescale="10" presentationTimeOffset="{}"/>'

    [track] = looked_at(*(text(f'{VTT} lang="en"', base.format(offset)) for offset in (0, 125))).texts

    assert [(each.begins_s, each.origin_s, each.lasts_s) for each in track.stretches] == [
        (0.0, 0.0, 8.0),
        (8.0, 12.5, None),
    ]


def test_periods_without_a_picture_take_no_time_of_the_film() -> None:
    one = f'<Period duration="PT8S">{PICTURE}{text(VTT, "<BaseURL>a</BaseURL>")}</Period>'
    gap = f'<Period duration="PT5S">{text(VTT, "<BaseURL>b</BaseURL>")}</Period>'

    [track] = presentation(f"<MPD>{one}{gap}{one}</MPD>", BASE).texts

    assert urls(track) == [["a"], ["a"]]
    assert [each.begins_s for each in track.stretches] == [0.0, 8.0]


def test_a_track_may_be_missing_in_a_period() -> None:
    found = looked_at("", text(f'{VTT} lang="en"'))

    assert [each.begins_s for each in found.texts[0].stretches] == [8.0]
    assert found.lost == ()


def test_tracks_that_nothing_tells_apart_are_all_taken_under_names_of_their_own() -> None:
    label = "<Label>en 2</Label>"

    found = looked_at(
        text(f'{VTT} lang="en"', beside=label), text(f'{VTT} lang="en"') * 3 + text(f'{VTT} lang="de"')
    )

    assert [(each.language, each.title) for each in found.texts] == [
        ("en", "en 2"),
        ("en", ""),
        ("en", "en 3"),
        ("en", "en 4"),
        ("de", ""),
    ]


def test_of_one_track_in_several_forms_the_best_one_is_taken_and_nothing_is_lost() -> None:
    forms = "".join(text(f'{each} lang="en"') for each in (TTML, WVTT, VTT))

    found = looked_at(forms)

    assert [each.form for each in found.texts] == ["vtt"]
    assert found.lost == ()


@pytest.mark.parametrize(
    ("attributes", "beside", "why"),
    [
        (TTML, "", TTML_LOST),
        (
            'mimeType="application/ttml+xml"',
            "",
            "They are TTML (application/ttml+xml), which Cinelog does not read.",
        ),
        ('contentType="text"', "", "They are of a kind that Cinelog does not read."),
        (
            'mimeType="application/x-sub"',
            '<Role value="caption"/>',
            "They are of a kind (application/x-sub) that Cinelog does not read.",
        ),
        (VTT, "<ContentProtection/>", "They are protected (DRM)."),
        (TTML, "<ContentProtection/>", "They are protected (DRM)."),
    ],
)
def test_text_that_cannot_be_used_is_told_of(attributes: str, beside: str, why: str) -> None:
    found = looked_at(text(f'{attributes} lang="de"', beside=beside))

    assert found.texts == ()
    assert found.lost == (LostText(language="de", why=why),)


@pytest.mark.parametrize(
    "attributes", ['contentType="image" mimeType="image/jpeg"', 'mimeType="application/mp4" codecs="urim"']
)
def test_what_is_no_text_is_not_told_of_as_text(attributes: str) -> None:
    found = looked_at(text(attributes))

    assert (found.texts, found.lost) == ((), ())


def test_a_track_that_one_period_locks_is_used_in_the_others() -> None:
    locked = text(f'{VTT} lang="en"', beside="<ContentProtection/>")

    found = looked_at(text(f'{VTT} lang="en"'), locked)

    assert [len(each.stretches) for each in found.texts] == [1]
    assert found.lost == (LostText(language="en", why="They are protected (DRM).", partly=True),)


def test_a_track_that_changes_its_form_is_used_as_far_as_it_keeps_it() -> None:
    found = looked_at(text(f'{WVTT} lang="en"'), *[text(f'{VTT} lang="en"')] * 2)

    [track] = found.texts
    assert (track.form, [each.begins_s for each in track.stretches]) == ("vtt", [8.0, 16.0])
    assert found.lost == (LostText(language="en", why="Their format changes.", partly=True),)


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        (
            '<SegmentTemplate duration="4"/>',
            "The DASH manifest is malformed: a template names no media.",
        ),
        (
            '<SegmentTemplate media="a" duration="1" timescale="9999999999999999999"/>',
            "The DASH manifest names more than 100000 segments.",
        ),
        (
            f'<SegmentTemplate media="$Number$" duration="8" timescale="{MOST_SEGMENTS + 1}"/>',
            "They come in too many segments.",
        ),
        (
            '<SegmentList duration="1"><SegmentURL media="http://["/></SegmentList>',
            "The DASH manifest is malformed: an address in it cannot be read.",
        ),
    ],
)
def test_text_whose_segments_make_no_sense_does_not_cost_the_film(inside: str, why: str) -> None:
    found = looked_at(text(f'{VTT} lang="en"', inside))

    assert found.streams
    assert found.texts == ()
    assert found.lost == (LostText(language="en", why=why),)


def test_segments_of_all_tracks_together_are_not_too_many() -> None:
    inside = f'<SegmentTemplate media="$Number$" duration="8" timescale="{MOST_SEGMENTS}"/>'

    found = looked_at(text(VTT, inside) * 30)

    assert [len(each.stretches[0].pieces) for each in found.texts] == [MOST_SEGMENTS] * 20
    assert {each.why for each in found.lost} == {"They come in too many segments."}
    assert len(found.lost) == 10


def test_tracks_beyond_any_reason_are_not_looked_at() -> None:
    found = looked_at("".join(text(f'{VTT} lang="x-{number}"') for number in range(MOST_TRACKS + 2)))

    assert len(found.texts) == MOST_TRACKS
    assert [each.language for each in found.lost] == [f"x-{MOST_TRACKS}", f"x-{MOST_TRACKS + 1}"]


@pytest.mark.parametrize(
    ("language", "kept"),
    [("", "und"), (" \u202e\t", "und"), ("e\u200bn", "en"), ("x" * 9999, "x" * 35), ("🎬", "🎬")],
)
def test_odd_languages_stay_short_and_printable(language: str, kept: str) -> None:
    [track] = looked_at(text(f'{VTT} lang="{language}"')).texts

    assert track.language == kept


@given(
    offset=st.text("0123456789-.e", max_size=40),
    scale=st.text("0123456789-", max_size=40),
    kind=st.sampled_from([VTT, WVTT, TTML, 'contentType="text"', "", 'mimeType="/"']),
    role=st.sampled_from(["caption", "", "main"]),
)
@example(offset="9" * 19, scale="1", kind=VTT, role="")
def test_whatever_a_text_track_says_the_film_stays(offset: str, scale: str, kind: str, role: str) -> None:
    inside = f'<SegmentBase presentationTimeOffset="{offset}" timescale="{scale}"/>'

    found = looked_at(text(kind, inside, beside=f'<Role value="{role}"/>'))

    assert [each.kind for each in found.streams] == ["video"]
    assert len(found.texts) + len(found.lost) <= 1
