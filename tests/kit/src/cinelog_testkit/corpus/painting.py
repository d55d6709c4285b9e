"""Pictures that say which they are: their number as blocks of black and white, above things that move."""

from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

BITS = 12
_ROW_SHARE = 8
"""The number's two rows, the second one inverted, take an eighth of the height each."""

Pixels = NDArray[np.uint8]


def painted(number: int, size: tuple[int, int], *, moved: int | None = None) -> Pixels:
    """Return an RGB picture with `number` painted in; `moved` is how far what moves has come."""
    width, height = size
    step = number if moved is None else moved
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0] = 64 + (columns + 3 * step) % 128
    picture[..., 1] = 64 + (rows * 2 + step) % 96
    picture[..., 2] = 96 + 48 * np.sin((columns + rows) / 9 + step / 5)
    side = height // 4
    left = (step * 4) % (width - side)
    picture[height // 2 : height // 2 + side, left : left + side] = (230, 210, 40)
    for row, inverted in ((0, False), (1, True)):
        for bit in range(BITS):
            lit = bool(number >> bit & 1) != inverted
            picture[_cell(row, bit, size)] = 235 if lit else 20
    return picture


def number_in(grey: Pixels) -> int | None:
    """Return the number painted into a grey picture; None if it cannot be read for certain."""
    size = (grey.shape[1], grey.shape[0])
    number = 0
    for bit in range(BITS):
        upright, inverted = (float(grey[_cell(row, bit, size, inner=True)].mean()) for row in (0, 1))
        if abs(upright - inverted) < 40:
            return None
        number |= (upright > inverted) << bit
    return number


def as_frame(pixels: Pixels, pixel_format: str, converter: VideoReformatter, **conversion: Any) -> VideoFrame:
    """Return RGB pixels as a frame of another format; `conversion` as `VideoFrame.reformat` takes it."""
    return converter.reformat(VideoFrame.from_ndarray(pixels, "rgb24"), format=pixel_format, **conversion)


def error_between(one: Pixels, other: Pixels) -> float:
    """Return the mean difference of two pictures of one size, in steps of 256."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def _cell(row: int, bit: int, size: tuple[int, int], *, inner: bool = False) -> tuple[slice, slice]:
    width, height = size
    across, down = width / BITS, height / _ROW_SHARE
    margin = 0.25 if inner else 0.0
    return (
        slice(round((row + margin) * down), round((row + 1 - margin) * down)),
        slice(round((bit + margin) * across), round((bit + 1 - margin) * across)),
    )
