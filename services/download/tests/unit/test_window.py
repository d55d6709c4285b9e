"""Packets that wait for their unit: in memory as long as they are few, on disk beyond."""

from pathlib import Path

import pytest
from cinelog_download.children import window as window_module
from cinelog_download.children.window import Entry, Window, carried
from cinelog_fastio import CARRIED, Packet


def packet(n: int, size: int = 100) -> Packet:
    return Packet(data=bytes([n]) * size, pts=n, dts=n)


@pytest.mark.parametrize("memory", [0, 350, 1 << 20])
def test_packets_come_back_wherever_they_lay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(window_module, "MEMORY_BYTES", memory)
    window = Window(str(tmp_path))
    for n in range(10):
        assert window.append(Entry(packet=packet(n), shown=True)) == n

    window.drop_before(4)

    assert [one for _, one in window.packets(4, window.end)] == [packet(n) for n in range(4, 10)]
    assert (window.first, window.end) == (4, 10)
    window.close()
    assert list(tmp_path.iterdir()) == []


def test_a_packet_outside_its_unit_is_marked_carried() -> None:
    assert carried(packet(5), start=0, end=5).flags & CARRIED
    assert not carried(packet(4), start=0, end=5).flags & CARRIED


@pytest.mark.parametrize("memory", [0, 350, 1 << 20])
def test_a_run_reads_its_packets_anew_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(window_module, "MEMORY_BYTES", memory)
    window = Window(str(tmp_path))
    for n in range(10):
        window.append(Entry(packet=packet(n), shown=True))
    window.drop_before(2)

    run = window.run(3, 99)

    assert len(run) == 7
    assert list(run) == list(run) == [packet(n) for n in range(3, 10)]
    assert list(run[2:4]) == [packet(5), packet(6)]
    assert run[0] == packet(3)
    assert run[-1] == packet(9)
    assert list(window.run(10, 12)) == []
    window.close()


@pytest.mark.parametrize("memory", [0, 60, 1 << 20])
def test_how_much_packets_hold_is_known_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(window_module, "MEMORY_BYTES", memory)
    window = Window(str(tmp_path))
    for n in range(10):
        window.append(Entry(packet=packet(n, size=n), shown=True))
    window.drop_before(4)

    assert window.size_bytes(4, 10) == 4 + 5 + 6 + 7 + 8 + 9
    assert window.size_bytes(5, 7) == 5 + 6
    assert window.size_bytes(8, 99) == 8 + 9
    assert [window.within(5, size) for size in (0, 5, 10, 11, 99)] == [6, 6, 6, 7, 10]
    window.close()
