"""Which picture is the poster, and how a sprite sheet is laid out. Pure."""

from collections.abc import Sequence
from math import ceil

from cinelog_common.contract.values import Value

COLUMNS = 10
MAX_TILES = 100
TILE_WIDTH = 160
_MOMENT_S = 1.0
_DARK, _BRIGHT, _FLAT = 24.0, 232.0, 60.0
"""Mean luma below or above, or a variance below, which a picture shows next to nothing."""


class Candidate(Value, frozen=True, kw_only=True):
    """One small picture: when it is shown (seconds) and how it looks (luma, 0 to 255)."""

    at_s: float
    mean: float
    variance: float


class Tile(Value, frozen=True, kw_only=True):
    """One picture of the sheet: its place in pixels and the stretch of time it stands for."""

    x: int
    y: int
    start_s: float
    end_s: float


def poster_index(candidates: Sequence[Candidate]) -> int | None:
    """Return which picture introduces the film: the liveliest of the first third that is not black.

    None if there are no pictures. A film that is black throughout gets its liveliest picture.
    """
    if not candidates:
        return None
    third = candidates[: max(1, ceil(len(candidates) / 3))]
    for choice in (third, candidates):
        shown = [index for index, picture in enumerate(choice) if _shows_something(picture)]
        if shown:
            return max(shown, key=lambda index: choice[index].variance)
    return max(range(len(candidates)), key=lambda index: candidates[index].variance)


def _shows_something(picture: Candidate) -> bool:
    return _DARK <= picture.mean <= _BRIGHT and picture.variance >= _FLAT


def chosen_tiles(count: int) -> list[int]:
    """Return which of `count` pictures the sheet shows: all, or evenly spaced ones."""
    if count <= MAX_TILES:
        return list(range(count))
    return [index * count // MAX_TILES for index in range(MAX_TILES)]


def layout(times_s: Sequence[float], *, tile: tuple[int, int], duration_s: float) -> list[Tile]:
    """Return the place of each picture, row by row, and how long it stands for the film."""
    last_s = times_s[-1] if times_s else 0.0
    # Where nobody knows how long the film is, its last picture still stands for a moment.
    ends = [*times_s[1:], duration_s if duration_s > last_s else last_s + _MOMENT_S]
    return [
        Tile(
            x=(index % COLUMNS) * tile[0],
            y=(index // COLUMNS) * tile[1],
            start_s=0.0 if index == 0 else start,
            end_s=end,
        )
        for index, (start, end) in enumerate(zip(times_s, ends, strict=True))
    ]


def webvtt(tiles: Sequence[Tile], *, tile: tuple[int, int], image: str) -> str:
    """Return the WebVTT file that players read a sprite sheet with (media fragments, W3C `xywh`)."""
    cues = [
        f"{_clock(one.start_s)} --> {_clock(one.end_s)}\n{image}#xywh={one.x},{one.y},{tile[0]},{tile[1]}"
        for one in tiles
        if one.end_s > one.start_s
    ]
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
