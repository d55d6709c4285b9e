"""One timeline per input: wraps and splices are mended, real gaps are kept."""

from fractions import Fraction
from itertools import pairwise

import pytest
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


def test_sound_that_was_silent_for_long_goes_on_beside_the_picture() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    sound.place(3 * 90_000, 3 * 90_000, 2160)
    for n in range(15 * 25):
        picture.place(n * 3600, n * 3600, 3600)

    after = sound.place(15 * 90_000, 15 * 90_000, 2160)

    assert (after.pts, after.spliced) == (15 * 90_000, False)


def test_a_picture_that_was_held_for_long_is_shown_until_the_next_one() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    picture.place(0, 0, 0)
    for n in range(12 * 40):
        sound.place(n * 2250, n * 2250, 2250)

    after = picture.place(12 * 90_000, 12 * 90_000, 0)

    assert (after.pts, after.spliced) == (12 * 90_000, False)


def test_sound_that_was_silent_while_the_film_was_spliced_moves_with_the_picture() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    sound.place(0, 0, 2160)
    far = 5000 * 90_000
    for n in range(20 * 25):
        raw = n * 3600 + far * (n >= 250)
        picture.place(raw, raw, 3600)

    after = sound.place(far + 20 * 90_000, far + 20 * 90_000, 2160)

    assert (after.pts, after.spliced) == (20 * 90_000, True)


def test_a_lone_picture_that_others_are_shown_before_was_held_and_not_spliced() -> None:
    times = stream()
    held = 12 * 90_000
    times.place(3600 + held, 0, 0)

    placed = [times.place(held + n * 3600, held + n * 3600, 0).dts for n in (0, 2, 3)]

    assert placed == [held, held + 7200, held + 10800]


@pytest.mark.parametrize(
    ("key", "seconds", "spliced"), [(False, 12, False), (True, 12, True), (False, 61, True)]
)
def test_a_lone_picture_is_spliced_at_a_keyframe_or_far_away(key: bool, seconds: int, spliced: bool) -> None:
    times = stream()
    times.place(0, 0, 3600)

    after = times.place(seconds * 90_000, seconds * 90_000, 3600, key=key)

    assert after.spliced == spliced
    assert after.pts == (3600 if spliced else seconds * 90_000)


@given(st.integers(11, 90_000), st.integers(-45_000, 45_000))
def test_a_splice_of_all_streams_is_closed_wherever_they_jump(ahead_s: int, skew: int) -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    for n in range(50):
        picture.place(n * 3600, n * 3600, 3600)
        sound.place(n * 3600, n * 3600, 3600)
    far = (ahead_s + 2) * 90_000

    first = picture.place(far, far, 3600, key=False)
    beside = sound.place(far + skew, far + skew, 3600)

    assert (first.pts, first.spliced) == (2 * 90_000, True)
    assert (beside.pts, beside.spliced) == (2 * 90_000 + skew, True)


def test_slow_pictures_that_leapt_ahead_alone_come_back_beside_the_sound() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    placed = []
    for n in range(10):
        raw = n * 180_000 + (1 << 19) * (n == 4)
        placed.append(picture.place(raw, raw, 0))
        for part in range(40):
            sound.place(n * 180_000 + part * 4500, n * 180_000 + part * 4500, 4500)

    assert [one.pts for one in placed[5:]] == [n * 180_000 for n in range(5, 10)]
    assert not any(one.spliced for one in placed)


def test_a_small_step_back_of_all_streams_is_a_splice() -> None:
    splices = Splices()
    picture, sound = stream(splices=splices), stream(splices=splices)
    for n in range(50):
        picture.place(n * 3600, n * 3600, 3600)
        sound.place(n * 3600, n * 3600, 3600)

    first = picture.place(49 * 3600 - 45_000, 49 * 3600 - 45_000, 3600)
    beside = sound.place(49 * 3600 - 45_000, 49 * 3600 - 45_000, 3600)

    assert (first.pts, first.spliced) == (50 * 3600, True)
    assert (beside.pts, beside.spliced) == (50 * 3600, True)
