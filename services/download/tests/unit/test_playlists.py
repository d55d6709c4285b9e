import contextlib
import time

import pytest
from cinelog_common.errors import Category, PermanentError
from cinelog_download.adapters.hls import best_variant, recording
from cinelog_download.domain.pieces import MAX_PIECES, Key, Piece
from cinelog_download.domain.playlists import Voice
from hypothesis import given, settings
from hypothesis import strategies as st

BASE = "https://cdn.example/v/list.m3u8?sig=1"


def playlist(*lines: str) -> str:
    return "\n".join(["#EXTM3U", "#EXT-X-VERSION:7", *lines, ""])


def test_a_recording_is_its_init_section_and_its_segments() -> None:
    text = playlist(
        '#EXT-X-MAP:URI="init.mp4"',
        "#EXTINF:4.0,a title",
        "a.m4s",
        "#EXTINF:2.5,",
        "/b.m4s?x=1",
        "#EXT-X-ENDLIST",
    )

    found = recording(text, BASE)

    assert [each.url for each in found.pieces] == [
        "https://cdn.example/v/init.mp4",
        "https://cdn.example/v/a.m4s",
        "https://cdn.example/b.m4s?x=1",
    ]
    assert found.duration_s == 6.5


def test_ranges_without_an_offset_go_on_where_the_last_one_ended() -> None:
    text = playlist(
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="100@0"',
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:50@100",
        "all.mp4",
        "#EXTINF:4,",
        "#EXT-X-BYTERANGE:70",
        "all.mp4",
        "#EXT-X-ENDLIST",
    )

    found = recording(text, BASE)

    url = "https://cdn.example/v/all.mp4"
    assert found.pieces == (
        Piece(url=url, start=0, stop=100, begins=0),
        Piece(url=url, duration_s=4.0, start=100, stop=150),
        Piece(url=url, duration_s=4.0, start=150, stop=220),
    )


def test_the_version_stays_when_addresses_are_signed_anew_and_changes_with_the_lengths() -> None:
    one = recording(playlist("#EXTINF:4,", "a.ts?sig=1", "#EXT-X-ENDLIST"), BASE)
    two = recording(playlist("#EXTINF:4,", "a.ts?sig=2", "#EXT-X-ENDLIST"), BASE)
    three = recording(playlist("#EXTINF:5,", "a.ts?sig=1", "#EXT-X-ENDLIST"), BASE)

    assert one.validator == two.validator
    assert one.validator.contradicts(three.validator)


@pytest.mark.parametrize(
    ("lines", "category"),
    [
        (["#EXTINF:4,", "a.ts"], Category.UNSUPPORTED_SOURCE),
        (["#EXT-X-ENDLIST"], Category.NOT_MEDIA),
        (["#EXT-X-KEY:METHOD=AES-128", "#EXTINF:4,", "a.ts", "#EXT-X-ENDLIST"], Category.NOT_MEDIA),
        (
            [
                '#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.widevine"',
                "#EXTINF:4,",
                "a",
                "#EXT-X-ENDLIST",
            ],
            Category.PROTECTED,
        ),
        (['#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', "#EXTINF:4,", "a.ts"], Category.PROTECTED),
    ],
)
def test_what_cannot_be_fetched_is_refused(lines: list[str], category: Category) -> None:
    with pytest.raises(PermanentError) as caught:
        recording(playlist(*lines), BASE)

    assert caught.value.category is category
    assert caught.value.action


def test_a_key_that_says_none_is_no_encryption() -> None:
    text = playlist("#EXT-X-KEY:METHOD=NONE", "#EXTINF:4,", "a.ts", "#EXT-X-ENDLIST")

    assert len(recording(text, BASE).pieces) == 1


def test_what_is_no_playlist_is_refused() -> None:
    with pytest.raises(PermanentError) as caught:
        recording("<html>", BASE)

    assert caught.value.category is Category.NOT_MEDIA


