"""How broken sound is told of."""

from fractions import Fraction

import pytest
from cinelog_download.domain.damage import MOST_NAMED, Damage, Losses

Pieces = list[tuple[str, str]]


def told(pieces: Pieces, what: str = "The sound") -> tuple[str, ...]:
    damage = Damage(what)
    for start_s, end_s in pieces:
        damage.add(Fraction(start_s), Fraction(end_s))
    return damage.sentences()


@pytest.mark.parametrize(
    ("pieces", "sentences"),
    [
        ([], ()),
        ([("3.2", "3.28")], ("The sound is damaged from 3.20 s to 3.28 s.",)),
        ([("3.2", "3.2")], ("The sound is damaged at 3.20 s.",)),
        ([("3.2", "3.3"), ("4.25", "4.3")], ("The sound is damaged from 3.20 s to 4.30 s.",)),
        ([("3.2", "3.5"), ("3.1", "3.3")], ("The sound is damaged from 3.10 s to 3.50 s.",)),
        ([("-0.02", "0.01")], ("The sound is damaged from 0.00 s to 0.01 s.",)),
        (
            [("1", "2"), ("3.1", "3.2")],
            ("The sound is damaged from 1.00 s to 2.00 s.", "The sound is damaged from 3.10 s to 3.20 s."),
        ),
    ],
)
def test_stretches_are_named_with_their_times(pieces: Pieces, sentences: tuple[str, ...]) -> None:
    assert told(pieces) == sentences


def test_a_track_is_named_as_it_is_called() -> None:
    assert told([("1", "2")], "Sound track 2") == ("Sound track 2 is damaged from 1.00 s to 2.00 s.",)


def test_more_than_can_be_named_is_summed_up() -> None:
    sentences = told([(f"{2 * n}", f"{2 * n}.5") for n in range(MOST_NAMED + 7)])

    assert len(sentences) == MOST_NAMED + 1
    assert sentences[-2] == "The sound is damaged from 38.00 s to 38.50 s."
    assert sentences[-1] == (
        "The sound is damaged in more places than are named here: 7 more, up to 52.50 s."
    )


def test_sound_before_the_first_picture_is_named_when_it_is_long() -> None:
    early, usual = Losses(), Losses("Sound track 2")
    for second in range(-20, 5):
        early.trim(Fraction(second) - Fraction(1, 4), Fraction(1))
    usual.trim(Fraction(-1), Fraction(1))

    assert early.sentences(pictured=True) == (
        "The sound before the first picture is left out: 20.2 s of it.",
    )
    assert early.sentences(pictured=False) == ("The sound before the beginning is left out: 20.2 s of it.",)
    assert usual.sentences(pictured=True) == ()


def test_sound_that_is_left_out_or_moved_is_named_with_its_times() -> None:
    losses = Losses()
    losses.move(Fraction(3), Fraction(1, 50))
    losses.leave_out(Fraction(7), Fraction(1, 2))
    losses.leave_out(Fraction(-7), Fraction(1, 2))

    assert losses.sentences(pictured=True) == (
        "The sound has wrong times and is put where it goes on from 3.00 s to 3.02 s.",
        "The sound overlaps itself and is left out from 7.00 s to 7.50 s.",
    )


def test_what_is_too_short_is_not_told_of_however_often_it_comes() -> None:
    damage = Damage(least_s=Fraction(1, 10))
    for second in range(0, 200, 4):
        damage.add(Fraction(second), Fraction(second) + Fraction(1, 50))
    damage.add(Fraction(300), Fraction(301))
    damage.add(Fraction(400), Fraction(400) + Fraction(1, 50))

    assert damage.sentences() == ("The sound is damaged from 300.00 s to 301.00 s.",)
    assert damage.sentences() == ("The sound is damaged from 300.00 s to 301.00 s.",)
