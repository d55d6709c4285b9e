"""Sound sources, one a kind: whatever a user may reasonably bring. By file name, how each is made."""

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import msgspec

from cinelog_testkit.corpus.films import OPEN, Colours, Film, Packets, Voice, is_video, write_film
from cinelog_testkit.corpus.subtitled import with_texts, with_timed_text
from cinelog_testkit.corpus.surgery import ffmpeg, wrapped

Maker = Callable[[Path], object]
"""Writes the file at a path whose folder is there."""

_MS = Fraction(1, 1000)
_X265 = "log-level=none:bframes=3:scenecut=0:b-adapt=0:rc-lookahead=8"
_HDR = (
    ":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:hdr10=1:repeat-headers=1"
    ":master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
)
_VPX = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "10", "auto-alt-ref": "1"}
_MP2 = (Voice(codec="mp2"),)
_BEHIND = Fraction(4) + Fraction(2, 24)
"""Where a second film follows the first one: the first begins late by the depth of its reordering."""
_OPUS = (Voice(codec="libopus"),)
_LITTLE = Voice(rate=8_000, layout="mono", bit_rate=16_000, every_s=1.0, options={"aac_coder": "fast"})
"""For films of hours: costs as little as sound can."""
_H264_OPEN = {"x264-params": OPEN}
_REFRESHED = {"x264-params": "intra-refresh=1:keyint=12:bframes=0"}
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+delay_moov"}


def _av1(**fields: Any) -> Maker:
    # Its log goes straight to standard error.
    os.environ.setdefault("SVT_LOG", "1")
    return _film(codec="libsvtav1", options={"preset": "11", "svtav1-params": "lp=1"}, **fields)


def _film(**fields: Any) -> Maker:
    film = Film(**fields)
    return lambda path: write_film(path, film)


def _edited(edit: Callable[[Packets], Iterable["av.Packet[Any]"]], **fields: Any) -> Maker:
    film = Film(**fields)
    return lambda path: write_film(path, film, edit)


def _uneven() -> tuple[int, ...]:
    """20 ms next to 500 ms, and a picture held for three seconds just before a keyframe."""
    times, at = [], 0
    for n in range(72):
        times.append(at)
        at += 3000 if n == 35 else 500 if n % 12 == 5 else 20 if n % 2 else 40
    return tuple(times)


def _with_gap(packets: Packets) -> Packets:
    """Leave two seconds out, in picture and sound, from the second keyframe on."""
    for packet in packets:
        assert packet.time_base is not None
        assert packet.pts is not None
        assert packet.dts is not None
        # By the time of decoding, so that the order of the packets stays as it is.
        later = packet.dts * packet.time_base >= Fraction(2) - (Fraction(1, 12) if is_video(packet) else 0)
        if later:
            packet.pts += int(2 / packet.time_base)
            packet.dts += int(2 / packet.time_base)
    return packets


def _without_sound_between(packets: Packets, first_s: float, last_s: float) -> Iterable["av.Packet[Any]"]:
    for packet in packets:
        at_s = float((packet.pts or 0) * (packet.time_base or Fraction(1)))
        if is_video(packet) or not first_s <= at_s < last_s:
            yield packet


def _with_false_keyframes(packets: Packets) -> Packets:
    """Let the container call pictures keyframes that are none."""
    pictures = [packet for packet in packets if is_video(packet)]
    for packet in pictures[100::12]:
        packet.is_keyframe = True
    return packets


def _copied(arguments: tuple[str, ...], *, before: tuple[str, ...] = (), **fields: Any) -> Maker:
    """Let ffmpeg write a film's packets once more, with options of its own."""

    def make(path: Path) -> None:
        first = write_film(path.with_name(f"draft-of-{path.stem}.mkv"), Film(**fields))
        ffmpeg(*before, "-i", first, "-map", "0", "-c", "copy", *arguments, path)
        first.unlink()

    return make


def joined(*films: Film) -> Maker:
    """Put transport streams behind each other, as a recorder does when the programme changes."""

    def make(path: Path) -> None:
        pieces = [
            write_film(path, msgspec.structs.replace(film, format="mpegts")).read_bytes() for film in films
        ]
        path.write_bytes(b"".join(pieces))

    return make


def _interlaced(*arguments: str) -> Maker:
    """Weave 50 pictures a second into 25 frames of two fields, the upper one first."""

    def make(path: Path) -> None:
        draft = path.with_name(f"draft-of-{path.stem}.mkv")
        film = Film(frames=200, rate=Fraction(50), codec="ffv1", options={}, fields=True, voices=_MP2)
        write_film(draft, film)
        weave = "tinterlace=interleave_top,setfield=tff"
        ffmpeg("-i", draft, "-vf", weave, *arguments, "-flags", "+ildct+ilme", "-c:a", "mp2", path)
        draft.unlink()

    return make


