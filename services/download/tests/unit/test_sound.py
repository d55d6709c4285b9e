"""The sound: every click where it belongs, whatever the source's offsets, gaps and layouts."""

import re
import struct
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.inits import init_info
from cinelog_common.contract.values import AudioRecipe
from cinelog_download.children.encoders import Voice
from cinelog_download.children.sound import Line, Sound
from cinelog_download.domain.demuxing import Finished, FragmentCut, TrackBegun, TrackDone
from cinelog_download.domain.sounding import PictureCuts
from cinelog_testkit.corpus.clicking import Clicks, frames_of


def fragments(told: list[Any]) -> list[FragmentCut]:
    return [message for message in told if isinstance(message, FragmentCut)]


def heard(told: list[Any]) -> tuple[list[float], int]:
    """Decode init and fragments as a player does; return mono samples after the priming, and the rate."""
    begun = next(message for message in told if isinstance(message, TrackBegun))
    joined = Path(begun.init_path).with_name("joined.mp4")
    parts = [Path(fragment.path).read_bytes() for fragment in fragments(told)]
    init = Path(begun.init_path).read_bytes()
    joined.write_bytes(init + b"".join(parts))
    samples: list[float] = []
    with av.open(str(joined)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="mono", rate=begun.timescale)
        for frame in container.decode(stream):
            for made in resampler.resample(frame):
                samples += struct.unpack(f"<{made.samples}f", bytes(made.planes[0])[: 4 * made.samples])
    return samples, begun.timescale


def clicks(samples: list[float], rate: int) -> list[float]:
    """Return when each click begins, in seconds."""
    found: list[float] = []
    for at, value in enumerate(samples):
        if abs(value) > 0.2 and (not found or at / rate - found[-1] > 0.25):
            found.append(at / rate)
    return found


def assert_clicks(found: list[float], *, first_s: float, count: int) -> None:
    assert len(found) == count
    for n, at in enumerate(found):
        assert abs(at - (first_s + n * 0.5)) < 0.001


