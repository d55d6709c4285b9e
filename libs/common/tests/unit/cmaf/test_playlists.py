import itertools
from fractions import Fraction

import pytest
from cinelog_common.cmaf.hlsparsing import parse_playlist
from cinelog_common.cmaf.hlsvalidation import validate, validate_update
from cinelog_common.cmaf.playlists import (
    AudioRendition,
    MediaPlaylist,
    MediaSegment,
    MultivariantPlaylist,
    PlaylistError,
    TextRendition,
    Variant,
    average_bit_rate,
    peak_bit_rate,
    printed_durations,
    write_media_playlist,
    write_multivariant_playlist,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace


def segment(number: int, *, init: str = "init-a.mp4", seconds: Fraction = Fraction(4)) -> MediaSegment:
    return MediaSegment(uri=f"{number:06d}.m4s", duration=seconds, init=init)


GROWING = MediaPlaylist(target_duration=4, segments=[segment(0), segment(1, seconds=Fraction(1001, 300))])
ENDED = replace(GROWING, ended=True, vod=True)


def test_a_growing_playlist_reads_as_the_standard_wants() -> None:
    assert write_media_playlist(GROWING).split("\n") == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:4",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:EVENT",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="init-a.mp4"',
        "#EXTINF:4.000000,",
        "000000.m4s",
        "#EXTINF:3.336667,",
        "000001.m4s",
        "",
    ]


def test_a_finished_playlist_is_vod_and_says_that_it_ended() -> None:
    text = write_media_playlist(ENDED)

    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert validate({"video.m3u8": text}) == []


def test_another_init_is_a_discontinuity_with_a_map_of_its_own() -> None:
    segments = [segment(0), segment(1, init="init-b.mp4"), segment(2, init="init-b.mp4"), segment(3)]
    text = write_media_playlist(MediaPlaylist(target_duration=4, segments=segments, ended=True, vod=True))

    assert text.count("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=") == text.count("#EXT-X-DISCONTINUITY") == 2
    assert validate({"video.m3u8": text}) == []


def test_a_discontinuity_in_the_sound_needs_no_new_map() -> None:
    segments = [segment(0), replace(segment(1), discontinuity=True)]
    text = write_media_playlist(MediaPlaylist(target_duration=4, segments=segments))

    assert text.count("#EXT-X-DISCONTINUITY") == text.count("#EXT-X-MAP") == 1
    assert validate({"audio.m3u8": text}) == []


durations = st.lists(
    st.fractions(Fraction(1, 60), Fraction(449, 100), max_denominator=90000), min_size=1, max_size=30
)


@given(durations)
def test_a_growing_playlist_only_ever_grows(lengths: list[Fraction]) -> None:
    segments = [segment(number, seconds=length) for number, length in enumerate(lengths)]
    texts = [
        write_media_playlist(
            MediaPlaylist(target_duration=4, segments=segments[:count], ended=count > len(segments))
        )
        for count in range(len(segments) + 2)
    ]

    for before, after in itertools.pairwise(texts):
        assert validate_update(before, after) == []
    assert all(validate({"video.m3u8": text}) == [] for text in texts)


@given(durations)
def test_printed_durations_add_up_to_the_whole(lengths: list[Fraction]) -> None:
    printed = printed_durations(lengths)

    assert abs(sum(map(Fraction, printed)) - sum(lengths)) <= Fraction(1, 2_000_000)


@pytest.mark.parametrize("seconds", [Fraction(9, 2), Fraction(5), Fraction(0), Fraction(-1)])
def test_a_segment_that_breaks_the_frozen_target_is_refused(seconds: Fraction) -> None:
    with pytest.raises(PlaylistError, match=r"000007\.m4s"):
        write_media_playlist(MediaPlaylist(target_duration=4, segments=[segment(7, seconds=seconds)]))


def test_a_vod_playlist_that_still_grows_is_refused() -> None:
    with pytest.raises(PlaylistError, match="ended"):
        write_media_playlist(replace(GROWING, vod=True))


@pytest.mark.parametrize("uri", ["", "#x.m4s", "a\nb.m4s", "a\r.m4s"])
def test_a_uri_that_would_be_another_line_is_refused(uri: str) -> None:
    with pytest.raises(PlaylistError, match="cannot stand"):
        write_media_playlist(MediaPlaylist(target_duration=4, segments=[replace(segment(0), uri=uri)]))


FILM = MultivariantPlaylist(
    variants=[
        Variant(
            uri="720.m3u8",
            bandwidth=3_200_000,
            average_bandwidth=2_000_000,
            codecs=("avc1.640020", "mp4a.40.2"),
            width=1280,
            height=720,
            frame_rate=Fraction(24000, 1001),
            audio_group="audio",
        ),
        Variant(
            uri="480.m3u8", bandwidth=1_200_000, codecs=("avc1.64001e", "mp4a.40.2"), audio_group="audio"
        ),
    ],
    audio=[
        AudioRendition(group="audio", name='The "best"\nsound', uri="audio.m3u8", language="en", default=True)
    ],
)


