"""How subtitles are presented beside the picture."""

from fractions import Fraction

from cinelog_common.cmaf.playlists import write_media_playlist
from cinelog_common.contract.values import Subtitle
from cinelog_merge.domain.captions import renditions, segment_count, text_playlist
from hypothesis import given
from hypothesis import strategies as st


def track(number: int, **fields: object) -> Subtitle:
    return Subtitle(name=f"s{number}", key=f"k{number}", **fields)  # type: ignore[arg-type]


def test_tracks_are_told_apart_and_one_at_most_is_shown_unasked() -> None:
    tracks = [
        track(0, language="eng", title='Full "sub"', default=True),
        track(1, language="eng"),
        track(2, language="eng", default=True, forced=True),
        track(3),
    ]

    found = renditions(tracks)

    assert [one.name for one in found] == ["Full sub", "eng", "eng 3", "Subtitles 4"]
    assert [one.language for one in found] == ["en", "en", "en", ""]
    assert [one.default for one in found] == [True, False, False, False]
    assert [one.forced for one in found] == [False, False, True, False]


@given(st.fractions(Fraction(1, 1000), 100_000))
def test_the_text_is_as_long_as_the_film(film_s: Fraction) -> None:
    playlist = text_playlist(track(0), film_s)

    assert sum(segment.duration for segment in playlist.segments) == film_s
    assert len(playlist.segments) == segment_count(film_s)
    assert write_media_playlist(playlist).endswith("#EXT-X-ENDLIST\n")
