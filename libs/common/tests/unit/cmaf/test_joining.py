import errno
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from av.stream import Disposition
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, read_fragment, write_fragment
from cinelog_common.cmaf.inits import parameter_hash
from cinelog_common.cmaf.joining import (
    JoinError,
    JoinTags,
    JoinTrack,
    SegmentPlan,
    _head,
    join_mp4,
    movie_timescale,
    plan_join,
    write_join,
)
from cinelog_common.cmaf.movietables import read_movie
from cinelog_common.cmaf.testing import VideoRecipe, clicks_in, encode_clicks, encode_video, number_in
from cinelog_common.errors import Category
from cinelog_fastio import checksum_file
from msgspec.structs import replace


def shown(path: Path) -> list[tuple[int, int]]:
    """(number in the picture, pts in 90 kHz ticks) of every decoded frame."""
    with av.open(path) as film:
        stream = film.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        return [
            (number_in(frame), int((frame.pts or 0) * frame.time_base * 90000))
            for frame in film.decode(stream)
        ]


def planned(track: JoinTrack) -> list[int]:
    times: list[int] = []
    for path in track.fragments:
        fragment = read_fragment(path.read_bytes())
        dts = fragment.base_time
        for sample in fragment.samples:
            times.append(dts + sample.composition_offset)
            dts += sample.duration
    return sorted(times)


