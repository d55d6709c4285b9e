"""Which picture is the poster, and the sprite sheet's grid and cues."""

import re
from itertools import pairwise

import pytest
from cinelog_storage.domain.gallery import (
    COLUMNS,
    MAX_TILES,
    Candidate,
    Tile,
    chosen_tiles,
    layout,
    poster_index,
    webvtt,
)
from hypothesis import given
from hypothesis import strategies as st

BLACK = Candidate(at_s=0, mean=2.0, variance=0.0)
GREY = Candidate(at_s=0, mean=120.0, variance=1.0)
SCENE = Candidate(at_s=0, mean=100.0, variance=900.0)
LIVELY = Candidate(at_s=0, mean=110.0, variance=2500.0)
WHITE = Candidate(at_s=0, mean=250.0, variance=900.0)


@pytest.mark.parametrize(
    ("pictures", "index"),
    [
        ([BLACK, SCENE, BLACK, BLACK], 1),
        ([BLACK, WHITE, SCENE, GREY, BLACK, BLACK, LIVELY], 2),
        ([SCENE, LIVELY, SCENE, SCENE, SCENE, SCENE], 1),
        ([BLACK, BLACK, GREY, BLACK, LIVELY, BLACK], 4),
        ([BLACK], 0),
        ([BLACK, GREY], 1),
    ],
    ids=["past black", "past white", "liveliest", "beyond the third", "only black", "nothing else"],
)
def test_the_poster_shows_something(pictures: list[Candidate], index: int) -> None:
    assert poster_index(pictures) == index


def test_no_pictures_have_no_poster() -> None:
    assert poster_index([]) is None


@given(st.integers(0, 100_000))
def test_tiles_are_few_in_order_and_spread_over_the_film(count: int) -> None:
    chosen = chosen_tiles(count)

    assert len(chosen) == min(count, MAX_TILES)
    assert chosen == sorted(set(chosen))
    assert all(0 <= index < count for index in chosen)
    if chosen:
        assert chosen[0] == 0
        assert chosen[-1] >= count - count / MAX_TILES - 1


@given(
    st.lists(st.floats(0, 40_000, allow_nan=False), min_size=1, max_size=MAX_TILES, unique=True),
    st.floats(0, 50_000),
)
def test_cues_cover_the_film_without_gap_or_overlap(times_s: list[float], duration_s: float) -> None:
    tiles = layout(sorted(times_s), tile=(160, 90), duration_s=duration_s)

    assert tiles[0].start_s == 0.0
    assert tiles[-1].end_s >= duration_s
    assert all(one.end_s == other.start_s for one, other in pairwise(tiles))
    assert len({(tile.x, tile.y) for tile in tiles}) == len(tiles)
    assert all(tile.x < COLUMNS * 160 for tile in tiles)


def test_cues_are_webvtt_with_media_fragments() -> None:
    tiles = [
        Tile(x=0, y=0, start_s=0.0, end_s=59.9996),
        Tile(x=160, y=0, start_s=59.9996, end_s=3723.5),
        Tile(x=0, y=90, start_s=3723.5, end_s=3723.5),
    ]

    text = webvtt(tiles, tile=(160, 90), image="sprite.jpg")

    assert text.splitlines() == [
        "WEBVTT",
        "",
        "00:00:00.000 --> 00:01:00.000",
        "sprite.jpg#xywh=0,0,160,90",
        "",
        "00:01:00.000 --> 01:02:03.500",
        "sprite.jpg#xywh=160,0,160,90",
    ]


@given(st.floats(0, 400_000))
def test_a_time_is_always_written_as_webvtt_wants_it(at_s: float) -> None:
    text = webvtt([Tile(x=0, y=0, start_s=0.0, end_s=at_s)], tile=(1, 1), image="a")

    cues = [line for line in text.splitlines() if "-->" in line]
    assert all(
        re.fullmatch(r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3} --> \d{2,}:[0-5]\d:[0-5]\d\.\d{3}", cue) for cue in cues
    )
