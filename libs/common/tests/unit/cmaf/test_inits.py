import io
import subprocess
import sys
from fractions import Fraction

import av
import pytest
from av.codec.context import Flags
from cinelog_common.cmaf.accessunits import sample_form
from cinelog_common.cmaf.boxes import BoxError, descend
from cinelog_common.cmaf.fragments import FragmentSpec, Sample, write_fragment
from cinelog_common.cmaf.headers import language_code, language_of
from cinelog_common.cmaf.inits import (
    CopyHints,
    LightLevel,
    Mastering,
    UnsupportedTrackError,
    VideoPresentation,
    audio_init,
    codec_string,
    copy_init,
    init_info,
    parameter_hash,
    video_init,
)
from cinelog_common.cmaf.testing import VideoRecipe, encode_video, number_in, numbered_frame

SHOW = VideoPresentation(width=160, height=96)
QUIET_X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
ENCODERS = {
    "libx264": ({}, "yuv420p", "avc1."),
    "libx265": (QUIET_X265, "yuv420p", "hvc1.1."),
    "libvpx-vp9": ({"deadline": "realtime", "cpu-used": "8"}, "yuv420p", "vp09.00."),
    "libsvtav1": ({"preset": "12", "svtav1-params": "lp=1"}, "yuv420p", "av01.0."),
}


def encoder(name: str, pix_fmt: str = "yuv420p", **options: str) -> av.VideoCodecContext:
    context = av.VideoCodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = SHOW.width, SHOW.height, pix_fmt
    context.time_base, context.framerate = Fraction(1, 90000), Fraction(25)
    context.flags |= Flags.global_header
    context.options = options
    context.open()
    return context


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoders_segment_decodes_from_its_init(name: str) -> None:
    options, pix_fmt, codec = ENCODERS[name]
    pts = [at * 3600 for at in range(8)]

    track = encode_video(
        [(pts, 0, 8 * 3600)], VideoRecipe(encoder=name, options=tuple(options.items()), pix_fmt=pix_fmt)
    )

    with av.open(io.BytesIO(track.init + track.segments[0])) as film:
        numbers = [number_in(frame) for frame in film.decode(video=0)]
    assert numbers == list(range(8))
    assert codec_string(track.init).startswith(codec)


def test_one_recipe_gives_one_init_whatever_the_quality_and_the_threads() -> None:
    inits = []
    for crf, threads in (("18", 1), ("35", 4)):
        context = av.VideoCodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = SHOW.width, SHOW.height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 90000), Fraction(25)
        context.flags |= Flags.global_header
        context.thread_count, context.thread_type = threads, "FRAME"
        context.options = {"crf": crf, "x264-params": "stitchable=1:level=3.1"}
        context.open()
        inits.append(video_init(context, 90000, SHOW))

    assert inits[0] == inits[1]
    assert parameter_hash(inits[0]) == parameter_hash(inits[1])
    assert len(parameter_hash(inits[0])) == 16


def test_the_command_line_that_x265_hides_in_a_message_stays_out_of_the_init() -> None:
    inits = [
        video_init(encoder("libx265", **{**QUIET_X265, "crf": crf}), 90000, SHOW) for crf in ("20", "33")
    ]

    assert inits[0] == inits[1]
    assert b"x265" not in inits[0]
    assert codec_string(inits[0]).startswith("hvc1.")


def test_another_preset_is_another_hash() -> None:
    inits = [video_init(encoder("libx264", preset=preset), 90000, SHOW) for preset in ("ultrafast", "slow")]

    assert parameter_hash(inits[0]) != parameter_hash(inits[1])


