"""What may follow a published playlist."""

import pytest
from cinelog_merge.domain.growth import Growth, longer_master, longer_media
from hypothesis import given
from hypothesis import strategies as st

END = "#EXT-X-ENDLIST\n"


def _text(count: int, *, ended: bool = False) -> str:
    return "#EXTM3U\n" + "".join(f"#EXTINF:1,\n{n}.m4s\n" for n in range(count)) + (END if ended else "")


@given(one=st.integers(0, 30), other=st.integers(0, 30), ended=st.booleans())
def test_of_two_honest_texts_only_the_longer_follows(one: int, other: int, *, ended: bool) -> None:
    published, text = _text(one), _text(other, ended=ended and other >= one)

    verdict = longer_media(published, text)

    grown = other > one or (other == one and ended)
    assert verdict is (Growth.LONGER if grown else Growth.OLDER)


@given(one=st.integers(0, 30), other=st.integers(0, 30), ended=st.booleans())
def test_nothing_follows_the_end(one: int, other: int, *, ended: bool) -> None:
    verdict = longer_media(_text(one, ended=True), _text(other, ended=ended))

    assert verdict is (Growth.CLOSED if other > one else Growth.OLDER)


def test_a_closed_playlist_is_still_held_to_what_it_said() -> None:
    assert longer_media(_text(2, ended=True), _text(1) + "#EXTINF:9,\n1.m4s\n" * 2) is Growth.OTHER


@pytest.mark.parametrize("text", ["#EXTM3U\n#EXTINF:1,\nother.m4s\n" * 9, "", "#EXTM3U\n#EXTINF:2,\n0.m4s\n"])
def test_what_contradicts_is_never_taken_for_growth(text: str) -> None:
    assert longer_media(_text(2), text) is not Growth.LONGER


def test_a_multivariant_playlist_gains_and_never_loses() -> None:
    old = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"
    new = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="a.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=2\nv.m3u8\n'
    alone = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n"

    assert longer_master(old, new) is Growth.LONGER
    assert longer_master(alone, new) is Growth.LONGER
    assert longer_master(new, old) is Growth.OLDER
    assert longer_master(old, alone) is Growth.OLDER
    assert longer_master(new, new) is Growth.OLDER


def test_a_multivariant_playlist_may_raise_what_it_promises_and_never_lower_it() -> None:
    low, high = (f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={bps},CODECS=x\nv.m3u8\n" for bps in (9, 10))

    assert longer_master(low, high) is Growth.LONGER
    assert longer_master(high, low) is Growth.OLDER