@pytest.mark.parametrize(
    "case",
    [
        ("aac.mp4", AudioRecipe()),
        ("libopus.webm", AudioRecipe()),
        ("flac.mkv", AudioRecipe()),
        ("aac.mp4", AudioRecipe(codec="opus")),
        ("flac.mkv", AudioRecipe(loudness_lufs=-20.0)),
        ("aac.mp4", AudioRecipe(mode="copy")),
        ("libopus.webm", AudioRecipe(mode="copy")),
    ],
)
def test_every_click_stays_where_it_was(films: Any, media: Any, tmp_path: Path, case: Any) -> None:
    name, recipe = case
    codec = {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    film = media.Film(frames=240, audio=Path(name).stem, **(codec if name.endswith("webm") else {}))
    path = films.make(f"clicks-{name}", film)

    told = media.demux([path], tmp_path, audio=recipe)

    assert_clicks(clicks(*heard(told)), first_s=0.0, count=20)


def test_a_track_tells_how_loud_it_is_as_it_was_encoded(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("measured.mp4", media.Film(frames=120))

    plain = media.demux([path], tmp_path / "plain")
    quieter = media.demux([path], tmp_path / "quieter", audio=AudioRecipe(loudness_lufs=-36.0))
    copied = media.demux([path], tmp_path / "copied", audio=AudioRecipe(mode="copy"))

    (loud,), (quiet,), (passed,) = (
        [message.loudness for message in told if isinstance(message, TrackDone)]
        for told in (plain, quieter, copied)
    )
    assert quiet.integrated_lufs < loud.integrated_lufs - 6
    assert quiet.true_peak_dbtp < loud.true_peak_dbtp < 0
    assert passed.integrated_lufs == pytest.approx(loud.integrated_lufs, abs=0.5)
    assert passed.true_peak_dbtp == pytest.approx(loud.true_peak_dbtp, abs=1.5)


def test_sound_that_starts_late_is_preceded_by_silence(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("late.mkv", media.Film(frames=72, sound_from_s=0.75, sound_s=2.25))

    told = media.demux([path], tmp_path)

    assert_clicks(clicks(*heard(told)), first_s=0.75, count=5)


def test_sound_that_starts_early_is_trimmed(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("early.mkv", media.Film(frames=48, picture_from=6, sound_s=2.0))

    told = media.demux([path], tmp_path)

    found = clicks(*heard(told))
    assert_clicks(found, first_s=0.25, count=3)


def test_sound_that_ends_early_is_carried_on_as_silence(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("short-sound.mp4", media.Film(frames=72, sound_s=1.0))

    told = media.demux([path], tmp_path)

    done = next(message for message in told if isinstance(message, TrackDone))
    assert done.end == 3 * media.RATE


def test_fragments_lie_near_the_pictures_cuts_and_meet(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("grid.mp4", media.Film(frames=120))

    told = media.demux([path], tmp_path)

    cuts = [unit.end / 12288 for unit in media.units(told)]
    pieces = fragments(told)
    assert pieces[0].start == 0
    for one, other in pairwise(pieces):
        assert one.end == other.start
    for cut, piece in zip(cuts[:-1], pieces, strict=False):
        assert 0 <= piece.end / media.RATE - cut < 0.03
    decode_time = 0
    for piece in pieces:
        data = Path(piece.path).read_bytes()
        fragment = read_fragment(data)
        assert fragment.base_time == decode_time
        decode_time += fragment.duration
    begun = next(message for message in told if isinstance(message, TrackBegun))
    assert init_info(Path(begun.init_path).read_bytes()).codec == begun.codec == "mp4a.40.2"


def test_a_long_unit_makes_no_long_fragment(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("long-unit.mp4", media.Film(frames=240, keyint=500))

    told = media.demux([path], tmp_path)

    longest = max(piece.end - piece.start for piece in fragments(told))
    assert longest <= 2.05 * media.RATE


@pytest.mark.parametrize("name", ["sound.m4a", "sound.mp3", "sound.ogg", "sound.wav", "sound.flac"])
def test_sound_alone_is_cut_by_its_own_grid(films: Any, media: Any, tmp_path: Path, name: str) -> None:
    codec = {"m4a": "aac", "mp3": "libmp3lame", "ogg": "libopus", "wav": "pcm_s16le", "flac": "flac"}
    film = media.Film(frames=0, audio=codec[name.split(".")[1]], sound_s=3.0)
    path = films.make(name, film)

    told = media.demux([path], tmp_path, video="none")

    assert told[0].video is None
    assert isinstance(told[-1], Finished)
    assert (told[-1].units, told[-1].tracks) == (0, ("a0",))
    assert len(fragments(told)) in {3, 4}
    assert_clicks(clicks(*heard(told)), first_s=0.0, count=6)


def test_five_channels_and_the_low_one_are_kept(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("surround.mp4", media.Film(frames=24, layout="5.1"))

    told = media.demux([path], tmp_path)

    begun = next(message for message in told if isinstance(message, TrackBegun))
    assert (begun.channels, begun.bitrate_bps) == (6, 384_000)


def test_two_files_are_read_side_by_side(films: Any, media: Any, tmp_path: Path) -> None:
    picture = films.make("picture-only.mp4", media.Film(frames=120, audio=""))
    sound = films.make("sound-only.m4a", media.Film(frames=0, sound_s=5.0))

    told = media.demux([picture, sound], tmp_path)

    assert media.in_units(told) == media.whole(picture)
    assert_clicks(clicks(*heard(told)), first_s=0.0, count=10)
    kinds = [type(message).__name__ for message in told]
    assert kinds.index("FragmentCut") < len(kinds) - 1 - kinds[::-1].index("UnitCut")


def test_sound_that_mp4_cannot_hold_is_encoded_instead(films: Any, media: Any, tmp_path: Path) -> None:
    path = films.make("raw.mkv", media.Film(frames=48, audio="pcm_s16le"))

    told = media.demux([path], tmp_path, audio=AudioRecipe(mode="copy"))

    begun = next(message for message in told if isinstance(message, TrackBegun))
    assert begun.codec == "mp4a.40.2"
    assert any("encoded as AAC" in warning for warning in told[-1].warnings)


def test_a_frame_that_nobody_can_play_is_silence_and_the_next_ones_are_in_time(tmp_path: Path) -> None:
    told: list[Any] = []
    voice = Voice(rate=48_000, layout="stereo", format="fltp")
    line = Line(
        name="a0", recipe=AudioRecipe(), voice=voice, folder=str(tmp_path), segment_s=1.0, max_segment_s=2.0
    )
    sound = Sound(line, told.append)
    frames = list(frames_of(Clicks(rate=48_000, start_s=0.0, end_s=2.0), "stereo", 1024))
    unplayable = av.AudioFrame("fltp", "58 channels", 1024)
    unplayable.sample_rate = 48_000

    for at, frame in enumerate(frames):
        begins_s = Fraction(at * 1024, 48_000)
        if at == 10:
            with pytest.raises(av.error.FFmpegError):
                sound.add(unplayable, begins_s, cuts=PictureCuts())
        else:
            sound.add(frame, begins_s, cuts=PictureCuts())
    sound.finish(PictureCuts())

    assert sound.reached_s == 2
    assert_clicks(clicks(*heard(told)), first_s=0.0, count=4)


IN_ORDER = {"preset": "ultrafast", "x264-params": "bframes=0:scenecut=0"}
"""Matroska gives the first pictures no times of decoding otherwise, and they could not be copied."""


def remuxed(source: Path, target: Path, move_s: Callable[[int], float]) -> Path:
    """Copy a film with each packet of its sound moved by what `move_s` says of its number."""
    with av.open(str(source)) as film, av.open(str(target), "w") as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in film.streams}
        number = 0
        for packet in film.demux():
            if packet.dts is None or packet.pts is None:
                continue
            if packet.stream.type == "audio":
                # Only the times of showing: a container refuses times of decoding that go back.
                packet.pts += round(Fraction(move_s(number)) / packet.time_base)
                number += 1
            packet.stream = streams[packet.stream_index]
            copy.mux(packet)
    return target


@pytest.mark.parametrize("case", [("encode", 1), ("encode", 4), ("copy", 1), ("copy", 4)])
def test_a_wrong_time_makes_no_silence_and_loses_nothing(
    films: Any, media: Any, tmp_path: Path, case: tuple[str, int]
) -> None:
    mode, laced = case
    film = films.make(f"unmoved-{mode}-{laced}.mkv", media.Film(frames=96, audio="libopus", options=IN_ORDER))
    right = remuxed(film, tmp_path / "right.mkv", lambda n: 0)
    wrong = remuxed(film, tmp_path / "wrong.mkv", lambda n: 30 if 60 <= n < 60 + laced else 0)

    wanted = media.demux([right], tmp_path / "wanted", audio=AudioRecipe(mode=mode))
    told = media.demux([wrong], tmp_path / "made", audio=AudioRecipe(mode=mode))
    slowly = media.demux([wrong], tmp_path / "slowly", audio=AudioRecipe(mode=mode), step=64)

    assert len(clicks(*heard(wanted))) == 8
    assert clicks(*heard(told)) == pytest.approx(clicks(*heard(wanted)), abs=0.002)
    assert [one.end for one in fragments(told)] == pytest.approx(
        [one.end for one in fragments(wanted)], abs=960
    )
    (warning,) = told[-1].warnings
    assert re.fullmatch(
        r"The sound has wrong times and is put where it goes on from 1\.\d\d s to .*", warning
    )
    assert [(one.end, one.checksum) for one in fragments(slowly)] == [
        (one.end, one.checksum) for one in fragments(told)
    ]


def test_sound_that_plays_over_what_was_there_already_is_named(
    films: Any, media: Any, tmp_path: Path
) -> None:
    plain = films.make("over.mkv", media.Film(frames=144, audio="libopus", options=IN_ORDER))
    path = remuxed(plain, tmp_path / "over.mkv", lambda n: 2.5 if n < 150 else 0)

    told = media.demux([path], tmp_path / "made")

    (warning,) = told[-1].warnings
    assert re.fullmatch(r"The sound overlaps itself and is left out from 2\.\d\d s to 5\.\d\d s\.", warning)


def test_sound_long_before_the_first_picture_is_said_to_be_left_out(
    films: Any, media: Any, tmp_path: Path
) -> None:
    path = films.make("long-early.mkv", media.Film(frames=48, picture_from=120, sound_s=7.0))

    told = media.demux([path], tmp_path)

    assert told[-1].warnings == ("The sound before the first picture is left out: 5.0 s of it.",)


def test_hours_of_silence_are_written_as_they_are_made(tmp_path: Path) -> None:
    told: list[Any] = []
    reached: list[Fraction] = []
    voice = Voice(rate=48_000, layout="stereo", format="fltp")
    line = Line(
        name="a0", recipe=AudioRecipe(), voice=voice, folder=str(tmp_path), segment_s=1.0, max_segment_s=2.0
    )

    def tell(message: Any) -> None:
        told.append(message)
        reached.append(sound.reached_s)

    sound = Sound(line, tell)
    frames = list(frames_of(Clicks(rate=48_000, start_s=0.0, end_s=1.0), "stereo", 1024))
    for at, frame in enumerate(frames):
        sound.add(frame, Fraction(at * 1024, 48_000), cuts=PictureCuts())

    sound.add(frames[0], Fraction(100), cuts=PictureCuts())
    assert len(fragments(told)) >= 98
    sound.pad_to(Fraction(200), PictureCuts())

    assert len(fragments(told)) >= 198
    for message, reached_s in zip(told, reached, strict=True):
        if isinstance(message, FragmentCut):
            assert reached_s - Fraction(message.end, 48_000) < 2
