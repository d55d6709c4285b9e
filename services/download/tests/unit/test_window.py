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
