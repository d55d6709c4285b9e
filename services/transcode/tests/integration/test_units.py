"""Units encoded for real: what comes out must be the frames that went in."""

from pathlib import Path
from typing import Any

import pytest
from cinelog_common.cmaf.fragments import read_fragment
from cinelog_common.cmaf.inits import init_info
from cinelog_common.contract.values import Rendition
from cinelog_common.errors import Category
from cinelog_fastio import BundleReader
from cinelog_transcode.children.decoding import BundleDecoder
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.children.working import DamagedError
from cinelog_transcode.domain.tasks import EncodeTask
from msgspec.structs import replace

CFR = tuple(range(0, 100 * 512, 512))
OPEN_GOP = {"x264-params": "open-gop=1:keyint=25:min-keyint=25:scenecut=0:bframes=3:b-adapt=0"}
CLOSED_GOP = {"x264-params": "open-gop=0:keyint=25:min-keyint=25:scenecut=0"}


def silent(done: int, total: int) -> None:
    pass


def task(folder: Path, bundle: Path, recipe: Any, **changes: Any) -> EncodeTask:
    return EncodeTask(bundle=str(bundle), folder=str(folder), recipe=recipe, **{"n": 0, **changes})


@pytest.mark.parametrize("options", [OPEN_GOP, CLOSED_GOP], ids=["open", "closed"])
def test_units_of_h264_show_the_frames_of_the_source_and_join(
    studio: Any, tmp_path: Path, options: dict[str, str]
) -> None:
    footage = studio.make(studio.spec(options=options, pts=CFR))
    recipe = studio.recipe(footage)
    fragments, init = [], set()

    for n in range(4):
        cut = studio.cut(n=n, start=n * 25 * 512, end=(n + 1) * 25 * 512)
        bundle = studio.bundle(tmp_path / f"{n}.pkts", footage, cut)
        folder = tmp_path / str(n)
        folder.mkdir()
        report = encode_unit(task(folder, bundle, recipe, n=n), silent)
        (rendition,) = report.renditions
        fragments.append((folder / rendition.parts[0].file).read_bytes())
        init.add(rendition.init)
        assert (report.frames, len(rendition.parts)) == (25, 1)

    assert len(init) == 1
    shown = studio.play(init.pop(), fragments)
    assert shown.pts == list(CFR)
    assert shown.numbers() == list(range(100))


def test_a_variable_frame_rate_keeps_every_time(studio: Any, tmp_path: Path) -> None:
    gaps = [256, 256, 6400, 512, 25600, 256, 512, 512, 1024, 256] * 3
    times = [0]
    for gap in gaps:
        times.append(times[-1] + gap)
    footage = studio.make(studio.spec(pts=tuple(times)))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=times[-1] + 30000))

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage, max_segment_s=60.0)), silent)

    shown = studio.play_report(tmp_path, report.renditions[0])
    assert shown.pts == times
    assert shown.numbers() == list(range(len(times)))


def test_a_long_unit_becomes_parts_that_each_begin_with_an_idr(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR, options={"x264-params": "keyint=infinite:scenecut=0"}))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=100 * 512))

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage, max_segment_s=1.5)), silent)

    (rendition,) = report.renditions
    assert [(part.start, part.end) for part in rendition.parts] == [
        (0, 33 * 512), (33 * 512, 66 * 512), (66 * 512, 100 * 512)
    ]  # fmt: skip
    for part in rendition.parts:
        fragment = read_fragment((tmp_path / part.file).read_bytes())
        assert fragment.samples[0].sync
        assert fragment.duration == part.end - part.start
        alone = studio.play(rendition.init, [(tmp_path / part.file).read_bytes()])
        assert len(alone.pts) == part.frames
    assert studio.play_report(tmp_path, rendition).numbers() == list(range(100))


