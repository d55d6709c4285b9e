"""How broken sound is told of."""

from fractions import Fraction

import pytest
from cinelog_download.domain.damage import MOST_NAMED, Damage

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
