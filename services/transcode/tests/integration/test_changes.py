"""Films that change in the middle: what comes after must not pass for more of what came before."""

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from av.codec.context import CodecContext, Flags
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from cinelog_common.contract.values import Recipe, VideoInfo
from cinelog_fastio import KEYFRAME, BundleReader, Packet, StreamParameters
from cinelog_transcode.children.changes import ChangeWatch
from cinelog_transcode.children.pictures import PictureGraph, Shape
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.domain.colours import HLG, PQ
from cinelog_transcode.domain.stretches import GAMUT, INTERLACED, RANGE, SHAPE, first_stretch
from cinelog_transcode.domain.tasks import EncodeTask, UnitReport
from cinelog_transcode.domain.tonemapping import pq_code, rolled_off

TICK = 3600
PICTURES = 6
SIZE = (160, 96)
Image = npt.NDArray[np.uint8]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Some pictures of one kind: MPEG-2, which says in mid-stream whatever changes.

    They show one colour, by default a bright grey.
    """

    size: tuple[int, int] = SIZE
    aspect: Fraction = Fraction(1)
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2
    is_interlaced: bool = False
    colour: tuple[int, int, int] = (180, 128, 128)
    is_combed: bool = False
    """It grows lighter from field to field."""


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """Encoded parts in a row, told of as a probe would: by the first one."""

    packets: tuple[Packet, ...]
    video: VideoInfo
    parameters: StreamParameters


def filmed(*parts: Part, container_aspect: Fraction | None = None) -> Film:
    """`container_aspect`: what a container says of the pixels, whatever the stream says."""
    packets: list[Packet] = []
    for part in parts:
        packets += _encoded(part, len(packets))
    first = parts[0]
    aspect = container_aspect or first.aspect
    video = VideoInfo(
        codec="mpeg2video",
        width=first.size[0],
        height=first.size[1],
        time_base=(1, 90000),
        sample_aspect=(aspect.numerator, aspect.denominator),
        field_order="tt" if first.is_interlaced else "progressive",
    )
    extradata = b"\1" if container_aspect else b"\0\0\1\xb3"
    parameters = StreamParameters(codec="mpeg2video", extradata=extradata, time_base=(1, 90000))
    return Film(packets=tuple(packets), video=video, parameters=parameters)


def _encoded(part: Part, begin: int) -> list[Packet]:
    context = cast("VideoCodecContext", CodecContext.create("mpeg2video", "w"))
    context.width, context.height = part.size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    context.sample_aspect_ratio = part.aspect
    context.color_range, context.color_primaries = 1, part.primaries
    context.color_trc, context.colorspace = part.transfer, part.matrix
    context.options = {"bf": "0", "qmin": "1", "qmax": "2", "g": "12"}
    # A decoder that waits for B-frames drops the picture that it holds when the size changes.
    context.flags |= Flags.low_delay
    if part.is_interlaced:
        context.flags |= Flags.interlaced_dct
    context.open()
    made = []
    for number in range(PICTURES):
        frame = faded(part, number) if part.is_combed else painted(part)
        frame = _marked(frame) if part.is_interlaced else frame
        frame.pts, frame.time_base = number, Fraction(1, 25)
        made += context.encode(frame)
    made += context.encode(None)
    return [
        Packet(
            data=bytes(packet),
            pts=(begin + at) * TICK,
            dts=(begin + at) * TICK,
            flags=KEYFRAME if packet.is_keyframe else 0,
        )
        for at, packet in enumerate(made)
    ]


def painted(part: Part) -> VideoFrame:
    frame = VideoFrame(*part.size, "yuv420p")
    for plane, level in zip(frame.planes, part.colour, strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    return frame


def faded(part: Part, number: int) -> VideoFrame:
    frame = painted(part)
    light, first = frame.planes[0], 40 + 30 * number
    rows = bytes([first] * light.line_size + [first + 15] * light.line_size)
    light.update(rows * (frame.height // 2))
    return frame


def _marked(frame: VideoFrame) -> VideoFrame:
    graph = Graph()
    source = graph.add(
        "buffer", video_size=f"{frame.width}x{frame.height}", pix_fmt="yuv420p", time_base="1/25"
    )
    sink = graph.add("buffersink")
    graph.link_nodes(source, graph.add("setfield", "tff"), sink).configure()
    source.push(frame)
    return cast("VideoFrame", sink.pull())


def work(
    studio: Any, folder: Path, film: Film, *, held: int = 0, **changes: Any
) -> tuple[UnitReport, list[VideoFrame]]:
    """Encode the film, or the unit behind it in which its last picture is `held` for so many ticks."""
    footage = film
    ticks = len(film.packets) * TICK
    span = {"start": ticks, "end": ticks + held, "held": True} if held else {"start": 0, "end": ticks}
    bundle = studio.bundle(folder / "b", footage, studio.cut(**span))
    recipe: Recipe = studio.recipe(
        footage, **{"sample_aspect": film.video.sample_aspect, "frame_rate": (25, 1), **changes}
    )
    fine = msgspec.structs.replace(recipe.renditions[0], crf=1, max_rate_k=0)
    recipe = msgspec.structs.replace(recipe, renditions=(fine,))
    task = EncodeTask(bundle=str(bundle), folder=str(folder), recipe=recipe, n=0, thumbnail_every_s=0.04)
    report = encode_unit(task, lambda *_: None)
    return report, studio.play_report(folder, report.renditions[0]).frames


def posters(folder: Path, report: UnitReport) -> list[VideoFrame]:
    """The unit's thumbnails: one of every picture."""
    assert report.thumbnails is not None
    decoder = CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    with BundleReader.open(folder / report.thumbnails) as pictures:
        return [frame for each in pictures for frame in decoder.decode(av.Packet(each.data))]