def test_one_decode_feeds_every_rendition_with_aligned_parts(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR, size=(640, 360)))
    ladder = (
        Rendition(name="360p", width=640, height=360, crf=23, max_rate_k=4000, level="3.0"),
        Rendition(name="180p", width=320, height=180, crf=23, max_rate_k=1000, level="3.0"),
    )
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=100 * 512))

    report = encode_unit(
        task(tmp_path, bundle, studio.recipe(footage, renditions=ladder, max_segment_s=2.0)), silent
    )

    large, small = report.renditions
    assert [(p.start, p.end, p.frames) for p in large.parts] == [
        (p.start, p.end, p.frames) for p in small.parts
    ]
    assert (init_info(small.init).width, init_info(small.init).height) == (320, 180)
    assert studio.play_report(tmp_path, large).numbers() == list(range(100))
    assert studio.play_report(tmp_path, small).numbers(block=8) == list(range(100))


def test_however_many_renditions_every_packet_is_decoded_once(
    studio: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    footage = studio.make(studio.spec(pts=CFR[:50], size=(640, 360)))
    ladder = tuple(
        Rendition(name=f"{side}p", width=side * 16 // 9, height=side, crf=23, max_rate_k=1000, level="3.0")
        for side in (360, 270, 180)
    )
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=50 * 512))
    decoded: list[int | None] = []
    decode = BundleDecoder.decode

    def counting(decoder: Any, packet: Any) -> Any:
        decoded.append(packet.pts)
        return decode(decoder, packet)

    monkeypatch.setattr(BundleDecoder, "decode", counting)

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage, renditions=ladder)), silent)

    assert [sum(part.frames for part in each.parts) for each in report.renditions] == [50, 50, 50]
    with BundleReader.open(bundle) as packets:
        assert decoded == [packet.pts for packet in packets]


@pytest.mark.parametrize(
    "made",
    [
        ("libx264", "h264", "yuv420p"),
        ("libx265", "hevc", "yuv420p10le"),
        ("libsvtav1", "av1", "yuv420p10le"),
        ("libvpx-vp9", "vp9", "yuv420p"),
    ],
    ids=lambda made: made[0],
)
def test_every_encoder_of_the_processor_makes_parts_that_join(
    studio: Any, tmp_path: Path, made: tuple[str, str, str]
) -> None:
    encoder, codec, pixel_format = made
    footage = studio.make(studio.spec(pts=CFR[:40]))
    level = "3.0" if codec in {"h264", "hevc"} else ""
    rendition = Rendition(name="180p", width=320, height=180, crf=30, max_rate_k=2000, level=level)
    recipe = studio.recipe(
        footage,
        encoder=encoder,
        codec=codec,
        pixel_format=pixel_format,
        preset="ultrafast",
        renditions=(rendition,),
        max_segment_s=0.6,
    )
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=40 * 512))

    report = encode_unit(task(tmp_path, bundle, recipe), silent)

    assert len(report.renditions[0].parts) == 3
    shown = studio.play_report(tmp_path, report.renditions[0])
    assert shown.pts == list(CFR[:40])
    assert shown.numbers() == list(range(40))


def test_a_recipe_makes_one_init_whatever_the_quality_and_the_threads(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25]))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=25 * 512))
    inits = set()

    for crf, threads in ((18, 1), (35, 2)):
        rendition = Rendition(name="180p", width=320, height=180, crf=crf, max_rate_k=4000, level="3.0")
        recipe = studio.recipe(footage, renditions=(rendition,))
        report = encode_unit(task(tmp_path, bundle, recipe, threads=threads), silent)
        inits.add(report.renditions[0].init_hash)

    assert len(inits) == 1


def test_a_unit_that_shows_fewer_frames_than_promised_is_damaged(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25]))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=25 * 512, frames=27))

    with pytest.raises(DamagedError, match="27 frames, but 25") as caught:
        encode_unit(task(tmp_path, bundle, studio.recipe(footage)), silent)

    assert caught.value.category == Category.DAMAGED


