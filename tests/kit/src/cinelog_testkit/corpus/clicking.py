"""Sound that clicks at known times, and finding the clicks again."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.audio.frame import AudioFrame
from cinelog_common.contract.values import Value
from numpy.typing import NDArray

CLICK_EVERY_S = 0.5
_CLICK_S = 0.002
_TONE_HZ = 4000
_FRAMES_AT_ONCE = 64

Samples = NDArray[np.float32]


class Clicks(Value, frozen=True, kw_only=True):
    """Clicks at `first_s` and every `every_s` after it, from `start_s` to `end_s` of the film."""

    rate: int
    start_s: float
    end_s: float
    first_s: float = 0.0
    every_s: float = CLICK_EVERY_S

    def samples(self, first: int, count: int) -> Samples:
        """Return `count` samples from sample `first` of the film on."""
        at = np.arange(first, first + count, dtype=np.float64)
        period = round(self.every_s * self.rate)
        since = (at - round(self.first_s * self.rate)) % period
        begun = at >= round(self.first_s * self.rate)
        tone = min(_TONE_HZ / self.rate, 0.25)
        loud = np.where((since < _CLICK_S * self.rate) & begun, 0.8, 0.0)
        hum = 0.001 * np.sin(at / 50)
        made: Samples = (loud * np.sin(since * 2 * np.pi * tone) + hum).astype(np.float32)
        return made


def frames_of(clicks: Clicks, layout: str, frame_size: int) -> Iterator[AudioFrame]:
    """Yield the sound as planar floats, in frames whose pts count samples of the film."""
    first, end = round(clicks.start_s * clicks.rate), round(clicks.end_s * clicks.rate)
    block, ahead = clicks.samples(first, 0), first
    for start in range(first, end, frame_size):
        count = min(frame_size, end - start)
        if start == ahead:
            # Many frames at once: for hours of sound the calls cost more than the samples.
            block = clicks.samples(start, min(_FRAMES_AT_ONCE * frame_size, end - start))
            ahead = start + len(block)
        at = len(block) - (ahead - start)
        packed = block[at : at + count].tobytes()
        frame = AudioFrame("fltp", layout, count)
        for plane in frame.planes:
            plane.update(packed.ljust(plane.buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = clicks.rate, start, Fraction(1, clicks.rate)
        yield frame


def clicks_in(sound: Samples, rate: int) -> list[float]:
    """Return when clicks begin, in seconds from the first sample: where a long silence is broken.

    A click's beginning is where its loudness, smoothed over half a millisecond, reaches half its peak:
    codecs spread it by less than that.
    """
    window = max(1, rate // 2000)
    loudness = np.convolve(np.abs(sound), np.ones(window) / window, mode="same")
    found: list[float] = []
    quiet = round(0.1 * rate)
    at = 0
    for index in map(int, np.flatnonzero(loudness > 0.1)):
        if found and index - at < quiet:
            at = index
            continue
        peak = loudness[index : index + round(0.004 * rate)].max()
        rise = np.flatnonzero(loudness[max(0, index - window) : index + quiet] > peak / 2)[0]
        found.append(float(max(0, index - window) + rise) / rate)
        at = index
    return found