@pytest.mark.parametrize("footage", ["pictures", "uneven_pictures"])
def test_every_frame_is_there_once_in_order_and_on_time(
    footage: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    track: JoinTrack = request.getfixturevalue(footage)

    report = join_mp4([track], tmp_path / "film.mp4")

    times = planned(track)
    assert shown(tmp_path / "film.mp4") == list(enumerate(times))
    assert report.tracks[0].samples == len(times)
    assert report.size == (tmp_path / "film.mp4").stat().st_size


def test_each_packet_lasts_as_long_as_its_frame_is_on_screen(
    uneven_pictures: JoinTrack, tmp_path: Path
) -> None:
    join_mp4([uneven_pictures], tmp_path / "film.mp4")

    with av.open(tmp_path / "film.mp4") as film:
        packets = [packet for packet in film.demux(video=0) if packet.size]
        length = film.streams.video[0].duration
    times = planned(uneven_pictures)
    on_screen = dict(zip(times, [*(after - this for this, after in pairwise(times)), 180 * 90], strict=True))
    assert all(packet.duration == on_screen[packet.pts] for packet in packets)
    assert length == times[-1] + 180 * 90
    assert all(before.dts < after.dts for before, after in pairwise(packets))


def test_every_seek_shows_the_frame_of_its_time(uneven_pictures: JoinTrack, tmp_path: Path) -> None:
    join_mp4([uneven_pictures], tmp_path / "film.mp4")
    times = planned(uneven_pictures)

    with av.open(tmp_path / "film.mp4") as film:
        stream = film.streams.video[0]
        for number, time in enumerate(times):
            film.seek(time, stream=stream)
            found = next(frame for frame in film.decode(stream) if frame.pts >= time)
            assert (number_in(found), found.pts) == (number, time)


CODECS = {
    "libx265": (("preset", "ultrafast"), ("x265-params", "log-level=none:bframes=3:scenecut=0")),
    "libvpx-vp9": (("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0")),
    "libsvtav1": (("preset", "12"), ("svtav1-params", "lp=1")),
}


@pytest.mark.parametrize("encoder", CODECS)
def test_other_codecs_join_as_exactly(encoder: str, tmp_path: Path) -> None:
    spans = [
        (range(0, 8 * 3600, 3600), 0, 28800),
        (range(28800, 12 * 3600, 3600), 28800, 43200),
        ([43200], 43200, 50000),
    ]
    encoded = encode_video(spans, VideoRecipe(encoder=encoder, options=CODECS[encoder]))
    paths = []
    for number, segment in enumerate(encoded.segments):
        paths.append(tmp_path / f"{number}.m4s")
        paths[-1].write_bytes(segment)
    track = JoinTrack(init=encoded.init, fragments=paths, kind="video")

    join_mp4([track], tmp_path / "film.mp4")

    assert shown(tmp_path / "film.mp4") == [(number, number * 3600) for number in range(13)]


def test_sound_and_pictures_start_together_and_end_as_planned(
    pictures: JoinTrack, sound: JoinTrack, tmp_path: Path
) -> None:
    report = join_mp4([pictures, sound], tmp_path / "film.mp4")

    with av.open(tmp_path / "film.mp4") as film:
        clicks = clicks_in(film.decode(film.streams.audio[0]))
    with av.open(tmp_path / "film.mp4") as film:
        samples = sum(frame.samples for frame in film.decode(film.streams.audio[0]))
        assert film.duration == 2_400_000
    assert [round(click, 3) for click in clicks] == [0.5, 1.5]
    # libavformat gives out the last AAC frame whole; the edit list says where to stop.
    assert 2.4 * 48000 <= samples < 2.4 * 48000 + 1024
    assert report.duration_s == pytest.approx(2.4)


def test_sixty_of_sixty_clicks_are_heard_within_a_millisecond(tmp_path: Path) -> None:
    encoded = encode_clicks(60, [2.0 * cut for cut in range(1, 30)], 16000)
    paths = []
    for number, segment in enumerate(encoded.segments):
        paths.append(tmp_path / f"{number}.m4s")
        paths[-1].write_bytes(segment)

    join_mp4([JoinTrack(init=encoded.init, fragments=paths, kind="audio")], tmp_path / "sound.mp4")

    with av.open(tmp_path / "sound.mp4") as film:
        clicks = clicks_in(film.decode(audio=0), 16000)
    assert len(paths) == 30
    assert len(clicks) == 60
    assert max(abs(click - (0.5 + at)) for at, click in enumerate(clicks)) < 0.001


def test_the_index_comes_first_and_sound_lies_beside_its_pictures(
    pictures: JoinTrack, sound: JoinTrack, tmp_path: Path
) -> None:
    join_mp4([pictures, sound], tmp_path / "film.mp4")

    movie = read_movie(tmp_path / "film.mp4")
    places = sorted((offset, track.handler) for track in movie.tracks for offset, _ in track.chunks)
    assert [kind for _, kind in places] == [b"vide", b"soun"] * 3
    assert places[0][0] == movie.media[0]
    assert (tmp_path / "film.mp4").read_bytes().index(b"moov") < movie.media[0]


def test_the_same_segments_make_the_same_file(pictures: JoinTrack, sound: JoinTrack, tmp_path: Path) -> None:
    join_mp4([pictures, sound], tmp_path / "one.mp4", JoinTags(title="Sintel"))
    join_mp4([pictures, sound], tmp_path / "two.mp4", JoinTags(title="Sintel"))

    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


def test_titles_and_languages_are_read_by_players(
    pictures: JoinTrack, sound: JoinTrack, tmp_path: Path
) -> None:
    tags = JoinTags(title="Größe 映画", artist="Blender", date="2010", comment="CC BY")

    join_mp4([pictures, replace(sound, language="jpn")], tmp_path / "film.mp4", tags)

    with av.open(tmp_path / "film.mp4") as film:
        assert film.metadata["title"] == "Größe 映画"
        assert (film.metadata["artist"], film.metadata["date"], film.metadata["comment"]) == (
            "Blender",
            "2010",
            "CC BY",
        )
        assert film.streams.audio[0].language == "jpn"


def test_of_several_sounds_the_first_is_the_default(
    pictures: JoinTrack, sound: JoinTrack, tmp_path: Path
) -> None:
    join_mp4([pictures, sound, replace(sound, language="jpn")], tmp_path / "film.mp4")

    with av.open(tmp_path / "film.mp4") as film:
        defaults = [bool(stream.disposition & Disposition.default) for stream in film.streams]
        assert [stream.type for stream in film.streams] == ["video", "audio", "audio"]
    assert defaults == [True, True, False]


def test_rotation_survives_the_join(tmp_path: Path) -> None:
    encoded = encode_video([([0, 3600], 0, 7200)], VideoRecipe(rotation=270))
    (tmp_path / "0.m4s").write_bytes(encoded.segments[0])

    join_mp4(
        [JoinTrack(init=encoded.init, fragments=[tmp_path / "0.m4s"], kind="video")], tmp_path / "film.mp4"
    )

    with av.open(tmp_path / "film.mp4") as film:
        assert next(film.decode(video=0)).rotation == -90


def test_pictures_that_begin_later_than_the_sound_wait(
    pictures: JoinTrack, sound: JoinTrack, tmp_path: Path
) -> None:
    join_mp4([replace(pictures, start_offset=45000), sound], tmp_path / "film.mp4")

    times = [pts for _, pts in shown(tmp_path / "film.mp4")]
    assert times == [45000 + at * 3600 for at in range(60)]
    with av.open(tmp_path / "film.mp4") as film:
        assert [round(click, 3) for click in clicks_in(film.decode(audio=0))] == [0.5, 1.5]


def test_a_first_frame_after_the_start_of_its_segment_covers_it_from_the_start(tmp_path: Path) -> None:
    encoded = encode_video([([1800, 5400, 9000], 0, 12600), ([12600, 16200], 12600, 19800)])
    for number, segment in enumerate(encoded.segments):
        (tmp_path / f"{number}.m4s").write_bytes(segment)
    track = JoinTrack(init=encoded.init, fragments=[tmp_path / "0.m4s", tmp_path / "1.m4s"], kind="video")

    join_mp4([track], tmp_path / "film.mp4")

    assert shown(tmp_path / "film.mp4") == [(0, 0), (1, 5400), (2, 9000), (3, 12600), (4, 16200)]


def test_a_missing_segment_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    holed = replace(pictures, fragments=[pictures.fragments[0], pictures.fragments[2]])

    with pytest.raises(
        JoinError, match=r"video-000002\.m4s begins at 172800, the one before it ends at 86400"
    ):
        join_mp4([holed], tmp_path / "film.mp4")

    assert list(tmp_path.iterdir()) == []


def test_a_segment_file_that_is_gone_or_cut_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    cut = tmp_path / "cut.m4s"
    cut.write_bytes(pictures.fragments[0].read_bytes()[:-1])

    with pytest.raises(JoinError, match=r"cut\.m4s is damaged"):
        join_mp4([replace(pictures, fragments=[cut])], tmp_path / "film.mp4")
    with pytest.raises(JoinError, match=r"gone\.m4s is missing"):
        join_mp4([replace(pictures, fragments=[tmp_path / "gone.m4s"])], tmp_path / "film.mp4")


def test_a_segment_of_other_bytes_than_its_checksum_says_is_named_and_leaves_no_film(
    pictures: JoinTrack, tmp_path: Path
) -> None:
    checksums = {path: checksum_file(path) for path in pictures.fragments}
    plan = plan_join([pictures])
    changed = dict(checksums) | {pictures.fragments[1]: 1}

    write_join(plan, tmp_path / "film.mp4", checksums=checksums)
    with pytest.raises(JoinError, match=r"video-000001\.m4s is not what its sidecar describes") as caught:
        write_join(plan, tmp_path / "other.mp4", checksums=changed)

    assert caught.value.category is Category.DAMAGED
    assert list(tmp_path.iterdir()) == [tmp_path / "film.mp4"]


def test_a_segment_that_becomes_shorter_meanwhile_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    cut = tmp_path / "cut.m4s"
    cut.write_bytes(pictures.fragments[0].read_bytes())
    plan = plan_join([replace(pictures, fragments=[cut])])
    cut.write_bytes(cut.read_bytes()[:-1])

    with pytest.raises(JoinError, match=r"became shorter while it was joined: cut\.m4s"):
        write_join(plan, tmp_path / "film.mp4")

    assert list(tmp_path.iterdir()) == [cut]


def test_a_segment_that_begins_in_mid_air_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    loose = tmp_path / "loose.m4s"
    sample = Sample(size=1, duration=1, composition_offset=0, sync=False)
    loose.write_bytes(write_fragment(FragmentSpec(sequence=1, base_time=0, samples=[sample]), b"x"))

    with pytest.raises(JoinError, match=r"loose\.m4s does not begin with"):
        join_mp4([replace(pictures, fragments=[loose])], tmp_path / "film.mp4")


def test_a_segment_of_other_parameters_is_refused(pictures: JoinTrack, tmp_path: Path) -> None:
    own = parameter_hash(pictures.init)
    expected = [SegmentPlan(start=0, end=86400, samples=24, parameter_hash=own)]
    first = replace(pictures, fragments=pictures.fragments[:1])

    join_mp4([replace(first, expected=expected)], tmp_path / "film.mp4")
    with pytest.raises(JoinError, match=r"video-000000\.m4s was encoded with other parameters"):
        plan_join([replace(first, expected=[replace(expected[0], parameter_hash="0" * 16)])])
    with pytest.raises(JoinError, match="24 samples, planned are 25"):
        plan_join([replace(first, expected=[replace(expected[0], samples=25)])])
    with pytest.raises(JoinError, match=r"covers \[0, 86400\), planned is \[0, 90000\)"):
        plan_join([replace(first, expected=[replace(expected[0], end=90000)])])
    with pytest.raises(JoinError, match="1 segments are there of 2"):
        plan_join([replace(first, expected=expected * 2)])


def test_an_unwritable_folder_is_named(pictures: JoinTrack, tmp_path: Path) -> None:
    with pytest.raises(JoinError) as caught:
        join_mp4([pictures], tmp_path / "nowhere" / "film.mp4")

    assert caught.value.category is Category.NOT_WRITABLE


def test_a_full_disk_leaves_nothing_behind(
    pictures: JoinTrack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)

    with pytest.raises(JoinError) as caught:
        join_mp4([pictures], tmp_path / "film.mp4")

    assert caught.value.category is Category.NO_SPACE
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_that_promises_no_space_is_written_all_the_same(
    pictures: JoinTrack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)

    report = join_mp4([pictures], tmp_path / "film.mp4")

    assert (tmp_path / "film.mp4").stat().st_size == report.size


def test_edits_are_exact_where_timescales_differ(pictures: JoinTrack, sound: JoinTrack) -> None:
    plan = plan_join([pictures, sound])

    scale = movie_timescale(plan)

    assert scale == 720000
    assert all(
        (Fraction(track.presented, track.header.timescale) * scale).denominator == 1 for track in plan.tracks
    )


def test_a_film_beyond_four_gigabytes_gets_wide_offsets(tmp_path: Path, pictures: JoinTrack) -> None:
    size = 3 << 30
    sample = Sample(size=1, duration=3600, composition_offset=0, sync=True)
    paths = []
    for number in range(2):
        head = write_fragment(FragmentSpec(sequence=1, base_time=number * 3600, samples=[sample]), b"x")
        huge = head[:-9].replace(
            (1).to_bytes(4, "big") + (0x02000000).to_bytes(4, "big"),
            size.to_bytes(4, "big") + (0x02000000).to_bytes(4, "big"),
        )
        path = tmp_path / f"huge-{number}.m4s"
        with path.open("wb") as file:
            file.write(huge + (size + 8).to_bytes(4, "big") + b"mdat")
            file.truncate(len(huge) + 8 + size)
        paths.append(path)

    plan = plan_join([replace(pictures, fragments=paths)])

    head = _head(plan, JoinTags())
    assert b"co64" in head
    assert head.endswith((1).to_bytes(4, "big") + b"mdat" + (2 * size + 16).to_bytes(8, "big"))
