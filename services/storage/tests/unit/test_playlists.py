"""URIs of playlists that move house."""

from cinelog_storage.domain.playlists import (
    addresses,
    flattened,
    is_plain,
    readdressed,
    renamed,
    uris,
)
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


MANIFEST = """<MPD mediaPresentationDuration="PT1S">
  <SegmentList timescale="1">
    <Initialization sourceURL="../r/init-1.mp4" />
    <SegmentURL media="../r/000000-000.g0.m4s" />
    <SegmentURL media="../r/000001-000.g0.m4s" mediaRange="0-1" />
  </SegmentList>
</MPD>
"""


def test_every_address_of_a_manifest_is_found_and_nothing_else_changes() -> None:
    found = addresses(MANIFEST)

    moved = readdressed(MANIFEST, {uri: f"s/{number}" for number, uri in enumerate(found)})

    assert found == ("../r/init-1.mp4", "../r/000000-000.g0.m4s", "../r/000001-000.g0.m4s")
    assert '<Initialization sourceURL="s/0" />' in moved
    assert '<SegmentURL media="s/2" mediaRange="0-1" />' in moved
    assert 'mediaPresentationDuration="PT1S"' in moved
