import struct
from itertools import pairwise
from typing import Any

import pytest
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_transcode.domain.colours import HLG, PQ, colours_of, tone_maps
from cinelog_transcode.domain.mastering import DISPLAY, LIGHT, mastering_of
from cinelog_transcode.domain.tonemapping import cube, pq_code, rolled_off


def recipe(**changes: Any) -> Recipe:
    fields: dict[str, Any] = {
        "family": "cpu",
        "encoder": "libx264",
        "codec": "h264",
        "preset": "medium",
        "pixel_format": "yuv420p",
        "time_base": (1, 1000),
        "frame_rate": (25, 1),
        "renditions": (Rendition(name="a", width=1280, height=720, crf=23, max_rate_k=0),),
        "max_segment_s": 8.0,
    }
    return Recipe(**{**fields, **changes})


def test_eight_bits_of_high_dynamic_range_become_bt709() -> None:
    hdr = recipe(color_primaries=9, color_transfer=PQ, color_matrix=9, color_range=1)

    assert tone_maps(hdr)
    assert (colours_of(hdr).primaries, colours_of(hdr).transfer, colours_of(hdr).matrix) == (1, 1, 1)


def test_ten_bits_keep_their_range() -> None:
    hdr = recipe(pixel_format="yuv420p10le", color_primaries=9, color_transfer=HLG, color_matrix=9)

    assert not tone_maps(hdr)
    assert colours_of(hdr).transfer == HLG


def test_an_rgb_source_is_told_to_be_what_it_becomes() -> None:
    assert colours_of(recipe(color_matrix=0)).matrix == 1


def test_light_below_the_knee_stays_and_above_it_rolls_off_without_clipping() -> None:
    assert rolled_off(10) == pytest.approx(10, rel=1e-6)
    lights = [30, 50, 100, 203, 400, 700, 1000]
    shown = [rolled_off(light) for light in lights]
    assert shown == sorted(shown)
    assert all(after > before for before, after in pairwise(shown))
    assert shown[-1] == pytest.approx(100, rel=1e-6)
    assert rolled_off(4000) == pytest.approx(100, rel=1e-6)
    assert pq_code(100) == pytest.approx(0.508, abs=0.001)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_grey_stays_grey_and_grows_with_its_code(transfer: int) -> None:
    rows = [tuple(map(float, line.split())) for line in cube(transfer).splitlines()[1:]]
    side = 33
    greys = [rows[at * (1 + side + side * side)] for at in range(side)]

    assert len(rows) == side**3
    assert all(max(grey) - min(grey) < 0.002 for grey in greys)
    assert [grey[0] for grey in greys] == sorted(grey[0] for grey in greys)
    assert greys[0] == (0, 0, 0)
    assert greys[-1][0] == pytest.approx(1, abs=0.001)


def test_the_screen_a_film_was_made_on_is_read_from_side_data() -> None:
    numbers = [34000, 50000, 16000, 50000, 13250, 50000, 34500, 50000, 7500, 50000, 3000, 50000]
    numbers += [15635, 50000, 16450, 50000, 50, 10000, 10000000, 10000, 1, 1]
    side = ((DISPLAY, struct.pack("<22i", *numbers)), (LIGHT, struct.pack("<2I", 1000, 400)))

    mastering, light = mastering_of(side)

    assert mastering is not None
    assert light is not None
    assert mastering.primaries == (13250, 34500, 7500, 3000, 34000, 16000)
    assert (mastering.white, mastering.luminance) == ((15635, 16450), (10000000, 50))
    assert (light.max_content, light.max_average) == (1000, 400)
    assert mastering_of(((DISPLAY, b"short"),)) == (None, None)
