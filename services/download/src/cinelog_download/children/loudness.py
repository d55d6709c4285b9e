"""How loud a track is (EBU R128, ITU-R BS.1770), and bringing it to a wanted loudness while it is encoded.

A stream cannot be measured before it is changed: `loudnorm` follows it with a gain that looks three
seconds ahead. What comes out is near the target, not exactly on it, and quiet passages come closer.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.filter import Graph
from cinelog_common.contract.values import Loudness

from cinelog_download.children.encoders import Voice, is_silent, silence, without_last

_TRUE_PEAK_DBTP = -1.5
_RANGE_LU = 11
_SILENCE_LUFS = -70.0
"""Below this BS.1770 counts nothing: there is no loudness of silence."""
_STEPS_PER_S = 10
"""A block of BS.1770 begins each 100 ms."""
_FORGOTTEN_S = 4
"""After so much silence nothing of what was before is in a block: the longest is 3 s (EBU Tech 3342)."""


class Meter:
    """Measures everything that it is shown, but does not listen to long silence.

    Blocks that are silent through and through are below the gate: neither the loudness nor the range
    counts them, and they have no peak. Measuring costs three times what encoding them does.
    """

    def __init__(self, voice: Voice) -> None:
        self._chain = _Chain(voice, (("ebur128", "metadata=1:peak=true"),))
        self._last: AudioFrame | None = None
        self._step = voice.rate // _STEPS_PER_S
        self._longest = voice.rate * _FORGOTTEN_S
        self._silent = 0
        self._skipped = 0

    def add(self, frame: AudioFrame) -> None:
        """Take the next samples; the frame stays as it is."""
        if is_silent(frame):
            self._silent += frame.samples
            if self._silent - frame.samples >= self._longest:
                self._skipped += frame.samples
                return
        else:
            self._silent = 0
            if over := self._skipped % self._step:
                # Whole steps are left out: blocks begin where they would have begun.
                self._measure(silence(frame, over))
            self._skipped = 0
        self._measure(frame)

    def _measure(self, frame: AudioFrame) -> None:
        for measured in self._chain.through(frame):
            self._last = measured

    def result(self) -> Loudness | None:
        """Return what was measured so far; None for silence and for less than can be measured."""
        # What the filter says last is of all that it heard.
        said = dict(self._last.metadata) if self._last is not None else {}
        integrated = _number(said.get("lavfi.r128.I"))
        peak = _number(said.get("lavfi.r128.true_peak"))
        if integrated is None or integrated <= _SILENCE_LUFS or not peak:
            return None
        return Loudness(
            integrated_lufs=round(integrated, 2),
            range_lu=round(_number(said.get("lavfi.r128.LRA")) or 0.0, 2),
            true_peak_dbtp=round(20 * math.log10(peak), 2),
        )


class Normalizer:
    """Brings sound to a loudness, sample for sample: as many come out as went in, only later."""

    def __init__(self, voice: Voice, target_lufs: float) -> None:
        wanted = f"I={target_lufs}:TP={_TRUE_PEAK_DBTP}:LRA={_RANGE_LU}"
        form = f"sample_fmts={voice.format}:channel_layouts={voice.layout}"
        # The filter works at 192 kHz, to see peaks between the samples.
        self._chain = _Chain(voice, (("loudnorm", wanted), ("aresample", str(voice.rate)), ("aformat", form)))
        self._in = 0
        self._out = 0
        self._last: AudioFrame | None = None

    def through(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Yield what is ready; None is the end of the sound, and yields the rest."""
        self._in += 0 if frame is None else frame.samples
        self._last = self._last if frame is None else frame
        for made in self._chain.through(frame):
            over = self._out + made.samples - self._in if frame is None else 0
            if over >= made.samples:
                continue
            kept = without_last(made, over) if over > 0 else made
            self._out += kept.samples
            yield kept
        if frame is None and self._last is not None and self._out < self._in:
            yield silence(self._last, self._in - self._out)


class _Chain:
    """Filters one behind the other, for sound of one shape."""

    def __init__(self, voice: Voice, filters: tuple[tuple[str, str], ...]) -> None:
        self._graph = Graph()
        self._rate = voice.rate
        self._position = 0
        base = Fraction(1, voice.rate)
        end = self._graph.add_abuffer(
            sample_rate=voice.rate, format=voice.format, layout=voice.layout, time_base=base
        )
        for name, arguments in (*filters, ("abuffersink", "")):
            following = self._graph.add(name, arguments)
            end.link_to(following)
            end = following
        self._graph.configure()

    def through(self, frame: AudioFrame | None) -> Iterator[AudioFrame]:
        """Yield what comes out."""
        if frame is not None:
            frame.pts, frame.time_base = self._position, Fraction(1, self._rate)
            self._position += frame.samples
        self._graph.push(frame)
        while True:
            try:
                made = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(made, AudioFrame)
            yield made


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
