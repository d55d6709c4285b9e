"""The screen that a film was made on, out of what libavutil keeps of it."""

import struct
from collections.abc import Iterable

from cinelog_common.cmaf.headers import LightLevel, Mastering

DISPLAY, LIGHT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"

_DISPLAY = struct.Struct("<20i2i")
"""AVMasteringDisplayMetadata: ten rationals (red, green, blue, white as x and y; least and most light)."""
_LIGHT = struct.Struct("<2I")
_CHROMATICITY, _LUMINANCE = 50000, 10000


def mastering_of(side_data: Iterable[tuple[str, bytes]]) -> tuple[Mastering | None, LightLevel | None]:
    """Return what the stream's side data say; None for what they do not say, or say brokenly."""
    found = dict(side_data)
    return _mastering(found.get(DISPLAY, b"")), _light_level(found.get(LIGHT, b""))


def _mastering(data: bytes) -> Mastering | None:
    if len(data) < _DISPLAY.size:
        return None
    *numbers, has_primaries, has_luminance = _DISPLAY.unpack_from(data)
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if not (has_primaries and has_luminance) or any(below <= 0 for _, below in pairs):
        return None
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y = (
        round(above * _CHROMATICITY / below) for above, below in pairs[:8]
    )
    least, most = (round(above * _LUMINANCE / below) for above, below in pairs[8:])
    return Mastering(
        primaries=(green_x, green_y, blue_x, blue_y, red_x, red_y),
        white=(white_x, white_y),
        luminance=(most, least),
    )


def _light_level(data: bytes) -> LightLevel | None:
    if len(data) < _LIGHT.size:
        return None
    content, average = _LIGHT.unpack_from(data)
    return LightLevel(max_content=content, max_average=average) if content or average else None