@pytest.mark.parametrize("kept_bytes", [0.02, 0.5], ids=["nothing left", "half left"])
def test_what_is_shown_of_damage_does_not_depend_on_threads(
    studio: Any, tmp_path: Path, kept_bytes: float
) -> None:
    footage = studio.make(studio.spec(pts=CFR[:30], size=(640, 360), options={"x264-params": "bframes=2"}))
    packets = [
        replace(packet, data=packet.data[: max(8, int(len(packet.data) * kept_bytes))])
        if number in {9, 27, 29}
        else packet
        for number, packet in enumerate(footage.packets)
    ]
    torn = replace(footage, packets=tuple(packets))
    bundle = studio.bundle(tmp_path / "b", torn, studio.cut(start=0, end=30 * 512))
    recipe, found = studio.recipe(footage), []

    for threads in (1, 2, 3, 5, 8):
        folder = tmp_path / str(threads)
        folder.mkdir()
        report = encode_unit(task(folder, bundle, recipe, threads=threads, salvage=True), silent)
        shown = studio.play_report(folder, report.renditions[0])
        found.append((report.frames, report.warnings, shown.pts, shown.numbers()))

    assert found == found[:1] * 5
    assert found[0][1]


def test_pictures_that_are_lost_are_named_by_their_times(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25], options={"x264-params": "bframes=0:keyint=1"}))
    torn = replace(footage.packets[10], data=b"\0\0\0\1\x09\x10")
    packets = (*footage.packets[:10], torn, *footage.packets[11:])
    bundle = studio.bundle(
        tmp_path / "b", replace(footage, packets=packets), studio.cut(start=0, end=25 * 512)
    )

    with pytest.raises(DamagedError, match=r"25 frames, but 24 .* damaged at 0\.40 s"):
        encode_unit(task(tmp_path, bundle, studio.recipe(footage)), silent)


def test_a_flipped_bit_in_the_bundle_is_damage(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25]))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=25 * 512))
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 8
    bundle.write_bytes(data)

    with pytest.raises(DamagedError, match="packets of unit 0 are damaged"):
        encode_unit(task(tmp_path, bundle, studio.recipe(footage)), silent)


@pytest.mark.parametrize("options", [OPEN_GOP, CLOSED_GOP], ids=["open", "closed"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_held_unit_repeats_the_last_picture_in_every_part(
    studio: Any, tmp_path: Path, options: dict[str, str], threads: int
) -> None:
    footage = studio.make(studio.spec(options=options, pts=CFR))
    end, until = 100 * 512, 100 * 512 + 20 * 12800
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(n=4, start=end, end=until, held=True))
    recipe = studio.recipe(footage, max_segment_s=8.0)

    report = encode_unit(task(tmp_path, bundle, recipe, n=4, threads=threads), silent)

    assert (report.held, report.frames, report.warnings) == (True, 0, ())
    (rendition,) = report.renditions
    assert [part.frames for part in rendition.parts] == [1] * 5
    assert [part.end - part.start for part in rendition.parts] == [4 * 12800] * 5
    assert (rendition.parts[0].start, rendition.parts[-1].end) == (end, until)
    shown = studio.play_report(tmp_path, rendition)
    assert shown.numbers() == [99] * 5
    fragments = [read_fragment((tmp_path / part.file).read_bytes()) for part in rendition.parts]
    assert all(each.samples[0].sync for each in fragments)
    # Two take turns.
    data = [(tmp_path / part.file).read_bytes()[-200:] for part in rendition.parts]
    assert data[0] != data[1]
    assert (data[:2], data[1:3]) == (data[2:4], data[3:5])


def test_a_held_unit_whose_picture_cannot_be_decoded_is_black(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25]))
    torn = tuple(replace(packet, data=packet.data[:9]) for packet in footage.packets)
    cut = studio.cut(start=25 * 512, end=25 * 512 + 12800, held=True)
    bundle = studio.bundle(tmp_path / "b", replace(footage, packets=torn), cut)

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage)), silent)

    (shown,) = studio.play_report(tmp_path, report.renditions[0]).frames
    assert shown.to_ndarray(format="gray").max() < 20


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "libsvtav1", "libvpx-vp9"])
def test_a_held_picture_is_as_good_in_its_last_part_as_in_its_first(
    studio: Any, tmp_path: Path, encoder: str
) -> None:
    footage = studio.make(studio.spec(pts=CFR[:25], size=(320, 180)))
    end, seconds = 25 * 512, 43
    cut = studio.cut(n=1, start=end, end=end + seconds * 12800 + 7, held=True)
    bundle = studio.bundle(tmp_path / "b", footage, cut)
    codec = {"libx265": "hevc", "libsvtav1": "av1", "libvpx-vp9": "vp9"}.get(encoder, "h264")
    recipe = studio.recipe(footage, encoder=encoder, codec=codec, max_segment_s=8.0)

    (rendition,) = encode_unit(task(tmp_path, bundle, recipe, n=1), silent).renditions

    lengths = [part.end - part.start for part in rendition.parts]
    assert len(lengths) == 11
    assert max(lengths) - min(lengths) <= 1
    frames = studio.play_report(tmp_path, rendition).frames
    pictures = [frame.to_ndarray(format="gray").astype(int) for frame in frames]
    assert all(abs(each - pictures[0]).mean() < 1 for each in pictures)