def test_rotation_aspect_colours_and_language_reach_the_player() -> None:
    show = VideoPresentation(
        width=160, height=96, sar=(4, 3), rotation=90, primaries=9, transfer=16, matrix=9, language="fra"
    )
    context = encoder("libx264")
    init = video_init(context, 90000, show)
    frame = numbered_frame(1)
    frame.pts = 0
    payload = sample_form("h264", context.extradata)(
        b"".join(map(bytes, [*context.encode(frame), *context.encode(None)]))
    )
    sample = Sample(size=len(payload), duration=3600, composition_offset=0, sync=True)
    fragment = write_fragment(FragmentSpec(sequence=1, base_time=0, samples=[sample]), payload)

    with av.open(io.BytesIO(init + fragment)) as film:
        stream = film.streams.video[0]
        shown = next(film.decode(stream))

        assert (stream.sample_aspect_ratio, stream.language, shown.rotation) == (Fraction(4, 3), "fra", 90)
        assert (shown.color_primaries, shown.color_trc, shown.colorspace) == (9, 16, 9)
    info = init_info(init)
    assert (info.width, info.height, info.sar, info.rotation, info.language) == (160, 96, (4, 3), 90, "fra")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270, -90])
def test_every_right_angle_is_read_back(rotation: int) -> None:
    show = VideoPresentation(width=160, height=96, rotation=rotation)

    assert init_info(video_init(encoder("libx264"), 90000, show)).rotation == rotation % 360


def test_a_skew_angle_is_refused() -> None:
    with pytest.raises(BoxError, match="45"):
        video_init(encoder("libx264"), 90000, VideoPresentation(width=160, height=96, rotation=45))


def test_hdr_levels_are_written_beside_the_colours() -> None:
    show = VideoPresentation(
        width=160,
        height=96,
        mastering=Mastering(
            primaries=(8500, 39850, 6550, 2300, 35400, 14600), white=(15635, 16450), luminance=(10_000_000, 1)
        ),
        light_level=LightLevel(max_content=1000, max_average=400),
    )

    init = video_init(encoder("libx265", pix_fmt="yuv420p10le", **QUIET_X265), 90000, show)

    assert init.count(b"mdcv") == init.count(b"clli") == 1
    assert codec_string(init).startswith("hvc1.2.4.L")


def test_priming_is_said_once_as_an_edit_to_the_end() -> None:
    context = av.AudioCodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = 44100, "stereo", "fltp"
    context.flags |= Flags.global_header
    context.open()

    init = audio_init(context, 44100, 1024, language="deu")

    elst = descend(init, b"moov", b"trak", b"edts", b"elst")
    assert init[elst.body : elst.end].hex() == "0000000000000001000000000000040000010000"
    info = init_info(init)
    assert (info.kind, info.codec, info.timescale) == ("audio", "mp4a.40.2", 44100)
    assert (info.channels, info.sample_rate, info.media_time, info.language) == (2, 44100, 1024, "deu")


SOUNDS = {
    "aac": ("mp4a.40.2", "matroska"),
    "libmp3lame": ("mp4a.6B", "matroska"),
    "ac3": ("ac-3", "matroska"),
    "eac3": ("ec-3", "matroska"),
    "libopus": ("opus", "matroska"),
    "flac": ("flac", "matroska"),
    "alac": ("alac", "mov"),
}


