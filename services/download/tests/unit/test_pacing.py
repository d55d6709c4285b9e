"""The picture's first unit is out before any sound is encoded; nothing is lost or put out of order."""

from typing import Any, NamedTuple

import pytest
from cinelog_download.children import pacing
from cinelog_download.children.pacing import picture_first
from cinelog_download.children.sources import TEXT, VIDEO, Taken


class Numbered(NamedTuple):
    number: int
    size: int = 100


def taken(*roles: int) -> list[Taken]:
    packets: list[Any] = [Numbered(number) for number in range(len(roles))]
    return [
        Taken(packet=packet, role=role, spliced=False) for packet, role in zip(packets, roles, strict=True)
    ]


def order(*roles: int, pictures_of_a_unit: int) -> list[Any]:
    """Return the numbers of the packets as they come out."""
    seen: list[Taken] = []

    def is_out() -> bool:
        return sum(one.role == VIDEO for one in seen) >= pictures_of_a_unit

    for one in picture_first(taken(*roles), is_out):
        seen.append(one)  # noqa: PERF402 - looked at while it grows
    return [one.packet.number for one in seen]


def test_sound_waits_for_the_first_unit_of_the_picture_and_then_comes_as_it_lies() -> None:
    assert order(0, 1, VIDEO, 0, VIDEO, 1, VIDEO, 0, pictures_of_a_unit=2) == [2, 4, 0, 1, 3, 5, 6, 7]


def test_text_waits_for_nothing() -> None:
    assert order(0, TEXT, VIDEO, TEXT, VIDEO, pictures_of_a_unit=2) == [1, 2, 3, 4, 0]


def test_without_a_picture_to_wait_for_nothing_waits() -> None:
    assert order(0, VIDEO, 0, pictures_of_a_unit=0) == [0, 1, 2]


def test_sound_does_not_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_MOST_KEPT_BYTES", 200)

    assert order(0, 0, VIDEO, 0, VIDEO, 0, pictures_of_a_unit=9) == [0, 1, 2, 3, 4, 5]
