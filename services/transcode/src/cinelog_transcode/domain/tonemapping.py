"""High dynamic range for ordinary screens, as a table of colours that libavfilter's `lut3d` applies.

What is darker than the knee stays as it is; what is brighter rolls off into what an ordinary
screen shows (ITU-R BT.2390-11 §5.4, on the brightest component, so that no hue shifts). The rest is
arithmetic of the standards: PQ (SMPTE ST 2084), HLG (BT.2100), BT.2020 to BT.709, gamma of BT.1886.
"""

from functools import lru_cache
from math import exp

from cinelog_transcode.domain.colours import HLG, PQ

_SIDE = 33
"""Points along each axis: the usual size of such tables; between them lut3d interpolates."""
_SOURCE_PEAK, _TARGET_PEAK = 1000.0, 100.0
"""cd/m²: what consumer films are graded for, and the reference screen of BT.709."""

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2
_LUMA_2020 = (0.2627, 0.6780, 0.0593)
_TO_709 = (
    (1.6605, -0.5876, -0.0728),
    (-0.1246, 1.1329, -0.0083),
    (-0.0182, -0.1006, 1.1187),
)
"""BT.2087 of linear BT.2020."""

_Triple = tuple[float, float, float]


@lru_cache(maxsize=2)
def cube(transfer: int) -> str:
    """Return the table for sources of this transfer characteristic, as a .cube file's text."""
    axis = [step / (_SIDE - 1) for step in range(_SIDE)]
    curve = [_light(code, transfer) for code in axis]
    rows = [
        "{:.5f} {:.5f} {:.5f}".format(*_shown((red, green, blue), transfer))
        for blue in curve
        for green in curve
        for red in curve
    ]
    return "\n".join([f"LUT_3D_SIZE {_SIDE}", *rows, ""])


def _light(code: float, transfer: int) -> float:
    """PQ: cd/m². HLG: linear light of the scene, 0 to 1."""
    if transfer == HLG:
        return code * code / 3 if code <= 0.5 else (exp((code - _HLG_C) / _HLG_A) + _HLG_B) / 12
    root = code ** (1 / _M2)
    return 10000.0 * float((max(0.0, root - _C1) / (_C2 - _C3 * root)) ** (1 / _M1))


def pq_code(light: float) -> float:
    """Return the PQ code of `light` cd/m²."""
    power = (max(0.0, light) / 10000) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def rolled_off(light: float) -> float:
    """Return what an ordinary screen shows for `light`, both in cd/m²."""
    top = pq_code(_SOURCE_PEAK)
    bright = pq_code(_TARGET_PEAK) / top
    code = min(1.0, pq_code(light) / top)
    knee = 1.5 * bright - 0.5
    if code > knee:
        t = (code - knee) / (1 - knee)
        code = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * bright
        )
    return _light(code * top, PQ)


def _shown(light: _Triple, transfer: int) -> _Triple:
    if transfer == HLG:
        luma = sum(weight * part for weight, part in zip(_LUMA_2020, light, strict=True))
        gain = _SOURCE_PEAK * luma ** (_HLG_GAMMA - 1) if luma > 0 else 0.0
        light = (light[0] * gain, light[1] * gain, light[2] * gain)
    brightest = max(light)
    if brightest <= 0:
        return (0.0, 0.0, 0.0)
    scale = rolled_off(brightest) / brightest / _TARGET_PEAK
    red, green, blue = (
        _coded(sum(weight * part * scale for weight, part in zip(row, light, strict=True))) for row in _TO_709
    )
    return red, green, blue


def _coded(light: float) -> float:
    return float(min(1.0, max(0.0, light)) ** (1 / 2.4))
