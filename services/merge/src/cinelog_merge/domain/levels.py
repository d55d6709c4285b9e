"""Codec levels: the smallest that holds a picture's size, rate and bitrate; it fixes the init segment."""

import math

from cinelog_common.contract.values import Value

_H264 = (
    # Level, macroblocks/s, macroblocks a frame, kbit/s of High profile (ITU-T H.264, table A-1 × 1.25).
    ("3.0", 40_500, 1_620, 12_500),
    ("3.1", 108_000, 3_600, 17_500),
    ("3.2", 216_000, 5_120, 25_000),
    ("4.0", 245_760, 8_192, 25_000),
    ("4.1", 245_760, 8_192, 62_500),
    ("4.2", 522_240, 8_704, 62_500),
    ("5.0", 589_824, 22_080, 168_750),
    ("5.1", 983_040, 36_864, 300_000),
    ("5.2", 2_073_600, 36_864, 300_000),
    ("6.0", 4_177_920, 139_264, 300_000),
    ("6.1", 8_355_840, 139_264, 600_000),
    ("6.2", 16_711_680, 139_264, 1_000_000),
)
_HEVC = (
    # Level, luma samples/s, luma samples a picture, kbit/s of the Main tier (H.265, tables A.8 and A.9).
    ("3.0", 16_588_800, 552_960, 6_000),
    ("3.1", 33_177_600, 983_040, 10_000),
    ("4.0", 66_846_720, 2_228_224, 12_000),
    ("4.1", 133_693_440, 2_228_224, 20_000),
    ("5.0", 267_386_880, 8_912_896, 25_000),
    ("5.1", 534_773_760, 8_912_896, 40_000),
    ("5.2", 1_069_547_520, 8_912_896, 60_000),
    ("6.0", 1_069_547_520, 35_651_584, 60_000),
    ("6.1", 2_139_095_040, 35_651_584, 120_000),
    ("6.2", 4_278_190_080, 35_651_584, 240_000),
)


def h264_level(width: int, height: int, fps: float, rate_k: int) -> tuple[str, int]:
    """Return the level and the bitrate cap (kbit/s) that fits it."""
    across, down = math.ceil(width / 16), math.ceil(height / 16)
    need = _Need(size=across * down, rate=across * down * fps, longest=max(across, down))
    return _smallest(_H264, need, rate_k)


def hevc_level(width: int, height: int, fps: float, rate_k: int) -> tuple[str, int]:
    """Return the level and the bitrate cap (kbit/s) that fits it."""
    # Pictures are coded in whole blocks of 8.
    across, down = math.ceil(width / 8) * 8, math.ceil(height / 8) * 8
    need = _Need(size=across * down, rate=across * down * fps, longest=max(across, down))
    return _smallest(_HEVC, need, rate_k)


class _Need(Value, frozen=True, kw_only=True):
    """What a picture takes, in the table's units: its area, area a second, and longer side."""

    size: int
    rate: float
    longest: int


def _smallest(table: tuple[tuple[str, int, int, int], ...], need: _Need, rate_k: int) -> tuple[str, int]:
    # No side may exceed √(8 × area) (H.264 A.3.1 f and g, H.265 A.4.1): a panorama needs more than its area.
    fitting = [
        row for row in table if need.size <= row[2] and need.rate <= row[1] and need.longest**2 <= 8 * row[2]
    ]
    fitting = fitting or [table[-1]]
    for level, _, _, cap in fitting:
        if rate_k <= cap:
            return level, rate_k
    return fitting[-1][0], fitting[-1][3]