def recorded(name: str, container: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as film:
        if av.Codec(name, "w").type == "audio":
            stream = film.add_stream(name, rate=48000, layout="stereo")
            stream.codec_context.format = av.Codec(name, "w").audio_formats[0]
            size = stream.codec_context.frame_size or 1024
            for at in range(4):
                frame = av.AudioFrame(stream.codec_context.format.name, "stereo", 4 * (size or 1024))
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.sample_rate, frame.pts = 48000, at * frame.samples
                film.mux(stream.encode(frame))
        else:
            stream = film.add_stream(name, rate=25)
            stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
            for at in range(4):
                frame = numbered_frame(at)
                frame.pts, frame.time_base = at, Fraction(1, 25)
                film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return file.getvalue()


def copied(source: bytes, *, with_packet: bool) -> tuple[bytes, bytes]:
    """The init, and the whole stream as one fragment behind it."""
    with av.open(io.BytesIO(source)) as film:
        stream = film.streams[0]
        packets = [packet for packet in film.demux(stream) if packet.size]
        hints = CopyHints(first_packet=bytes(packets[0]) if with_packet else None)
        timescale = 48000 if stream.type == "audio" else 90000
        init = copy_init(stream, timescale, hints)
        form = sample_form(stream.codec_context.codec.canonical_name, stream.codec_context.extradata)
    payload = [form(bytes(packet)) for packet in packets]
    samples = [
        Sample(size=len(data), duration=1000, composition_offset=0, sync=packet.is_keyframe)
        for data, packet in zip(payload, packets, strict=True)
    ]
    return init, write_fragment(FragmentSpec(sequence=1, base_time=0, samples=samples), payload)


def decoded(data: bytes) -> list[bytes]:
    with av.open(io.BytesIO(data)) as film:
        return [b"".join(map(bytes, frame.planes)) for frame in film.decode(film.streams[0])]


@pytest.mark.parametrize("with_packet", [True, False])
@pytest.mark.parametrize("name", SOUNDS)
def test_sound_that_is_passed_through_decodes_as_it_did(name: str, *, with_packet: bool) -> None:
    codec, container = SOUNDS[name]
    source = recorded(name, container)

    init, fragment = copied(source, with_packet=with_packet)

    assert codec_string(init) == codec
    assert (init_info(init).channels, init_info(init).sample_rate) == (2, 48000)
    assert len(decoded(init + fragment)) >= len(decoded(source)) - 1


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("libx264", "mpegts", "avc1.64"),
        ("libx264", "mp4", "avc1.64"),
        ("mpeg4", "matroska", "mp4v.20.1"),
        ("mpeg2video", "mpegts", "mp4v.61"),
        ("libvpx-vp9", "webm", "vp09.00.10.08"),
    ],
)
def test_pictures_that_are_passed_through_decode_as_they_did(name: str, container: str, codec: str) -> None:
    source = recorded(name, container)

    init, fragment = copied(source, with_packet=True)

    assert codec_string(init).startswith(codec)
    assert decoded(init + fragment) == decoded(source)


def test_sound_with_headers_of_its_own_loses_them() -> None:
    source = recorded("aac", "adts")

    init, fragment = copied(source, with_packet=True)

    assert codec_string(init) == "mp4a.40.2"
    assert len(decoded(init + fragment)) == len(decoded(source))
    assert copied(source, with_packet=False)[0] == init


def test_a_codec_that_mp4_cannot_hold_is_named() -> None:
    source = recorded("libvorbis" if "libvorbis" in av.codecs_available else "vp8", "matroska")

    with pytest.raises(UnsupportedTrackError, match="MP4 holds no"):
        copied(source, with_packet=True)


def test_an_encoder_without_global_headers_is_refused() -> None:
    context = av.VideoCodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = 160, 96, "yuv420p"
    context.time_base = Fraction(1, 25)
    context.open()

    with pytest.raises(UnsupportedTrackError, match="h264"):
        video_init(context, 90000, SHOW)


@pytest.mark.parametrize("cut", range(0, 700, 7))
def test_a_cut_or_broken_init_raises_a_box_error_only(cut: int) -> None:
    whole = video_init(encoder("libx264"), 90000, SHOW)
    broken = bytearray(whole)
    broken[cut % len(whole)] ^= 0xFF

    for hostile in (whole[:cut], bytes(broken)):
        try:
            info = init_info(hostile)
        except BoxError:
            continue
        assert info.timescale > 0


def test_reading_an_init_does_not_import_the_codecs() -> None:
    code = (
        "import sys, cinelog_common.cmaf.inits, cinelog_common.cmaf.fragments; sys.exit('av' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("tag", ["", "en", "ENG", "a1b", "en ", 'e"n', "äöü", "english"])
def test_what_is_no_code_of_a_language_is_written_as_unknown(tag: str) -> None:
    assert language_of(int.from_bytes(language_code(tag), "big")) == "und"
