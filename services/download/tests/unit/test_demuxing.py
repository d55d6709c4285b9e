"""The exactness of units: every picture of the whole file, once, however its bytes arrive."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cinelog_common.contract.units import decode_meta
from cinelog_common.contract.values import Hold
from cinelog_common.errors import Category, PermanentError
from cinelog_download.children import decoding
from cinelog_download.domain.demuxing import Finished, Limits, Probed
from cinelog_fastio import BundleReader
from cinelog_testkit.corpus.films import Film, write_film
from cinelog_testkit.corpus.surgery import ffmpeg

FILMS: dict[str, dict[str, Any]] = {
    "closed.mp4": {},
    "moov-in-front.mp4": {"container": {"movflags": "faststart"}},
    "fragmented.mp4": {"container": {"movflags": "frag_keyframe+empty_moov+delay_moov"}},
    "open.mp4": {"options": "OPEN"},
    "open.ts": {"options": "OPEN", "audio": "mp2"},
    "open.mkv": {"options": "OPEN"},
    "hevc.mp4": {"codec": "libx265", "options": "X265"},
    "hevc.ts": {"codec": "libx265", "options": "X265"},
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "audio": "libopus",
        "options": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "10", "auto-alt-ref": "1"},
    },
    "vp8.webm": {
        "codec": "libvpx",
        "audio": "libopus",
        "options": {"deadline": "good", "cpu-used": "5", "lag-in-frames": "10", "auto-alt-ref": "1"},
    },
    "reordered.avi": {"audio": "libmp3lame"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}, "audio": "libmp3lame"},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"bf": "2"}, "audio": "mp2"},
    "interlaced.ts": {
        "options": {"preset": "ultrafast", "flags": "+ildct+ilme", "x264-params": "tff=1:scenecut=0"},
        "audio": "mp2",
    },
    "interlaced.mpg": {
        "codec": "mpeg2video",
        "options": {"flags": "+ildct+ilme", "bf": "2"},
        "audio": "mp2",
        "format": "vob",
    },
    "flash.flv": {},
    "raw-sound.mov": {"audio": "pcm_s16le"},
    "offset.mp4": {"picture_from": 7},
    "one-long-group.mp4": {"keyint": 500, "frames": 96},
    "intra-refresh.mp4": {"options": {"preset": "ultrafast", "x264-params": "intra-refresh=1:keyint=12"}},
    "one-picture.mp4": {"frames": 1, "audio": ""},
    "silent.mp4": {"audio": ""},
    "ntsc.mkv": {"rate": 30, "time_base": Fraction(1001, 30000)},
    "vfr.mp4": {
        "time_base": Fraction(1, 1000),
        "times": lambda n: n * 40 + n % 3 * 9 + (700 if n > 20 else 0),
    },
}


def film_of(media: Any, name: str) -> Any:
    fields = dict(FILMS[name])
    match fields.get("options"):
        case "OPEN":
            fields["options"] = media.OPEN
        case "X265":
            fields["options"] = {"preset": "ultrafast", "x265-params": media.X265}
    return media.Film(**fields)


@pytest.mark.parametrize("name", FILMS)
def test_units_hold_every_picture_of_the_whole_file(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    path = films.make(name, film_of(media, name))

    told = media.demux([path], tmp_path)

    assert isinstance(told[0], Probed)
    assert isinstance(told[-1], Finished)
    assert media.in_units(told) == media.whole(path)


@pytest.mark.parametrize("name", ["interlaced.ts", "interlaced.mpg"])
def test_units_of_interlaced_films_bring_the_pictures_beside_their_ends(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    path = films.make(name, film_of(media, name))

    units = media.units(media.demux([path], tmp_path))

    assert len(units) > 2
    for unit in units:
        with BundleReader.open(unit.path) as reader:
            pictures = decoding.pictures(reader.parameters, list(reader))
        assert unit is units[0] or min(pictures) < unit.start
        assert unit is units[-1] or max(pictures) >= unit.end


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "vp9.webm", "reordered.avi"])
def test_the_size_need_not_be_known(films: Any, media: Any, tmp_path: Path, name: str) -> None:
    path = films.make(name, film_of(media, name))

    told = media.demux([path], tmp_path, known=False, step=1000)

    assert media.in_units(told) == media.whole(path)


@pytest.mark.parametrize("name", ["a.h264", "a.hevc"])
def test_a_stream_without_any_times_gets_them(films: Any, media: Any, tmp_path: Path, name: str) -> None:
    film = media.Film(audio="", options=media.OPEN)
    if name == "a.hevc":
        options = {"preset": "ultrafast", "x265-params": media.X265}
        film = media.Film(audio="", codec="libx265", options=options)
    path = films.make(name, film)

    found = media.in_units(media.demux([path], tmp_path))

    assert [found[pts] for pts in sorted(found)] == media.in_order(path)
    assert len({after - before for before, after in pairwise(sorted(found))}) == 1


def test_how_the_bytes_arrive_changes_nothing(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("open.mkv", film_of(media, "open.mkv"))

    slow = media.demux([path], tmp_path / "slow", step=500)
    fast = media.demux([path], tmp_path / "fast", step=1 << 30)

    made = [sorted(folder.iterdir()) for folder in (tmp_path / "slow", tmp_path / "fast")]
    assert [path.name for path in made[0]] == [path.name for path in made[1]]
    assert [path.read_bytes() for path in made[0]] == [path.read_bytes() for path in made[1]]
    assert len(slow) == len(fast)


def test_units_meet_without_a_gap_and_say_who_is_last(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("closed.mp4")

    told = media.units(media.demux([path], tmp_path))

    assert told[0].start == 0
    assert [unit.start for unit in told[1:]] == [unit.end for unit in told[:-1]]
    metas = []
    for unit in told:
        with BundleReader.open(unit.path) as reader:
            metas.append(decode_meta(reader.meta))
    assert [meta.last for meta in metas] == [False] * (len(told) - 1) + [True]
    assert [(meta.start, meta.end, meta.frames) for meta in metas] == [
        (u.start, u.end, u.frames) for u in told
    ]


def test_a_film_that_cannot_be_cut_at_its_keyframes_says_so(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("intra-refresh.mp4", film_of(media, "intra-refresh.mp4"))

    finished = media.demux([path], tmp_path)[-1]

    assert any("cannot be decoded on their own" in warning for warning in finished.warnings)


def test_a_stream_that_changes_to_intra_refresh_in_its_middle_is_cut_only_before_that(
    films: Any, media: Any, tmp_path: Path
) -> None:
    opened = films.make("first.ts", film_of(media, "open.ts"))
    film = media.Film(options=FILMS["intra-refresh.mp4"]["options"], frames=96, audio="mp2")
    refreshed = films.make("second.ts", film)
    path = tmp_path / "changing.ts"
    path.write_bytes(opened.read_bytes() + refreshed.read_bytes())

    told = media.demux([path], tmp_path / "made", segment_s=0.5)

    found = media.in_units(told)
    shown = [digest for part in (opened, refreshed) for _, digest in sorted(media.whole(part).items())]
    assert [found[pts] for pts in sorted(found)] == shown
    change = sorted(found)[48]
    starts = [unit.start for unit in media.units(told)]
    assert len([start for start in starts if start < change]) > 2
    assert change in starts
    assert any("cannot be decoded on their own" in warning for warning in told[-1].warnings)


@pytest.mark.parametrize("name", ["closed.mp4", "open.ts", "hevc.mp4", "interlaced.ts", "mpeg2.ts"])
def test_a_unit_that_is_stored_again_holds_those_after_it_and_is_decoded_from_earlier_on(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    fields = film_of(media, name)
    path = films.make(name, msgspec.structs.replace(fields, frames=120))
    plain = media.units(media.demux([path], tmp_path / "plain"))

    end = plain[-1].n
    holds = (Hold(n=2, last=3, since=1), Hold(n=end, last=99, since=end))
    told = media.demux([path], tmp_path / "again", regenerate={"2": 1, str(end): 1}, holds=holds)

    again = media.units(told)
    assert media.in_units(told) == media.whole(path)
    assert [unit.n for unit in again] == [unit.n for unit in plain if unit.n != 3]
    assert (again[2].start, again[2].end) == (plain[2].start, plain[3].end)
    assert again[2].frames == plain[2].frames + plain[3].frames
    assert [unit.generation for unit in again] == [int(unit.n in (2, end)) for unit in again]
    with BundleReader.open(again[2].path) as bundle, BundleReader.open(plain[1].path) as before:
        assert next(iter(bundle)).data == next(iter(before)).data
        assert decode_meta(bundle.meta).frames == again[2].frames
    kept = [n for n in range(len(plain)) if n not in (2, 3, end)]
    assert [Path(plain[n].path).read_bytes() for n in kept] == [
        Path(unit.path).read_bytes() for unit in again if unit.n in kept
    ]


def test_a_first_unit_is_told_before_half_of_the_film_arrived(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("moov-in-front.mp4", film_of(media, "moov-in-front.mp4"))
    arrived: list[int] = []

    told = media.demux([path], tmp_path, step=1024, arrived=arrived)

    first = told.index(media.units(told)[0])
    assert arrived[first] < path.stat().st_size / 2


def test_an_index_spares_waiting_for_a_keyframe_that_does_not_come(
    films: Any, media: Any, tmp_path: Path
) -> None:
    film = media.Film(frames=240, keyint=500, container={"movflags": "faststart"}, size=(160, 96))
    path = films.make("one-group-in-front.mp4", film)
    arrived: list[int] = []

    told = media.demux([path], tmp_path, step=1024, arrived=arrived, segment_s=4.0)

    first = media.units(told)[0]
    assert (first.start, first.end) == (0, 12288 // 2)
    assert arrived[told.index(first)] < path.stat().st_size * 0.15


def test_rotation_and_shape_come_from_the_container(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("portrait.mp4", media.Film(rotation=90, frames=12))

    video = media.demux([path], tmp_path)[0].video

    assert (video.width, video.height, video.rotation) == (64, 48, 270)


def test_an_edit_list_is_obeyed(films: Any, media: Any, tmp_path: Path) -> None:
    # Negative times make the muxer write an edit list that hides what lies before 0.
    film = media.Film(picture_from=-6, container={"avoid_negative_ts": "disabled"})
    path = films.make("edited.mp4", film)

    told = media.demux([path], tmp_path)

    assert media.in_units(told) == media.whole(path)


@pytest.mark.parametrize("name", ["open.ts", "hevc.ts", "mpeg2.ts"])
def test_a_recording_that_begins_amid_a_group_is_whole_from_its_first_keyframe(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    data = films.make(name, film_of(media, name)).read_bytes()
    late = tmp_path / name
    late.write_bytes(data[: 4 * 188] + data[len(data) // 188 // 3 * 188 :])

    told = media.demux([late], tmp_path / "made")

    assert media.in_units(told) == media.whole(late)


def test_two_recordings_in_one_file_follow_each_other(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("open.ts", film_of(media, "open.ts"))
    twice = tmp_path / "twice.ts"
    twice.write_bytes(path.read_bytes() * 2)

    told = media.demux([twice], tmp_path / "made")

    once = media.whole(path)
    found = media.in_units(told)
    assert [found[pts] for pts in sorted(found)] == [once[pts] for pts in sorted(once)] * 2
    assert max(found) == 48 * 3750 + max(once)
    assert 48 * 3750 in {unit.start for unit in media.units(told)}


def test_an_encrypted_film_is_refused(films: Any, media: Any, tmp_path: Path) -> None:
    encryption = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "76a6c65c5ea762046bd749a2e632ccbb",
        "encryption_kid": "a7e61c373e219033c21091fa607bf3b8",
    }
    path = films.make("encrypted.mp4", media.Film(container=encryption))

    with pytest.raises(PermanentError) as caught:
        media.demux([path], tmp_path)

    assert caught.value.category == Category.PROTECTED


def test_a_picture_in_an_unknown_codec_is_refused_rather_than_left_out(
    films: Any, media: Any, tmp_path: Path
) -> None:
    data = films.make("film.mp4").read_bytes()
    entry = data.rindex(b"avc1\0\0\0\0")
    path = tmp_path / "unknown.mp4"
    path.write_bytes(data[:entry] + b"zzzz" + data[entry + 4 :])

    with pytest.raises(PermanentError) as caught:
        media.demux([path], tmp_path)

    assert caught.value.category == Category.UNSUPPORTED_MEDIA


def test_a_truncated_film_names_how_much_is_missing(films: Any, media: Any, tmp_path: Path) -> None:
    for name in ("moov-in-front.mp4", "open.mkv", "fragmented.mp4"):
        path = films.make(name, film_of(media, name))
        cut = tmp_path / f"cut-{name}"
        cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

        with pytest.raises(PermanentError) as caught:
            media.demux([cut], tmp_path / name)

        assert caught.value.category == Category.DAMAGED
        assert any(character.isdigit() for character in caught.value.message)


def test_a_recording_that_ends_amid_a_packet_says_so(films: Any, media: Any, tmp_path: Path) -> None:
    data = films.make("open.ts", film_of(media, "open.ts")).read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(data[: len(data) // 188 // 2 * 188 + 100])

    finished = media.demux([cut], tmp_path / "made")[-1]

    assert any("in the middle of a packet" in warning for warning in finished.warnings)


@pytest.mark.parametrize("name", ["moov-in-front.mp4", "open.mkv", "fragmented.mp4"])
def test_what_there_is_of_a_truncated_film_is_delivered_where_that_was_asked_for(
    films: Any, media: Any, tmp_path: Path, name: str
) -> None:
    path = films.make(name, film_of(media, name))
    cut = tmp_path / name
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    told = media.demux([cut], tmp_path / "made", salvage=True)

    whole = media.whole(path)
    found: dict[int, bytes] = {}
    for unit in media.units(told):
        with BundleReader.open(unit.path) as reader:
            found |= decoding.pictures(reader.parameters, list(reader))
    assert len(found) > len(whole) // 3
    same = [pts for pts, digest in found.items() if whole.get(pts) == digest]
    # The last picture may be half there.
    assert len(same) >= len(found) - 1
    assert any("damaged" in warning or "breaks off" in warning for warning in told[-1].warnings)


@pytest.mark.parametrize(
    ("data", "category"),
    [
        (b"", Category.NOT_MEDIA),
        (bytes(200_000), Category.NOT_MEDIA),
        (b"<!doctype html><title>No film</title>" * 200, Category.NOT_MEDIA),
        (b"#EXTM3U\n#EXTINF:4,\n/etc/passwd\n", Category.NOT_MEDIA),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", Category.NOT_MEDIA),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + b"\0\0\x10\0mdat" + bytes(4088), Category.DAMAGED),
    ],
)
def test_what_is_no_film_is_refused(media: Any, tmp_path: Path, data: bytes, category: Category) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(data)

    with pytest.raises(PermanentError) as caught:
        media.demux([path], tmp_path / "made")

    assert caught.value.category == category


def test_a_picture_that_nobody_can_size_is_refused(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("vp9.webm", film_of(media, "vp9.webm"))
    sizeless = tmp_path / "sizeless.webm"
    # PixelWidth and PixelHeight become elements that nobody knows, and no picture can be decoded.
    data = (
        path.read_bytes().replace(b"\xb0\x81\x40", b"\xec\x81\x40").replace(b"\xba\x81\x30", b"\xec\x81\x30")
    )
    at = data.find(b"\x1f\x43\xb6\x75")
    sizeless.write_bytes(data[:at] + data[at:].replace(b"\x49\x83\x42", b"\0\0\0"))

    with pytest.raises(PermanentError) as caught:
        media.demux([sizeless], tmp_path / "made")

    assert caught.value.category == Category.DAMAGED


def test_limits_are_kept(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("closed.mp4")

    tight = (
        (Limits(pixels=100), "64 × 48 pixels a picture, 100 pixels allowed", "MAX_PIXELS"),
        (Limits(duration_s=0.5), " s allowed", "MAX_DURATION_S"),
        (Limits(frames=10), "more than 10 pictures", "MAX_FRAMES"),
        (Limits(streams=1), "2 streams, 1 allowed", "MAX_STREAMS"),
        (Limits(units=1), "more than 1 units", "MAX_UNITS"),
    )
    for limits, words, setting in tight:
        with pytest.raises(PermanentError) as caught:
            media.demux([path], tmp_path, limits=limits)
        assert caught.value.category == Category.LIMIT_EXCEEDED
        assert words in caught.value.message
        assert f"CINELOG_DOWNLOAD_{setting} " in caught.value.action


def test_a_silent_film_of_which_only_the_sound_is_wanted_is_said_to_be_silent(
    media: Any, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mkv", Film(frames=24, voices=()))

    with pytest.raises(PermanentError, match="has no sound") as caught:
        media.demux([film], tmp_path / "made", video="none")

    assert caught.value.category == Category.UNSUPPORTED_MEDIA


def test_tags_are_of_the_film_and_not_of_its_container(films: Any, media: Any, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    ffmpeg("-i", films.make("closed.mp4"), "-metadata", "title=A film", "-c", "copy", film)

    told = media.demux([film], tmp_path / "made")

    probed = next(message for message in told if isinstance(message, Probed))
    assert probed.tags == {"title": "A film"}


@pytest.mark.parametrize(
    "oddity",
    [
        pytest.param(["-i", "endless.srt", "-map", "0", "-map", "1"], id="text without an end"),
        pytest.param(["-output_ts_offset", "1700000"], id="a clock that began long ago"),
    ],
)
def test_only_picture_and_sound_count_against_the_longest_duration(
    films: Any, media: Any, tmp_path: Path, oddity: list[str]
) -> None:
    cue = "1\n00:00:00,500 --> 99:59:59,000\nFor ever\n"
    (tmp_path / "endless.srt").write_text(cue)
    words = [str(tmp_path / word) if word.endswith(".srt") else word for word in oddity]
    film = tmp_path / "film.mkv"
    ffmpeg("-i", films.make("closed.mp4"), *words, "-c:v", "copy", "-c:a", "copy", film)

    told = media.demux([film], tmp_path / "made")

    probed = next(message for message in told if isinstance(message, Probed))
    assert probed.duration_s == pytest.approx(told[-1].duration_s, abs=0.2)


def test_a_stream_that_does_not_say_how_long_it_is_may_not_be_too_long(
    films: Any, media: Any, tmp_path: Path
) -> None:
    path = films.make("open.ts", film_of(media, "open.ts"))

    with pytest.raises(PermanentError) as caught:
        media.demux([path], tmp_path, limits=Limits(duration_s=1.0))

    assert caught.value.category == Category.LIMIT_EXCEEDED