def test_no_frame_of_a_slow_film_is_cut_off_by_how_short_segments_may_be(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=(0, 1, 2, 3), time_base=(5, 1), rate=1))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=4))

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage, max_segment_s=8.0)), silent)

    assert [part.frames for part in report.renditions[0].parts] == [1, 1, 1, 1]


def test_thumbnails_are_upright_small_and_on_the_two_second_grid(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR, size=(640, 360)))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=25 * 512, end=100 * 512))
    recipe = studio.recipe(footage, rotation=90)

    report = encode_unit(task(tmp_path, bundle, recipe), silent)

    assert report.thumbnails is not None
    with BundleReader.open(tmp_path / report.thumbnails) as pictures:
        assert pictures.parameters.attributes == {"width": 320, "height": 568}
        (only,) = list(pictures)
    assert only.pts == 50 * 512
    assert only.data[:2] == b"\xff\xd8"
    assert only.side_data[0][0] == "cinelog.luma"
    assert init_info(report.renditions[0].init).rotation == 270


@pytest.mark.parametrize("metric", ["ssim", "xpsnr"])
def test_measuring_a_unit_changes_none_of_its_bytes(studio: Any, tmp_path: Path, metric: str) -> None:
    # At 20 macroblocks a row x264's AVX-512 rate control gives other bytes each time; at 40 it does not.
    footage = studio.make(studio.spec(pts=CFR, size=(640, 360)))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=100 * 512))
    made = []
    for name, wanted in (("plain", ""), ("measured", metric)):
        folder = tmp_path / name
        folder.mkdir()
        made.append(encode_unit(task(folder, bundle, studio.recipe(footage), metric=wanted), silent))

    (plain,), (measured,) = made[0].renditions, made[1].renditions

    assert plain.parts == measured.parts
    assert plain.init == measured.init
    assert plain.quality is None
    assert measured.quality is not None
    assert (0.8 < measured.quality < 1.0) if metric == "ssim" else (25.0 < measured.quality <= 100.0)


def test_a_unit_of_fewer_than_20_pictures_is_not_measured(studio: Any, tmp_path: Path) -> None:
    footage = studio.make(studio.spec(pts=CFR[:19]))
    bundle = studio.bundle(tmp_path / "b", footage, studio.cut(start=0, end=19 * 512))

    report = encode_unit(task(tmp_path, bundle, studio.recipe(footage), metric="ssim"), silent)

    assert report.renditions[0].quality is None