def test_a_multivariant_playlist_names_everything_a_player_chooses_by() -> None:
    text = write_multivariant_playlist(FILM)

    assert text.split("\n") == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        (
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="audio",NAME="The \'best\' sound",LANGUAGE="en",'
            'DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="audio.m3u8"'
        ),
        (
            '#EXT-X-STREAM-INF:BANDWIDTH=3200000,AVERAGE-BANDWIDTH=2000000,CODECS="avc1.640020,mp4a.40.2",'
            'RESOLUTION=1280x720,FRAME-RATE=23.976,AUDIO="audio"'
        ),
        "720.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=1200000,CODECS="avc1.64001e,mp4a.40.2",AUDIO="audio"',
        "480.m3u8",
        "",
    ]


def test_a_whole_film_is_valid_together() -> None:
    media = write_media_playlist(ENDED)

    found = validate(
        {
            "main.m3u8": write_multivariant_playlist(FILM),
            "720.m3u8": media,
            "480.m3u8": media,
            "audio.m3u8": media,
        }
    )

    assert found == []


def test_a_variant_without_its_sound_is_refused() -> None:
    with pytest.raises(PlaylistError, match=r"720\.m3u8"):
        write_multivariant_playlist(replace(FILM, audio=[]))
    with pytest.raises(PlaylistError, match="nothing"):
        write_multivariant_playlist(MultivariantPlaylist(variants=[]))


def test_the_peak_rate_looks_at_runs_of_about_one_target_duration() -> None:
    segments = [(1000, Fraction(4)), (9000, Fraction(1)), (500, Fraction(4)), (500, Fraction(4))]

    # 9,000 bytes in 1 s alone are too short a run; with its neighbour of 4 s they count.
    assert peak_bit_rate(segments, 4) == 10000 * 8 // 5
    assert average_bit_rate(segments) == -(-11000 * 8 // 13)
    assert peak_bit_rate([(10, Fraction(1))], 4) == 80
    assert average_bit_rate([]) == 0


def test_a_short_last_segment_that_no_run_can_hold_counts_by_itself() -> None:
    # With its neighbour it lasts longer than 6 s, without it less than 2 s.
    segments = [(100_000, Fraction(449, 100)), (3_000_000, Fraction(199, 100))]

    assert peak_bit_rate(segments, 4) == -(-3_000_000 * 8 * 100 // 199)


@given(
    st.lists(st.tuples(st.integers(1, 1 << 24), st.fractions(Fraction(1, 60), 5)), min_size=1, max_size=12)
)
def test_the_peak_is_never_below_the_average(segments: list[tuple[int, Fraction]]) -> None:
    assert peak_bit_rate(segments, 4) >= average_bit_rate(segments)


@given(st.lists(st.tuples(st.integers(1, 1 << 24), st.fractions(1, 4)), min_size=1, max_size=12))
def test_the_peak_is_never_below_the_rate_of_a_usual_segment(segments: list[tuple[int, Fraction]]) -> None:
    peak = peak_bit_rate(segments, 4)

    assert all(peak >= size * 8 / length for size, length in segments if length >= 2)


def test_the_parser_gives_back_what_was_written() -> None:
    playlist = parse_playlist(write_media_playlist(ENDED))

    assert [entry.uri for entry in playlist.entries] == ["000000.m4s", "000001.m4s"]
    assert playlist.value("EXT-X-ENDLIST") == ""
    assert not playlist.is_multivariant


def test_subtitles_are_named_beside_every_variant_and_may_have_long_segments() -> None:
    texts = [
        TextRendition(group="text", name="English", uri="s0.m3u8", language="en", default=True),
        TextRendition(group="text", name="For signs", uri="s1.m3u8", forced=True, described=True),
    ]
    variant = Variant(uri="video.m3u8", bandwidth=10, codecs=["avc1.640020"], text_group="text")
    master = write_multivariant_playlist(MultivariantPlaylist(variants=[variant], texts=texts))
    long = MediaSegment(uri="s0/000000.vtt", duration=Fraction(2201, 300))
    text = write_media_playlist(MediaPlaylist(target_duration=7, segments=[long], ended=True, vod=True))

    assert (
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="English",LANGUAGE="en",DEFAULT=YES,'
        'AUTOSELECT=YES,FORCED=NO,URI="s0.m3u8"\n'
    ) in master
    assert 'FORCED=YES,CHARACTERISTICS="public.accessibility.' in master
    assert ',SUBTITLES="text"\nvideo.m3u8\n' in master
    assert "EXT-X-MAP" not in text
    film = {"video.m3u8": write_media_playlist(ENDED), "s0.m3u8": text, "s1.m3u8": text, "main.m3u8": master}
    assert validate(film) == []


def test_a_variant_without_its_subtitles_is_refused() -> None:
    variant = Variant(uri="video.m3u8", bandwidth=10, text_group="text")

    with pytest.raises(PlaylistError, match="subtitles"):
        write_multivariant_playlist(MultivariantPlaylist(variants=[variant]))
