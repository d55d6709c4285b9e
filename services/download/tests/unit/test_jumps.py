"""Transport streams whose times jump in one stream alone, taken apart: the film keeps its times."""

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cinelog_testkit.corpus.films import Film, Voice, write_film
from cinelog_testkit.corpus.surgery import TS_PACKET

_SOUND = (Voice(codec="mp2"),)
_HELD = tuple(n * 3600 + (12 * 90_000 if n > 40 else 0) for n in range(60))
_NOT_REORDERED = {"x264-params": "bframes=0"}


def held(path: Path, voices: tuple[Voice, ...]) -> None:
    write_film(path, Film(times=_HELD, time_base=Fraction(1, 90_000), voices=voices))


def flipped(path: Path) -> None:
    """Flip bit 19 of the 40th picture's time: it moves by 5.8 s."""
    film = write_film(path, Film(voices=_SOUND, options=_NOT_REORDERED))
    data, pictures = bytearray(film.read_bytes()), 0
    for at in range(0, len(data), TS_PACKET):
        payload = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
        if data[at + 1] & 0x40 and data[payload : payload + 4] == b"\0\0\1\xe0":
            pictures += 1
            # ISO/IEC 13818-1 2.4.3.6: bits 21 to 15 lie in the third byte, above a marker bit.
            data[payload + 11] ^= (1 << 5) * (pictures == 40)
    path.write_bytes(data)


MAKERS: dict[str, Callable[[Path], None]] = {
    "held.ts": partial(held, voices=_SOUND),
    "held-alone.ts": partial(held, voices=()),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_picture_that_is_held_for_long_keeps_the_others_where_they_are(
    media: Any, tmp_path: Path, name: str
) -> None:
    MAKERS[name](tmp_path / name)

    told = media.demux([tmp_path / name], tmp_path / "out")

    assert media.in_units(told) == media.whole(tmp_path / name)
    assert told[-1].duration_s > 12


@pytest.mark.parametrize("step", [500, 4096, 1 << 20])
def test_one_wrong_time_moves_nothing_however_the_bytes_arrive(media: Any, tmp_path: Path, step: int) -> None:
    source = tmp_path / "flipped.ts"
    flipped(source)

    told = media.demux([source], tmp_path / "out", step=step)

    assert list(media.in_units(told)) == [n * 3750 for n in range(96)]
    assert told[-1].duration_s == pytest.approx(4, abs=0.1)
    assert [warning for warning in told[-1].warnings if "far off" in warning]