def test_the_best_variant_comes_with_its_own_sound() -> None:
    text = playlist(
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="lo",NAME="a",URI="lo.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="hi",NAME="a, b",LANGUAGE="de",URI="de.m3u8"',
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="hi",NAME="b",DEFAULT=YES,URI="hi.m3u8"',
        '#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="lo"',
        "360.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1280x720,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="hi"',
        "720.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=1920x1080,URI="i.m3u8"',
    )

    found = best_variant(text, BASE)

    assert found is not None
    assert found.url == "https://cdn.example/v/720.m3u8"
    assert found.voices == (
        Voice(url="https://cdn.example/v/hi.m3u8", name="b", default=True),
        Voice(url="https://cdn.example/v/de.m3u8", language="de", name="a, b"),
    )


def test_a_media_playlist_has_no_variants() -> None:
    assert best_variant(playlist("#EXTINF:4,", "a.ts", "#EXT-X-ENDLIST"), BASE) is None


def test_a_protected_master_playlist_is_refused() -> None:
    text = playlist('#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="k"', "#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8")

    with pytest.raises(PermanentError) as caught:
        best_variant(text, BASE)

    assert caught.value.category is Category.PROTECTED


def test_a_master_playlist_whose_segments_have_a_plain_key_is_read() -> None:
    text = playlist('#EXT-X-SESSION-KEY:METHOD=AES-128,URI="k"', "#EXT-X-STREAM-INF:BANDWIDTH=1", "a.m3u8")

    assert best_variant(text, BASE) is not None


def test_each_segment_has_its_key_and_its_number_for_an_iv_unless_one_is_named() -> None:
    text = playlist(
        "#EXT-X-MEDIA-SEQUENCE:7",
        "#EXTINF:4,",
        "plain.ts",
        '#EXT-X-KEY:METHOD=AES-128,URI="/k1"',
        "#EXTINF:4,",
        "a.ts",
        "#EXTINF:4,",
        "b.ts",
        '#EXT-X-KEY:METHOD=AES-128,URI="k2",IV=0x000102030405060708090A0B0C0D0E0F',
        "#EXTINF:4,",
        "c.ts",
        "#EXT-X-KEY:METHOD=NONE",
        "#EXTINF:4,",
        "d.ts",
        "#EXT-X-ENDLIST",
    )

    found = recording(text, BASE)

    assert [each.key for each in found.pieces] == [
        None,
        Key(url="https://cdn.example/k1", iv=(8).to_bytes(16, "big")),
        Key(url="https://cdn.example/k1", iv=(9).to_bytes(16, "big")),
        Key(url="https://cdn.example/v/k2", iv=bytes(range(16))),
        None,
    ]


def test_a_discontinuity_begins_another_stretch_with_its_header() -> None:
    text = playlist(
        '#EXT-X-MAP:URI="i1"',
        "#EXTINF:4,",
        "a",
        "#EXT-X-DISCONTINUITY",
        "#EXTINF:4,",
        "b",
        "#EXT-X-DISCONTINUITY",
        '#EXT-X-MAP:URI="i2"',
        "#EXTINF:4,",
        "c",
        '#EXT-X-MAP:URI="i3"',
        "#EXTINF:4,",
        "d",
        '#EXT-X-MAP:URI="i3"',
        "#EXTINF:4,",
        "e",
        "#EXT-X-ENDLIST",
    )

    found = recording(text, BASE)

    assert [(each.url.rpartition("/")[2], each.begins) for each in found.pieces] == [
        ("i1", 0),
        ("a", None),
        ("i1", 1),
        ("b", None),
        ("i2", 2),
        ("c", None),
        ("i3", 2),
        ("d", None),
        ("e", None),
    ]
    assert found.duration_s == 20.0


def test_a_header_is_encrypted_with_the_key_that_is_named_before_it() -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x01'
    plain = playlist('#EXT-X-MAP:URI="i"', key, "#EXTINF:4,", "a", "#EXT-X-ENDLIST")
    hidden = playlist(key, '#EXT-X-MAP:URI="i"', "#EXTINF:4,", "a", "#EXT-X-ENDLIST")

    found = [[each.key is None for each in recording(text, BASE).pieces] for text in (plain, hidden)]

    assert found == [[True, False], [False, False]]


