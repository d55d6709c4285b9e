"""One timeline per input: wraps and splices are mended, real gaps are kept."""

from fractions import Fraction
from itertools import pairwise

from cinelog_download.domain.timeline import WRAP, Splices, StreamTimes
from hypothesis import given
from hypothesis import strategies as st

TICK = Fraction(1, 90_000)


def stream(*, jumpy: bool = True, splices: Splices | None = None) -> StreamTimes:
    return StreamTimes(TICK, splices or Splices(), jumpy=jumpy)


@given(st.integers(0, WRAP - 1))
def test_33_bits_wrap_without_a_step(start: int) -> None:
    times = stream()

    placed = [times.place((start + n * 3000) % WRAP, (start + n * 3000) % WRAP, 3000) for n in range(200)]

    steps = {after.dts - before.dts for before, after in pairwise(placed)}  # type: ignore[operator]
    assert steps == {3000}
    assert not any(one.spliced for one in placed)


def test_a_film_that_wraps_twice_goes_on() -> None:
    times = stream()
    step = 9 * 90_000

    placed = [times.place(None, n * step % WRAP, step) for n in range(3 * WRAP // step)]

    assert placed[-1].dts == (3 * WRAP // step - 1) * step


def test_a_splice_is_closed_and_told() -> None:
    times = stream()
    times.place(0, 0, 3000)

    after = times.place(500 * 90_000, 500 * 90_000, 3000)

    assert after.spliced
    assert (after.pts, after.dts) == (3000, 3000)


def test_sound_and_picture_of_a_splice_share_its_offset() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    picture.place(0, 0, 3600)
    sound.place(0, 0, 1920)
    picture.place(900_000_000, 900_000_000, 3600)

    after = sound.place(900_000_500, 900_000_500, 1920)

    assert after.spliced
    assert after.pts == 3600 + 500


def test_a_gap_in_other_containers_is_part_of_the_film() -> None:
    times = stream(jumpy=False)
    times.place(0, 0, 3000)

    after = times.place(60 * 90_000, 60 * 90_000, 3000)

    assert (after.pts, after.spliced) == (60 * 90_000, False)


def test_a_packet_without_times_has_none() -> None:
    assert stream().place(None, None, 0).pts is None
