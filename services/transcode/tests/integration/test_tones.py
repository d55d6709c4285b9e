"""High dynamic range on ordinary screens: greys by the standards, colours as they once looked right."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from av.codec.context import CodecContext, Flags
from av.video.frame import VideoFrame
from cinelog_fastio import KEYFRAME, Packet
from cinelog_transcode.children.units import encode_unit
from cinelog_transcode.domain.colours import HLG, PQ
from cinelog_transcode.domain.tasks import EncodeTask
from cinelog_transcode.domain.tonemapping import pq_code, rolled_off

GOLDEN = Path(__file__).parent.parent / "golden"
PATCH = 32
Codes = npt.NDArray[np.float64]

GREYS = (10.0, 100.0, 400.0, 1000.0)
LIGHTS = (
    [(light, light, light) for light in (1, 10, 50, 100, 200, 400, 1000, 4000)],
    [
        (100, 0, 0),
        (0, 100, 0),
        (0, 0, 100),
        (100, 100, 0),
        (0, 100, 100),
        (100, 0, 100),
        (60, 42, 33),
        (12, 30, 8),
    ],
    [
        (800, 0, 0),
        (0, 800, 0),
        (0, 0, 800),
        (800, 800, 0),
        (0, 800, 800),
        (800, 0, 800),
        (600, 300, 60),
        (150, 220, 500),
    ],
)
"""Rows of patches, red, green and blue in cd/m²: greys; colours, skin and leaf; the same glaring, and sky."""


def chart(transfer: int) -> Codes:
    """The patches as codes from 0 to 1; HLG's are other colours of the same order."""
    codes = np.array([[[pq_code(light) for light in patch] for patch in row] for row in LIGHTS])
    return codes if transfer == PQ else codes**0.8


def planes(codes: Codes) -> list[npt.NDArray[np.uint16]]:
    """Y, Cb and Cr of BT.2020 (non-constant luminance, limited range, 10 bits), chroma halved."""
    luma = codes @ (0.2627, 0.6780, 0.0593)
    blue, red = (codes[..., 2] - luma) / 1.8814, (codes[..., 0] - luma) / 1.4746
    wide = [np.kron(64 + 876 * luma, np.ones((PATCH, PATCH)))]
    wide += [np.kron(512 + 896 * one, np.ones((PATCH // 2, PATCH // 2))) for one in (blue, red)]
    return [np.rint(plane).astype(np.uint16) for plane in wide]


def tone_mapped(studio: Any, folder: Path, codes: Codes, transfer: int) -> VideoFrame:
    """What an ordinary screen is given of a film that shows these patches."""
    luma, *chroma = planes(codes)
    height, width = luma.shape
    context: Any = CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p10le"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.color_range, context.color_primaries, context.color_trc, context.colorspace = 1, 9, transfer, 9
    context.options = {"crf": "4", "x265-params": "log-level=none"}
    context.flags |= Flags.global_header
    frame = VideoFrame(width, height, "yuv420p10le")
    for plane, values in zip(frame.planes, (luma, *chroma), strict=True):
        padded = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        padded[:, : values.shape[1]] = values
        plane.update(padded.tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    packets = [*context.encode(frame), *context.encode(None)]
    plain = studio.make(studio.spec(pts=(0,), time_base=(1, 25), size=(width, height)))
    footage = msgspec.structs.replace(
        plain,
        packets=tuple(Packet(data=bytes(p), pts=0, dts=0, flags=KEYFRAME) for p in packets),
        parameters=msgspec.structs.replace(
            plain.parameters, codec="hevc", extradata=context.extradata or b""
        ),
    )
    recipe = studio.recipe(footage, color_primaries=9, color_transfer=transfer, color_matrix=9, color_range=1)
    rendition = msgspec.structs.replace(recipe.renditions[0], crf=1, max_rate_k=0)
    recipe = msgspec.structs.replace(recipe, renditions=(rendition,))
    bundle = studio.bundle(folder / "b", footage, studio.cut(start=0, end=1))
    report = encode_unit(
        EncodeTask(bundle=str(bundle), folder=str(folder), recipe=recipe, n=0), lambda *_: None
    )
    (shown,) = studio.play_report(folder, report.renditions[0]).frames
    assert isinstance(shown, VideoFrame)
    return shown


def test_high_dynamic_range_becomes_ordinary_without_clipping(studio: Any, tmp_path: Path) -> None:
    """Grey of 10, 100, 400 and 1000 cd/m² against the codes that the table says."""
    codes = np.array([[[pq_code(light)] * 3 for light in GREYS]])

    shown = tone_mapped(studio, tmp_path, codes, PQ)

    image, middle = shown.to_ndarray(), PATCH // 2
    found = [int(image[middle, at * PATCH + middle]) for at in range(len(GREYS))]
    wanted = [16 + 219 * (rolled_off(light) / 100) ** (1 / 2.4) for light in GREYS]
    assert found == pytest.approx(wanted, abs=3)
    assert (int(shown.colorspace), int(shown.color_trc)) == (1, 1)


def patches(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The mean of each patch's middle: its edges are the encoder's."""
    rows, columns = image.shape[0] // PATCH, image.shape[1] // PATCH
    grid = image.reshape(rows, PATCH, columns, PATCH, 3)[:, 8:-8, :, 8:-8]
    return grid.mean(axis=(1, 3))


@pytest.mark.parametrize(("name", "transfer"), [("pq", PQ), ("hlg", HLG)])
def test_colours_look_as_in_the_golden_image(studio: Any, tmp_path: Path, name: str, transfer: int) -> None:
    with av.open(str(GOLDEN / f"tones-{name}.png")) as container:
        golden = next(container.decode(video=0)).to_ndarray(format="rgb24")

    shown = tone_mapped(studio, tmp_path, chart(transfer), transfer).to_ndarray(format="rgb24")

    assert shown.shape == golden.shape
    assert np.abs(patches(shown) - patches(golden)).max() <= 3