def test_what_is_of_no_use_cannot_break_a_playlist() -> None:
    text = playlist(
        "#EXT-X-TARGETDURATION:4.004",
        "#EXT-X-PROGRAM-DATE-TIME:yesterday",
        "#EXT-X-DATERANGE:ID",
        "#EXT-X-PART:DURATION",
        "#EXT-X-START:TIME-OFFSET=soon",
        "#EXTINF:4,",
        "a.ts",
        "#EXT-X-ENDLIST",
        "#EXT-X-VERSION",
        "#EXTINF:4,",
    )

    assert [each.url for each in recording(text, BASE).pieces] == ["https://cdn.example/v/a.ts"]


@pytest.mark.parametrize(
    "line",
    [
        "#EXTINF:four,",
        "#EXTINF",
        "#EXT-X-MEDIA-SEQUENCE:x",
        "#EXT-X-MEDIA-SEQUENCE",
        "#EXT-X-MEDIA-SEQUENCE:" + "9" * 5000,
        "#EXT-X-MEDIA-SEQUENCE:" + "9" * 60,
        "#EXT-X-MEDIA-SEQUENCE:-1",
        "#EXT-X-BYTERANGE:-5@x",
        "#EXT-X-BYTERANGE",
        "#EXT-X-BYTERANGE:" + "9" * 5000,
        "#EXT-X-KEY:METHOD",
        "#EXT-X-MAP",
        "#EXT-X-MAP:=",
        '#EXT-X-MAP:URI="http://[/"',
        "#EXT-X-MAP:" + "A=B," * 20_000,
        "http://[/",
        "a" * 100_000,
    ],
)
def test_a_line_that_cannot_be_read_is_a_malformed_playlist(line: str) -> None:
    text = playlist('#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:4,", line, "a", "#EXT-X-ENDLIST")

    with pytest.raises(PermanentError) as caught:
        recording(text, BASE)

    assert caught.value.category is Category.NOT_MEDIA


@pytest.mark.parametrize("value", ["BANDWIDTH=inf", "BANDWIDTH=x", "BANDWIDTH=1,RESOLUTION=1xZ"])
def test_a_variant_that_cannot_be_read_is_a_malformed_playlist(value: str) -> None:
    with pytest.raises(PermanentError) as caught:
        best_variant(playlist(f"#EXT-X-STREAM-INF:{value}", "a.m3u8"), BASE)

    assert caught.value.category is Category.NOT_MEDIA


@pytest.mark.parametrize(
    "text", ["#EXTINF:4,\na\n" * (MAX_PIECES + 1), "\n" * (16 << 20), "#EXT-X-BYTERANGE:1\na\n" * 150_000]
)
def test_a_playlist_that_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(PermanentError) as caught:
        recording("#EXTM3U\n" + text, BASE)

    assert caught.value.category is Category.LIMIT_EXCEEDED


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.builds(
                "{}:{}".format,
                st.sampled_from(
                    [
                        "#EXTINF",
                        "#EXT-X-BYTERANGE",
                        "#EXT-X-KEY",
                        "#EXT-X-MAP",
                        "#EXT-X-MEDIA-SEQUENCE",
                        "#EXT-X-STREAM-INF",
                        "#EXT-X-SESSION-KEY",
                        "#EXT-X-MEDIA",
                        "#EXT-X-DISCONTINUITY",
                    ]
                ),
                st.text(alphabet="0123456789@=,\"'.-xURIMETHODBAND \u2028\ufffd", max_size=40),
            ),
            st.just('#EXT-X-MAP:URI="i"'),
            st.just("#EXT-X-ENDLIST"),
        ),
        max_size=12,
    )
)
def test_whatever_comes_is_read_or_refused(lines: list[str]) -> None:
    for read in (best_variant, recording):
        with contextlib.suppress(PermanentError):
            read(playlist(*lines), BASE)


def test_many_keys_take_no_longer_than_many_segments() -> None:
    distinct = "".join(
        f'#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x{n:x}\n#EXTINF:1,\na\n' for n in range(20_000)
    )
    begun = time.process_time()

    found = recording(f"#EXTM3U\n{distinct}#EXT-X-ENDLIST\n", BASE)

    assert len(found.pieces) == 20_000
    # Each compared with all others, as the library does by itself, takes half a minute.
    assert time.process_time() - begun < 8
