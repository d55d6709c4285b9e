import pytest
from cinelog_common.cmaf.hlsvalidation import validate, validate_update
from hypothesis import given
from hypothesis import strategies as st

MEDIA = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="init.mp4"
#EXTINF:4.000000,
a.m4s
#EXTINF:4.400000,
b.m4s
#EXT-X-ENDLIST
"""
MAIN = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="one",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=10,AVERAGE-BANDWIDTH=9,CODECS="avc1.640020,mp4a.40.2",RESOLUTION=2x2,FRAME-RATE=25.000,AUDIO="audio"
video.m3u8
"""


def test_a_sound_film_has_no_violations() -> None:
    assert validate({"main.m3u8": MAIN, "video.m3u8": MEDIA, "audio.m3u8": MEDIA}) == []


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("#EXTM3U\n", "\n#EXTM3U\n", "4.1"),
        ("#EXTM3U\n", "\ufeff#EXTM3U\n", "4.1"),
        ("a.m4s", "a\tb.m4s", "4.1"),
        ("#EXT-X-VERSION:7\n", "", "7"),
        ("#EXT-X-VERSION:7", "#EXT-X-VERSION:3", "7"),
        ("#EXT-X-VERSION:7", "#EXT-X-VERSION:x", "4.3.1.2"),
        ("#EXT-X-TARGETDURATION:4\n", "", "4.3.3.1"),
        ("#EXT-X-TARGETDURATION:4\n", "#EXT-X-TARGETDURATION:4\n" * 2, "4.3"),
        ("#EXTINF:4.400000,", "#EXTINF:4.500000,", "4.3.3.1"),
        ("#EXTINF:4.400000,\n", "", "4.3.2.1"),
        ("#EXTINF:4.400000,", "#EXTINF:4.400000", "4.3.2.1"),
        ("b.m4s\n", "", "4.3.2"),
        ("#EXT-X-MEDIA-SEQUENCE:0\n", "", None),
        ("#EXT-X-ENDLIST", "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-ENDLIST", "4.3"),
        ("a.m4s", "a.m4s\n#EXT-X-DISCONTINUITY-SEQUENCE:0", "4.3.3.3"),
        ("TYPE:VOD", "TYPE:LIVE", "4.3.3.5"),
        ("#EXT-X-ENDLIST\n", "", "4.3.3.5"),
        ('URI="init.mp4"', "URI=init.mp4", "4.3.2.5"),
        ('#EXT-X-MAP:URI="init.mp4"', '#EXT-X-MAP:URI="a",URI="a"', "4.2"),
        ("a.m4s\n", 'a.m4s\n#EXT-X-MAP:URI="other.mp4"\n', "4.3.2.3"),
        ("a.m4s\n", 'a.m4s\n#EXT-X-MAP:URI="other.mp4"\n#EXT-X-DISCONTINUITY\n', "4.3.2.3"),
        ("a.m4s\n", 'a.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="other.mp4"\n', None),
        ("a.m4s\n", "a.m4s\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "4.1"),
    ],
)
def test_each_clause_of_a_media_playlist_is_judged(old: str, new: str, clause: str | None) -> None:
    assert old in MEDIA

    found = validate({"video.m3u8": MEDIA.replace(old, new, 1)})

    assert (clause in {one.clause for one in found}) if clause else found == []


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("BANDWIDTH=10,", "", "4.3.4.2"),
        ("AVERAGE-BANDWIDTH=9", "AVERAGE-BANDWIDTH=11", "4.3.4.2"),
        ('CODECS="avc1.640020,mp4a.40.2",', "", "4.3.4.2"),
        ("RESOLUTION=2x2", "RESOLUTION=2", "4.3.4.2"),
        ("FRAME-RATE=25.000", "FRAME-RATE=25.0001", "4.3.4.2"),
        ('AUDIO="audio"', 'AUDIO="none"', "4.3.4.2"),
        ("\nvideo.m3u8", "\n# why\nvideo.m3u8", "4.3.4.2"),
        ("video.m3u8\n", "", "4.3.4.2"),
        ("video.m3u8\n", "video.m3u8\nother.m3u8\n", "4.3.4.2"),
        ('NAME="one",', "", "4.3.4.1"),
        ("AUTOSELECT=YES", "AUTOSELECT=NO", "4.3.4.1"),
        ("BANDWIDTH=10", "BANDWIDTH = 10", "4.2"),
        ("#EXT-X-VERSION:7", "#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4", "4.1"),
    ],
)
def test_each_clause_of_a_multivariant_playlist_is_judged(old: str, new: str, clause: str) -> None:
    assert old in MAIN

    found = validate({"main.m3u8": MAIN.replace(old, new, 1)})

    assert clause in {one.clause for one in found}


