"""URIs of playlists that move house."""

from cinelog_storage.domain.playlists import flattened, is_plain, renamed, uris
from hypothesis import given
from hypothesis import strategies as st

MEDIA = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-MAP:URI="../r/init-1.mp4"
#EXTINF:4.0,
../r/000000-000.g0.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="../s/init-2.mp4",BYTERANGE="10@0"
#EXTINF:4.0,URI="not one"
../r/000001-000.g0.m4s
#EXT-X-ENDLIST
"""


def test_segments_and_every_map_are_found_in_order() -> None:
    assert uris(MEDIA) == (
        "../r/init-1.mp4",
        "../r/000000-000.g0.m4s",
        "../s/init-2.mp4",
        "../r/000001-000.g0.m4s",
    )


def test_only_uris_change() -> None:
    names = {"../r/init-1.mp4": "a/init-1.mp4", "../r/000000-000.g0.m4s": "a/0.m4s"}

    text = renamed(MEDIA, names)

    assert '#EXT-X-MAP:URI="a/init-1.mp4"\n' in text
    assert "\na/0.m4s\n" in text
    assert '#EXT-X-MAP:URI="../s/init-2.mp4",BYTERANGE="10@0"\n' in text
    assert text.count("\n") == MEDIA.count("\n")


def test_an_audio_group_names_its_playlist_in_an_attribute() -> None:
    master = '#EXTM3U\n#EXT-X-MEDIA:GROUP-ID="s",URI="a0.m3u8"\n#EXT-X-STREAM-INF:B=1\nv.m3u8\n'

    assert uris(master) == ("a0.m3u8", "v.m3u8")


@given(st.lists(st.text(st.sampled_from("ab./\0é"), min_size=1, max_size=8), unique=True))
def test_places_below_a_folder_are_plain_and_never_two_the_same(wanted: list[str]) -> None:
    names = flattened(wanted, "strand")

    assert len(set(names.values())) == len(wanted)
    assert all(
        name.startswith("strand/") and is_plain(name.removeprefix("strand/")) for name in names.values()
    )
