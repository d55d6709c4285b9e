"""How often seams of one kind are decoded both ways, and what a verdict means for the others."""

from typing import Any

from cinelog_download.children.seams import INSIDE, PROOFS, SHARE, Seam, Seams
from cinelog_fastio import KEYFRAME, BundleReader, Packet, StreamParameters

OPEN_GROUP = Packet(data=b"\0\0\1\x06\x06\x01\xc4\0\0\1\x41\xb0", pts=0, dts=0, duration=1, flags=KEYFRAME)
REFRESH = Packet(data=b"\0\0\1\x06\x06\x01\x2c\0\0\1\x41\xe0", pts=0, dts=0, duration=1, flags=KEYFRAME)
IDR = Packet(data=b"\0\0\1\x65\xb8", pts=0, dts=0, duration=1, flags=KEYFRAME)
NOTHING = Seam(at=0, whole=(), entry=0, stop=0)
"""Nothing decodes to nothing, both ways."""


def h264_seams() -> Seams:
    return Seams(
        StreamParameters(codec="h264", extradata=b"", time_base=(1, 24), attributes={}, side_data=())
    )


def test_the_first_seam_of_each_kind_is_compared_whatever_it_costs() -> None:
    seams = h264_seams()

    opened = seams.doubts(OPEN_GROUP, inside=False, packets=1000, taken=1000)
    assert seams.compare(NOTHING, opened)

    assert len(opened) == 1
    assert not seams.doubts(OPEN_GROUP, inside=False, packets=1000, taken=1000)
    assert seams.doubts(REFRESH, inside=False, packets=1000, taken=1000)
    assert seams.doubts(OPEN_GROUP, inside=True, packets=1000, taken=1000) == {INSIDE}
    assert not seams.doubts(IDR, inside=False, packets=1, taken=1000)


def test_further_seams_of_a_kind_are_compared_while_that_costs_little() -> None:
    seams = h264_seams()
    for _ in range(PROOFS):
        doubts = seams.doubts(OPEN_GROUP, inside=False, packets=10, taken=10 * SHARE)
        assert doubts
        seams.compare(NOTHING, doubts)

    assert not seams.doubts(OPEN_GROUP, inside=False, packets=10, taken=10**9)


def test_a_kind_that_was_refused_is_entered_nowhere_and_others_still_are(
    films: Any, media: Any, tmp_path: Any
) -> None:
    options = {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=12"}
    path = films.make("refreshing.mkv", media.Film(options=options, frames=48))
    [unit] = media.units(media.demux([path], tmp_path, segment_s=60.0))
    with BundleReader.open(unit.path) as bundle:
        packets, seams = list(bundle), Seams(bundle.parameters)
    entry = next(n for n, packet in enumerate(packets) if n and packet.flags & KEYFRAME)
    at = packets[entry].pts
    assert at is not None

    doubts = seams.doubts(packets[entry], inside=False, packets=2 * len(packets), taken=len(packets))
    clean = seams.compare(Seam(at=at, whole=packets, entry=entry, stop=entry), doubts)

    assert not clean
    assert not seams.may_begin_at(packets[entry])
    assert seams.may_begin_at(packets[0])
    assert not seams.inside_refused


def test_a_kind_that_nobody_may_look_at_is_entered_nowhere_unless_it_was_proven() -> None:
    seams = h264_seams()
    proven = seams.doubts(OPEN_GROUP, inside=False, packets=1, taken=1000)
    seams.compare(NOTHING, proven)

    clean = [
        seams.leave_unproven(proven),
        seams.leave_unproven(seams.doubts(REFRESH, inside=False, packets=1000, taken=1000)),
    ]

    assert clean == [True, False]
    assert seams.may_begin_at(OPEN_GROUP)
    assert not seams.may_begin_at(REFRESH)