@pytest.mark.parametrize(
    ("language", "is_tag"),
    [
        ("en", True),
        ("pt-BR", True),
        ("zh-Hant-TW", True),
        ("es-419", True),
        ("gsw", True),
        ("eng", False),
        ("FRE", False),
        ("en_US", False),
        ("English (US)", False),
        ("", False),
    ],
)
def test_a_language_is_the_shortest_tag_that_there_is(language: str, *, is_tag: bool) -> None:
    said = MAIN.replace('NAME="one",', f'NAME="one",LANGUAGE="{language}",', 1)

    found = validate({"main.m3u8": said})

    assert [one.clause for one in found] == ([] if is_tag else ["4.3.4.1"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DURATION:4", "DURATION:5"),
        ("TYPE:VOD", "TYPE:EVENT"),
        ("#EXTINF:4.400000,", "#EXT-X-DISCONTINUITY\n#EXTINF:4.400000,"),
        ("#EXT-X-ENDLIST", "#EXTINF:4.0,\nc.m4s\n#EXTINF:4.0,\nd.m4s\n#EXT-X-ENDLIST"),
    ],
)
def test_renditions_that_do_not_go_together_are_seen(old: str, new: str) -> None:
    found = validate({"main.m3u8": MAIN, "video.m3u8": MEDIA, "audio.m3u8": MEDIA.replace(old, new, 1)})

    assert {one.clause for one in found} == {"6.2.4"}


def test_a_live_playlist_may_only_grow() -> None:
    growing = MEDIA.replace("#EXT-X-ENDLIST\n", "")

    assert validate_update(growing, MEDIA) == []
    assert validate_update(MEDIA, MEDIA) == []
    assert validate_update(growing, MEDIA.replace("a.m4s", "x.m4s")) != []
    assert validate_update(MEDIA, MEDIA + "#EXTINF:1.0,\nc.m4s\n") != []
    assert validate_update(MEDIA, growing) != []


@given(st.text(max_size=300) | st.text(alphabet='#EXT-INFMAP:URI="=,x\n4.', max_size=200))
def test_any_text_is_judged_without_an_accident(text: str) -> None:
    validate({"a": text, "b": "#EXTM3U\n" + text, "c": MAIN + text})


TEXT = MEDIA.replace("TARGETDURATION:4", "TARGETDURATION:60").replace('#EXT-X-MAP:URI="init.mp4"\n', "")
WITH_TEXT = MAIN.replace('AUDIO="audio"\n', 'AUDIO="audio",SUBTITLES="text"\n').replace(
    "#EXT-X-STREAM-INF",
    '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="one",FORCED=NO,URI="text.m3u8"\n#EXT-X-STREAM-INF',
)


@pytest.mark.parametrize(
    ("old", "new", "text", "clauses"),
    [
        ("", "", TEXT, []),
        ("", "", TEXT.replace("VOD", "EVENT"), ["6.2.4"] * 2),
        ("", "", TEXT.replace("4.400000", "20.0"), ["6.2.4"]),
        (',URI="text.m3u8"', "", TEXT, ["4.3.4.1"]),
        ('SUBTITLES="text"', 'SUBTITLES="no"', TEXT, ["4.3.4.2"]),
        ("AUTOSELECT=YES,", "AUTOSELECT=YES,FORCED=NO,", TEXT, ["4.3.4.1"]),
    ],
)
def test_finished_subtitles_may_differ_only_in_their_target_duration(
    old: str, new: str, text: str, clauses: list[str]
) -> None:
    film = {
        "main.m3u8": WITH_TEXT.replace(old, new) if old else WITH_TEXT,
        "video.m3u8": MEDIA,
        "audio.m3u8": MEDIA,
        "text.m3u8": text,
    }

    assert [violation.clause for violation in validate(film)] == clauses
