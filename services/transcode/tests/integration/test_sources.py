"""Sources of many kinds: codecs, pixel formats, fields, damage."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from av.codec.context import CodecContext, Flags
from av.filter import Graph
from av.video.frame import VideoFrame
from cinelog_fastio import DISCARD, KEYFRAME, Packet
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.children.pictures import PictureGraph, Shape, Weave
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.children.working import DamagedError
from cinelog_transcode.domain.tasks import EncodeTask

CFR = tuple(range(0, 60 * 512, 512))


def silent(done: int, total: int) -> None:
    pass


def encode(folder: Path, bundle: Path, recipe: Any, n: int = 0) -> Any:
    return encode_unit(EncodeTask(bundle=str(bundle), folder=str(folder), recipe=recipe, n=n), silent)


SOURCES = {
    "hevc-open": ("libx265", {"x265-params": "open-gop=1:keyint=20:min-keyint=20:log-level=none"}, "yuv420p"),
    "hevc-10": ("libx265", {"x265-params": "keyint=20:min-keyint=20:log-level=none"}, "yuv420p10le"),
    "h264-444": ("libx264", {"g": "20"}, "yuv444p"),
    "h264-full": ("libx264", {"g": "20"}, "yuvj420p"),
    "h264-intra": ("libx264", {"g": "1"}, "yuv422p10le"),
    "vp9": ("libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8", "b": "1M"}, "yuv420p"),
    "vp8": ("libvpx", {"g": "20", "deadline": "realtime", "cpu-used": "8", "b": "1M"}, "yuv420p"),
    "av1": ("libsvtav1", {"g": "20", "preset": "12"}, "yuv420p"),
    "mpeg4": ("mpeg4", {"g": "20", "bf": "2", "qscale": "3"}, "yuv420p"),
    "mjpeg": ("mjpeg", {"qmax": "3"}, "yuvj420p"),
}


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_the_middle_of_a_source_comes_out_frame_by_frame(studio: Any, tmp_path: Path, kind: str) -> None:
    codec, options, pixels = SOURCES[kind]
    footage = studio.make(studio.spec(codec=codec, options=options, pts=CFR, pixel_format=pixels))
    keys = [p.pts for p in footage.packets if p.flags & KEYFRAME and p.pts]
    start = min((key for key in keys if key >= 20 * 512), default=0)
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=start, end=40 * 512))

    report = encode(tmp_path, bundle, studio.recipe(footage, preset="ultrafast"))

    shown = studio.play_report(tmp_path, report.renditions[0])
    assert shown.pts == list(range(start, 40 * 512, 512))
    assert shown.numbers() == list(range(start // 512, 40))


def test_what_the_container_discards_is_decoded_and_not_shown(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR))
    packets = tuple(
        msgspec.structs.replace(packet, flags=packet.flags | DISCARD)
        if packet.pts is not None and packet.pts < 10 * 512
        else packet
        for packet in footage.packets
    )
    footage = msgspec.structs.replace(footage, packets=packets)
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=60 * 512))

    report = encode(tmp_path, bundle, studio.recipe(footage))

    assert report.frames == 50
    assert studio.play_report(tmp_path, report.renditions[0]).numbers() == list(range(10, 60))


def test_odd_sizes_are_made_even_and_formats_as_the_recipe_says(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(codec="libx264", pts=CFR[:10], size=(322, 182), pixel_format="yuv444p"))
    odd = msgspec.structs.replace(footage.video, width=321, height=181)
    footage = msgspec.structs.replace(footage, video=odd)
    recipe = studio.recipe(footage)
    rendition = msgspec.structs.replace(recipe.renditions[0], width=320, height=180)
    recipe = msgspec.structs.replace(recipe, renditions=(rendition,))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=10 * 512))

    report = encode(tmp_path, bundle, recipe)

    shown = studio.play_report(tmp_path, report.renditions[0])
    assert (shown.frames[0].width, shown.frames[0].height) == (320, 180)
    assert shown.frames[0].format.name == "yuv420p"


def test_a_source_that_changes_its_size_keeps_its_frames(studio: Any, tmp_path: Path) -> None:
    """MJPEG may change from picture to picture."""
    small = studio.make(studio.spec(codec="mjpeg", pts=CFR[:5], pixel_format="yuvj420p"))
    large = studio.make(studio.spec(codec="mjpeg", pts=CFR[5:10], size=(640, 360), pixel_format="yuvj420p"))
    footage = msgspec.structs.replace(small, packets=small.packets + large.packets)
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=10 * 512))

    report = encode(tmp_path, bundle, studio.recipe(footage))

    assert studio.play_report(tmp_path, report.renditions[0]).pts == list(CFR[:10])


def test_a_broken_picture_is_named_with_its_time_and_the_rest_comes_out(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR, options={"g": "10", "bf": "0"}))
    packets = list(footage.packets)
    broken = packets[25]
    packets[25] = msgspec.structs.replace(broken, data=broken.data[: len(broken.data) // 2] + bytes(40))
    footage = msgspec.structs.replace(footage, packets=tuple(packets))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=60 * 512))

    report = encode(tmp_path, bundle, studio.recipe(footage))

    assert report.frames == 60
    assert any("1.00 s" in warning for warning in report.warnings)


def test_packets_of_noise_are_damage_with_both_counts(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR))
    noise = tuple(
        Packet(
            data=bytes((at * 7 + 13 * byte) % 256 for byte in range(900)), pts=p.pts, dts=p.dts, flags=p.flags
        )
        for at, p in enumerate(footage.packets)
    )
    bundle = studio.bundle(
        tmp_path / "b", msgspec.structs.replace(footage, packets=noise), studio.cut(start=0, end=60 * 512)
    )

    with pytest.raises(DamagedError, match=r"should show 60 frames, but \d+ could be decoded"):
        encode(tmp_path, bundle, studio.recipe(footage))


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_salvaged_unit_has_the_length_and_the_parts_that_it_should(
    studio: Any, tmp_path: Path, share: float
) -> None:
    footage = studio.make(studio.spec(pts=CFR, options={"g": "60"}))
    lost = round(len(footage.packets) * share)
    kept = len(footage.packets) - lost
    packets = [
        packet if at < kept else msgspec.structs.replace(packet, data=b"\xff" * 40)
        for at, packet in enumerate(footage.packets)
    ]
    footage = msgspec.structs.replace(footage, packets=tuple(packets))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=60 * 512))
    recipe = msgspec.structs.replace(studio.recipe(footage), max_segment_s=0.8)
    task = EncodeTask(bundle=str(bundle), folder=str(tmp_path), recipe=recipe, n=0, salvage=True)

    report = encode_unit(task, silent)

    parts = report.renditions[0].parts
    assert len(parts) > 2
    assert (parts[0].start, parts[-1].end) == (0, 60 * 512)
    assert all(part.frames for part in parts)
    assert f"should show 60 frames, but {min(kept, report.frames)}" in report.warnings[0]


@pytest.mark.parametrize(("weave", "finer"), [(Weave.FRAMES, 1), (Weave.FIELDS, 2)])
def test_deinterlacing_with_neighbours_equals_that_of_the_whole_file(
    studio: Any, weave: Weave, finer: int
) -> None:
    context: Any = CodecContext.create("mpeg2video", "w")
    context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.flags |= Flags.interlaced_dct | Flags.interlaced_me
    context.options = {"g": "10", "b": "4M"}
    plain = studio.make(
        studio.spec(codec="libx264", pts=tuple(range(30)), size=(320, 240), time_base=(1, 25))
    )
    decoder = BundleDecoder(plain.parameters, DecoderOptions(reorder_depth=4))
    frames = [f for p in plain.packets for f in decoder.decode(p)] + list(decoder.flush())
    packets = []
    for frame in frames:
        frame.pict_type = 0
        packets += context.encode(frame)
    packets += context.encode(None)
    made = tuple(
        Packet(data=bytes(p), pts=p.pts, dts=p.dts, flags=KEYFRAME if p.is_keyframe else 0) for p in packets
    )
    footage = msgspec.structs.replace(
        plain,
        packets=made,
        parameters=msgspec.structs.replace(
            plain.parameters, codec="mpeg2video", extradata=context.extradata or b""
        ),
    )

    def pictures(some: tuple[Packet, ...]) -> dict[int, bytes]:
        fields = BundleDecoder(footage.parameters, DecoderOptions())
        shape = Shape(width=320, height=240, pixel_format="yuv420p", color_range=1)
        graph = PictureGraph((shape,), Fraction(1, 25), weave)
        decoded = [f for p in some for f in fields.decode(p)] + list(fields.flush())
        assert all(frame.interlaced_frame for frame in decoded)
        out = [p.frame for f in decoded for p in graph.push(f)] + [p.frame for p in graph.flush()]
        return {frame.pts: bytes(frame.planes[0]) for frame in out if frame.pts is not None}

    whole = pictures(made)
    first = next(at for at, p in enumerate(made) if p.flags & KEYFRAME and p.pts and p.pts >= 10)
    part = pictures(made[first:])

    assert sorted(whole) == list(range(30 * finer))
    begin = made[first].pts
    assert begin is not None
    inside = [pts for pts in whole if pts > (begin + 2) * finer]
    assert all(whole[pts] == part[pts] for pts in inside)


def interlaced(width: int, height: int) -> VideoFrame:
    marking = Graph()
    source = marking.add("buffer", video_size=f"{width}x{height}", pix_fmt="yuv420p", time_base="1/25")
    sink = marking.add("buffersink")
    marking.link_nodes(source, marking.add("setfield", "tff"), sink).configure()
    source.push(VideoFrame(width, height, "yuv420p"))
    frame = sink.pull()
    assert isinstance(frame, VideoFrame)
    return frame


def test_a_lone_interlaced_frame_is_one_picture_though_it_has_two_fields() -> None:
    shape = Shape(width=64, height=48, pixel_format="yuv420p", color_range=1)
    graph = PictureGraph((shape,), Fraction(1, 25), Weave.FIELDS)
    frame = interlaced(64, 48)
    frame.pts, frame.time_base = 7, Fraction(1, 25)

    shown = [*graph.push(frame), *graph.flush()]

    assert [picture.frame.pts for picture in shown] == [14]