def luma(frame: VideoFrame) -> Image:
    return frame.to_ndarray(format="gray")


def lit(frame: VideoFrame) -> tuple[int, int]:
    """How many columns and rows of the picture are not black bars."""
    bright = luma(frame) > 90
    return int(bright[frame.height // 2].sum()), int(bright[:, frame.width // 2].sum())


def full_range(code: float) -> float:
    """What the code of limited range is in a JPEG."""
    return (code - 16) * 255 / 219


def rows_apart(frame: VideoFrame) -> float:
    """How far neighbouring rows differ in the middle of the picture."""
    middle = luma(frame)[frame.height // 4 : -frame.height // 4, 8:-8].astype(float)
    return float(np.abs(np.diff(middle, axis=0)).mean())


def luma_code(frame: VideoFrame) -> int:
    return bytes(frame.planes[0])[0]


def test_a_frame_that_is_like_the_first_ones_goes_through_untouched(studio: Any, tmp_path: Path) -> None:
    part = Part(primaries=1, transfer=1, matrix=1)
    film, frame = filmed(part), painted(part)
    recipe = studio.recipe(film, color_primaries=1, color_transfer=1, color_matrix=1)
    watch = ChangeWatch(first_stretch(film.video, recipe, film.parameters.extradata), tmp_path)
    shape = Shape(width=SIZE[0], height=SIZE[1], pixel_format="yuv420p", color_matrix=1)
    frame.color_primaries, frame.color_trc, frame.colorspace = 1, 1, 1

    shown = list(PictureGraph((shape,), Fraction(1, 25), watch=watch).push(frame))

    assert [picture.frame is frame for picture in shown] == [True]
    assert watch.warnings == ()


def test_interlacing_that_begins_later_is_told(studio: Any, tmp_path: Path) -> None:
    report, _ = work(studio, tmp_path, filmed(Part(), Part(is_interlaced=True)))

    assert report.warnings == (INTERLACED,)


def test_interlacing_that_is_removed_or_was_always_kept_is_not_told(studio: Any, tmp_path: Path) -> None:
    removed, _ = work(studio, tmp_path, filmed(Part(), Part(is_interlaced=True)), deinterlace=True)
    kept, _ = work(studio, tmp_path, filmed(Part(is_interlaced=True)))

    assert (removed.warnings, kept.warnings) == ((), ())


@pytest.mark.parametrize("deinterlace", [False, True])
def test_wider_pixels_keep_their_shape_between_bars(studio: Any, tmp_path: Path, deinterlace: bool) -> None:
    """From 4:3 to 16:9 of the same size, as in DVB."""
    film = filmed(Part(aspect=Fraction(4, 5)), Part(aspect=Fraction(16, 15)))

    report, shown = work(studio, tmp_path, film, deinterlace=deinterlace)

    assert lit(shown[PICTURES - 1]) == SIZE
    assert {lit(frame) for frame in shown[PICTURES:]} == {(160, 72)}
    assert {(frame.width, frame.height) for frame in shown} == {SIZE}
    assert report.warnings == ()
    bars = [frame.height - lit(frame)[1] for frame in posters(tmp_path, report)]
    assert bars[:PICTURES] == [0] * PICTURES
    assert bars[PICTURES:] == pytest.approx([24] * PICTURES, abs=2)


def test_narrower_pixels_get_bars_at_their_sides_whatever_the_rotation(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(aspect=Fraction(16, 15)), Part(aspect=Fraction(4, 5)))

    _, shown = work(studio, tmp_path, film, rotation=90)

    assert lit(shown[0]) == SIZE
    assert {lit(frame) for frame in shown[PICTURES:]} == {(120, 96)}


def test_a_portrait_after_a_landscape_stays_one(studio: Any, tmp_path: Path) -> None:
    _, shown = work(studio, tmp_path, filmed(Part(), Part(size=(96, 160))))

    assert {lit(frame) for frame in shown[PICTURES:]} == {(58, 96)}


def test_another_size_of_the_same_aspect_fills_the_picture(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(size=(160, 128), aspect=Fraction(64, 45)), Part(size=(320, 180)))

    report, shown = work(studio, tmp_path, film)

    assert {lit(frame) for frame in shown} == {(160, 128)}
    assert report.warnings == ()


def test_a_container_that_says_how_wide_pixels_are_is_believed(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(aspect=Fraction(4, 5)), container_aspect=Fraction(16, 15))

    report, shown = work(studio, tmp_path, film)

    assert {lit(frame) for frame in shown} == {SIZE}
    assert report.warnings == ()


def test_another_size_whose_pixels_nobody_tells_the_shape_of_is_told(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(), Part(size=(96, 160)), container_aspect=Fraction(16, 15))

    report, shown = work(studio, tmp_path, film)

    assert {lit(frame) for frame in shown} == {SIZE}
    assert report.warnings == (SHAPE,)


# A saturated red: Y, Cb and Cr of BT.601 and of BT.709, by their own equations from the same RGB.
RED_601, RED_709 = (81, 90, 240), (63, 102, 240)


REDS = {6: RED_601, 1: RED_709}


@pytest.mark.parametrize(("matrix", "other"), [(6, 1), (1, 6)])
def test_another_matrix_is_converted_to_the_first_one(
    studio: Any, tmp_path: Path, matrix: int, other: int
) -> None:
    film = filmed(Part(matrix=matrix, colour=REDS[matrix]), Part(matrix=other, colour=REDS[other]))

    report, shown = work(studio, tmp_path, film, color_matrix=matrix, color_range=1)

    found = [[bytes(plane)[0] for plane in frame.planes] for frame in shown]
    assert found[0] == pytest.approx(REDS[matrix], abs=1)
    assert found[-1] == pytest.approx(REDS[matrix], abs=3)
    assert report.warnings == ()


BRIGHT = (200, 128, 128)
GLARE = 300.0
"""A grey in cd/m²."""
GLARING = (round(16 + 219 * pq_code(GLARE)), 128, 128)
MAPPED = 16 + 219 * (rolled_off(GLARE) / 100) ** (1 / 2.4)


def test_high_dynamic_range_after_ordinary_is_tone_mapped(studio: Any, tmp_path: Path) -> None:
    first = Part(primaries=1, transfer=1, matrix=1, colour=BRIGHT)
    film = filmed(first, Part(primaries=9, transfer=PQ, matrix=9, colour=GLARING))

    report, shown = work(
        studio, tmp_path, film, color_primaries=1, color_transfer=1, color_matrix=1, color_range=1
    )

    assert luma_code(shown[0]) == 200
    assert luma_code(shown[-1]) == pytest.approx(MAPPED, abs=3)
    assert report.warnings == ()
    assert luma_code(posters(tmp_path, report)[-1]) == pytest.approx(full_range(MAPPED), abs=4)


def test_ordinary_after_high_dynamic_range_is_not_tone_mapped(studio: Any, tmp_path: Path) -> None:
    first = Part(primaries=9, transfer=PQ, matrix=9, colour=GLARING)
    film = filmed(first, Part(primaries=1, transfer=1, matrix=1, colour=BRIGHT))

    report, shown = work(
        studio, tmp_path, film, color_primaries=9, color_transfer=PQ, color_matrix=9, color_range=1
    )

    assert luma_code(shown[0]) == pytest.approx(MAPPED, abs=3)
    assert luma_code(shown[-1]) == pytest.approx(200, abs=1)
    assert report.warnings == ()


def test_hlg_after_pq_has_its_own_table(studio: Any, tmp_path: Path) -> None:
    pq, hlg = (Part(primaries=9, transfer=one, matrix=9, colour=GLARING) for one in (PQ, HLG))
    told = {"color_primaries": 9, "color_matrix": 9, "color_range": 1}
    (tmp_path / "alone").mkdir()

    _, shown = work(studio, tmp_path, filmed(pq, hlg), color_transfer=PQ, **told)

    _, alone = work(studio, tmp_path / "alone", filmed(hlg), color_transfer=HLG, **told)
    assert luma_code(shown[-1]) == pytest.approx(luma_code(alone[0]), abs=1)
    assert luma_code(shown[-1]) != luma_code(shown[0])


def test_ordinary_pictures_in_a_film_that_keeps_its_range_are_told(studio: Any, tmp_path: Path) -> None:
    first = Part(primaries=9, transfer=PQ, matrix=9)
    film = filmed(first, Part(primaries=1, transfer=1, matrix=1))

    report, _ = work(
        studio,
        tmp_path,
        film,
        pixel_format="yuv420p10le",
        color_primaries=9,
        color_transfer=PQ,
        color_matrix=9,
    )

    assert report.warnings == (RANGE,)


def test_the_thumbnails_of_a_film_that_keeps_its_range_are_for_ordinary_screens(
    studio: Any, tmp_path: Path
) -> None:
    film = filmed(Part(primaries=9, transfer=PQ, matrix=9, colour=GLARING))
    told = {"color_primaries": 9, "color_transfer": PQ, "color_matrix": 9, "color_range": 1}

    report, shown = work(studio, tmp_path, film, pixel_format="yuv420p10le", **told)

    assert int(shown[0].color_trc) == PQ
    assert luma_code(posters(tmp_path, report)[0]) == pytest.approx(full_range(MAPPED), abs=4)


def test_thumbnails_of_interlaced_pictures_show_no_combs(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(is_interlaced=True, is_combed=True))

    kept, _ = work(studio, tmp_path, film)
    combs = rows_apart(posters(tmp_path, kept)[2])
    removed, _ = work(studio, tmp_path, film, deinterlace=True)

    assert combs > 10
    assert rows_apart(posters(tmp_path, removed)[2]) < 2


@pytest.mark.parametrize("field_rate", [False, True])
def test_a_held_picture_is_the_last_one_that_deinterlacing_made(
    studio: Any, tmp_path: Path, field_rate: bool
) -> None:
    film = filmed(Part(is_interlaced=True, is_combed=True))
    wishes = {"deinterlace": True, "field_rate": field_rate, "max_segment_s": 4.0}
    for name in ("film", "held"):
        (tmp_path / name).mkdir()

    _, shown = work(studio, tmp_path / "film", film, **wishes)
    report, held = work(studio, tmp_path / "held", film, held=10 * 90_000, **wishes)

    assert [part.frames for part in report.renditions[0].parts] == [1] * 5
    for frame in held:
        assert np.abs(luma(frame).astype(int) - luma(shown[-1])).mean() < 3
        assert rows_apart(frame) < 2


def test_wider_colours_of_the_same_range_are_told(studio: Any, tmp_path: Path) -> None:
    film = filmed(Part(primaries=1, transfer=1, matrix=1), Part(primaries=9, transfer=14, matrix=9))

    report, _ = work(studio, tmp_path, film, color_primaries=1, color_transfer=1, color_matrix=1)

    assert report.warnings == (GAMUT,)
