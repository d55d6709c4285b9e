"""One time that a damaged bit moved is put right; splices and gaps are left to the timeline."""

from collections.abc import Iterator
from fractions import Fraction

import pytest
from cinelog_download.domain.outliers import Outliers
from cinelog_download.domain.timeline import WRAP
from hypothesis import given
from hypothesis import strategies as st

PICTURE, SOUND, TEXT = 0, 1, 2
BOTH = (PICTURE, SOUND)


class Packet:
    """As much of a packet as is looked at."""

    time_base = Fraction(1, 90_000)

    def __init__(self, stream_index: int, pts: int | None, *, dts: int | None = None, duration: int) -> None:
        self.stream_index = stream_index
        self.pts = pts
        self.dts = dts if dts is not None else pts
        self.duration: int | None = duration


def film(pictures: int = 100) -> list[Packet]:
    """25 pictures a second, and two packets of sound beside each."""
    packets = []
    for n in range(pictures):
        packets += [Packet(PICTURE, n * 3600, duration=3600)]
        packets += [Packet(SOUND, n * 3600 + half, duration=1800) for half in (0, 1800)]
    return packets


def moved(packets: list[Packet], stream: int, numbers: range, by: int) -> list[Packet]:
    """Move some packets of one stream."""
    alike = [packet for packet in packets if packet.stream_index == stream]
    for packet in alike[numbers.start : numbers.stop]:
        assert packet.pts is not None
        packet.pts = packet.dts = packet.pts + by
    return packets


def times(packets: list[Packet]) -> list[tuple[int, int | None, int | None]]:
    return [(packet.stream_index, packet.pts, packet.dts) for packet in packets]


@given(st.integers(1, 98), st.sampled_from([1 << bit for bit in range(17, 33)]), st.sampled_from([1, -1]))
def test_a_picture_whose_time_has_a_flipped_bit_goes_back_between_its_neighbours(
    number: int, bit: int, sign: int
) -> None:
    outliers = Outliers()
    packets = moved(film(), PICTURE, range(number, number + 1), sign * bit)

    steady = list(outliers.steadied(packets, BOTH))

    assert times(steady) == times(film())
    assert outliers.mended == 1
    assert len(outliers.warnings()) == 1


def test_sound_that_was_counted_on_from_a_wrong_time_goes_back_too() -> None:
    outliers = Outliers()
    packets = moved(film(), SOUND, range(40, 46), 1 << 19)

    steady = list(outliers.steadied(packets, BOTH))

    assert times(steady) == times(film())
    assert outliers.mended == 6


def test_a_wrong_time_of_decoding_alone_leaves_that_of_showing() -> None:
    packets = [Packet(PICTURE, n * 3600 + 7200, dts=n * 3600, duration=3600) for n in range(9)]
    packets[4].dts = 4 * 3600 - (1 << 19)

    steady = list(Outliers().steadied(packets, BOTH))

    assert [packet.pts for packet in steady] == [n * 3600 + 7200 for n in range(9)]
    assert [packet.dts for packet in steady] == [n * 3600 for n in range(9)]


@pytest.mark.parametrize("by", [2 * 90_000, 12 * 90_000, -3 * 90_000, 1 << 31])
def test_what_all_packets_jump_by_is_left_as_it_is(by: int) -> None:
    def jumping() -> list[Packet]:
        packets = film()
        for stream, first in ((PICTURE, 50), (SOUND, 100)):
            moved(packets, stream, range(first, 1000), by)
        return packets

    outliers = Outliers()

    steady = list(outliers.steadied(jumping(), BOTH))

    assert times(steady) == times(jumping())
    assert outliers.warnings() == []


def test_packets_that_there_is_no_room_for_stay_where_they_are() -> None:
    outliers = Outliers()
    before = [Packet(PICTURE, n * 3600, duration=3600) for n in range(10)]
    other = [Packet(PICTURE, (1 << 20) + n * 3600, duration=3600) for n in range(5)]
    after = [Packet(PICTURE, n * 3600, duration=3600) for n in range(10, 20)]

    list(outliers.steadied([*before, *other, *after], BOTH))

    assert outliers.mended == 0


def test_a_wrap_is_no_jump() -> None:
    start = WRAP - 20 * 3600

    packets = [Packet(PICTURE, (start + n * 3600) % WRAP, duration=3600) for n in range(40)]
    outliers = Outliers()

    steady = list(outliers.steadied(packets, BOTH))

    assert [packet.pts for packet in steady] == [(start + n * 3600) % WRAP for n in range(40)]
    assert outliers.mended == 0


def test_only_so_many_packets_are_looked_at_ahead() -> None:
    read = 0

    def arriving() -> Iterator[Packet]:
        nonlocal read
        yield from [Packet(PICTURE, 0, duration=3600), Packet(PICTURE, 900_000, duration=3600)]
        for read in range(2000):
            yield Packet(SOUND, read * 1800, duration=1800)

    steady = Outliers().steadied(arriving(), BOTH)
    next(steady)
    next(steady)

    assert read < 300


def test_subtitles_come_whenever_they_come() -> None:
    outliers = Outliers()
    packets = [Packet(TEXT, at * 90_000, duration=0) for at in (1, 6, 1, 2, 9)]

    steady = list(outliers.steadied(packets, BOTH))

    assert [packet.pts for packet in steady] == [at * 90_000 for at in (1, 6, 1, 2, 9)]
    assert outliers.mended == 0