def _wrapping(path: Path) -> None:
    draft = write_film(path.with_name("draft-of-wrap.ts"), Film(options=_H264_OPEN, voices=_MP2))
    wrapped(draft, path, before_s=3.3)
    draft.unlink()


def _with_cover(path: Path) -> None:
    sound = write_film(
        path.with_name(f"draft-of-{path.stem}.m4a"), Film(frames=0, voices=(Voice(end_s=4.0),))
    )
    cover = path.with_name("cover.jpg")
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:duration=0.04", "-frames:v", "1", cover)
    codec = "libmp3lame" if path.suffix == ".mp3" else "copy"
    picture = ("-c:v", "mjpeg", "-disposition:v:0", "attached_pic")
    ffmpeg("-i", sound, "-i", cover, "-map", "0:a", "-map", "1:v", "-c:a", codec, *picture, path)
    sound.unlink()
    cover.unlink()


def _sound(codec: str = "aac", **fields: Any) -> Maker:
    return _film(frames=0, voices=(Voice(codec=codec, end_s=4.0, **fields),))


PICTURES: dict[str, Maker] = {
    "h264-closed.mp4": _film(container={"movflags": "faststart"}),
    "h264-open.mp4": _film(options=_H264_OPEN),
    "hevc-closed.mp4": _film(codec="libx265", options={"x265-params": f"{_X265}:open-gop=0"}),
    "hevc-open.mp4": _film(codec="libx265", options={"x265-params": f"{_X265}:open-gop=1"}),
    "vfr.mp4": _film(times=_uneven(), time_base=_MS),
    "vfr.mkv": _film(times=_uneven(), time_base=_MS),
    "start-offset.mp4": _copied(("-output_ts_offset", "5.3", "-avoid_negative_ts", "disabled")),
    "start-offset.mkv": _film(offset_s=Fraction(53, 10)),
    "edit-list.mp4": _copied((), before=("-ss", "1.3")),
    "late-picture.mp4": _film(times=tuple(n * 40 + 700 for n in range(96)), time_base=_MS),
    "gap.mp4": _edited(_with_gap),
    "gap.mkv": _edited(_with_gap),
    "ntsc.mp4": _film(rate=Fraction(30000, 1001)),
    "ntsc-film.mkv": _film(rate=Fraction(24000, 1001)),
    "plain.ts": _film(options=_H264_OPEN, voices=_MP2),
    "parameter-change.ts": joined(
        Film(voices=_MP2),
        Film(size=(240, 144), first_number=96, offset_s=_BEHIND, voices=_MP2),
    ),
    "spliced.ts": joined(Film(voices=_MP2), Film(first_number=96, voices=_MP2)),
    "wrap.ts": _wrapping,
    "plain.mkv": _film(options=_H264_OPEN),
    "vp8.webm": _film(codec="libvpx", options={**_VPX, "deadline": "good", "cpu-used": "5"}, voices=_OPUS),
    "vp9.webm": _film(codec="libvpx-vp9", options=_VPX, voices=_OPUS),
    "av1.mkv": _av1(voices=_OPUS),
    "av1.mp4": _av1(),
    "hdr10.mp4": _film(
        codec="libx265",
        options={"x265-params": _X265 + _HDR},
        pixel_format="yuv420p10le",
        colours=Colours(primaries=9, transfer=16, matrix=9),
    ),
    "interlaced-mpeg2.ts": _interlaced("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3"),
    "interlaced-mpeg2.mpg": _interlaced("-c:v", "mpeg2video", "-g", "12", "-q:v", "3", "-f", "vob"),
    "interlaced-h264.mp4": _interlaced("-c:v", "libx264", "-x264-params", "tff=1:keyint=12:scenecut=0"),
    "fragmented.mp4": _film(container=_FRAGMENTED),
    "mjpeg.avi": _film(
        codec="mjpeg", options={}, pixel_format="yuvj420p", voices=(Voice(codec="pcm_s16le"),)
    ),
    "mpeg4.avi": _film(codec="mpeg4", options={"bf": "2"}, voices=(Voice(codec="libmp3lame"),)),
    "false-keyframes.mp4": _edited(
        _with_false_keyframes, codec="mpeg4", options={"bf": "2"}, gop=24, frames=192
    ),
    "prores.mov": _film(
        codec="prores_ks", options={}, pixel_format="yuv422p10le", voices=(Voice(codec="pcm_s16le"),)
    ),
    "moov-at-the-end.mp4": _film(),
    "one-long-group.mp4": _film(frames=240, gop=1000),
    # No keyframe for minutes: few points and little sound, so that it takes seconds.
    "one-group-of-minutes.mp4": _film(
        frames=3600,
        size=(96, 64),
        gop=100_000,
        voices=(_LITTLE,),
    ),
    "intra-refresh.mp4": _film(options=_REFRESHED),
    "open-then-refresh.ts": joined(
        Film(options=_H264_OPEN, voices=_MP2),
        Film(options=_REFRESHED, first_number=96, offset_s=_BEHIND, voices=_MP2),
    ),
    "single-frame.mp4": _film(frames=1, voices=()),
    "single-frame.mkv": _film(frames=1, voices=()),
    "yuv422.mp4": _film(pixel_format="yuv422p"),
    "yuv444.mp4": _film(pixel_format="yuv444p"),
    "ten-bit.mp4": _film(pixel_format="yuv420p10le"),
    "rgb.mkv": _film(codec="ffv1", options={}, pixel_format="bgr0"),
    "odd-size.mp4": _film(pixel_format="yuv444p", size=(161, 97)),
    "odd-size.webm": _film(codec="libvpx-vp9", options=_VPX, size=(161, 97), voices=_OPUS),
    **{f"rotated-{turn}.mp4": _film(rotation=turn, size=(192, 96)) for turn in (90, 180, 270)},
    "anamorphic.mp4": _film(aspect=Fraction(4, 3)),
    "anamorphic.mkv": _film(aspect=Fraction(4, 3)),
    "full-range.mp4": _film(colours=Colours(range=2), pixel_format="yuvj420p"),
    "bt709.mp4": _film(colours=Colours()),
    "bt601.mkv": _film(colours=Colours(primaries=6, transfer=6, matrix=6)),
}
"""What differs in the picture."""

