"""Sound and picture two hours on: nothing may add up.

The film is made so that two hours take a minute: a picture a second at NTSC's odd rate, sound of a
low rate with a click each second. Errors that add up count in samples and packets, not in pixels: a
sample lost per packet, or per fragment, would show here as it does at 48 kHz.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cinelog_testkit.corpus.painting import BITS, number_in
from cinelog_testkit.corpus.results import Corpus

FRAMES = 7192
FRAME_S = Fraction(1001, 1000)


def clicks_of(path: Path) -> list[float]:
    """When a silence is broken, packet by packet: the whole would not fit into memory."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3)
            if not len(loud):
                continue
            assert frame.pts is not None
            assert frame.time_base is not None
            at = float(frame.pts * frame.time_base) + float(loud[0]) / frame.sample_rate
            if not found or at - found[-1] > 0.1:
                found.append(at)
    return found


def picture_times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return sorted((packet.pts or 0) * (packet.time_base or Fraction(1)) for packet in packets)


def last_pictures(path: Path, seconds: int) -> list[tuple[int | None, Fraction]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1)
        container.seek(int((FRAMES * FRAME_S - seconds) / base), stream=stream)
        return [
            (number_in(frame.to_ndarray(format="gray")), (frame.pts or 0) * base)
            for frame in container.decode(stream)
        ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["two-hours.mp4"])
def test_after_two_hours_sound_and_picture_are_where_they_were_recorded(corpus: Corpus, name: str) -> None:
    result = corpus.result(name)

    assert picture_times(result) == [n * FRAME_S for n in range(FRAMES)]
    shown = last_pictures(result, seconds=40)
    assert len(shown) >= 40
    assert all(number == round(at / FRAME_S) % (1 << BITS) for number, at in shown)
    clicks = clicks_of(result)
    assert clicks == pytest.approx([float(second) for second in range(len(clicks))], abs=0.001)
    assert len(clicks) == int(FRAMES * FRAME_S) + 1