SOUNDS: dict[str, Maker] = {
    "sound-late.mp4": _film(voices=(Voice(start_s=1.25),)),
    "sound-late.mkv": _film(voices=(Voice(start_s=1.25),)),
    "sound-early.mkv": _film(times=tuple(n * 40 + 600 for n in range(96)), time_base=_MS),
    "sound-ends-early.mp4": _film(voices=(Voice(end_s=2.2),)),
    "sound-outlasts.mp4": _film(voices=(Voice(end_s=5.5),)),
    "sound-gap.mkv": _edited(partial(_without_sound_between, first_s=1.1, last_s=2.3)),
    "sound-gap.ts": _edited(partial(_without_sound_between, first_s=1.1, last_s=2.3), voices=_MP2),
    "rate-change.ts": joined(
        Film(voices=(Voice(rate=44_100),)),
        Film(first_number=96, offset_s=_BEHIND, voices=(Voice(rate=48_000, first_click_s=0.25),)),
    ),
    "surround.mp4": _film(voices=(Voice(layout="5.1", bit_rate=384_000),)),
    "surround.mkv": _film(voices=(Voice(codec="ac3", layout="5.1", bit_rate=384_000),)),
    "languages.mkv": _film(
        language="fra",
        voices=(Voice(language="eng"), Voice(language="deu", first_click_s=0.25)),
    ),
    "high-rate.mkv": _film(voices=(Voice(codec="flac", rate=96_000),)),
    "low-rate.mp4": _film(voices=(Voice(rate=22_050, layout="mono"),)),
    "no-sound.mp4": _film(voices=()),
    "sound-only.m4a": _sound(),
    "sound-only.mp3": _sound("libmp3lame"),
    "sound-only.flac": _sound("flac"),
    "sound-only.wav": _sound("pcm_s16le"),
    "sound-only.ogg": _sound("libopus"),
    "sound-only.mka": _sound("ac3"),
    "cover.m4a": _with_cover,
    "cover.mp3": _with_cover,
    "titled.mp4": _film(tags={"title": "A fine film", "artist": "Nobody"}, language="fra"),
    "subtitles.mkv": with_texts,
    "subtitles.mp4": with_timed_text,
}
"""What differs in the sound, or in what is said of the film."""

SOURCES: dict[str, Maker] = {**PICTURES, **SOUNDS}

LONG: dict[str, Maker] = {
    # Few pictures and a low rate, so that two hours take seconds; NTSC's rate and a click a second.
    "two-hours.mp4": _film(
        frames=7192,
        rate=Fraction(1000, 1001),
        time_base=Fraction(1, 30_000),
        size=(96, 64),
        gop=30,
        voices=(_LITTLE,),
    ),
}
"""What takes long to make: left out of what is made for every test."""
