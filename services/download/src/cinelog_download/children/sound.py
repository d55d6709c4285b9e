"""One continuous encode of the sound, cut into fragments on its own frame grid near the picture's cuts.

Sample 0 is the timeline's zero: what comes earlier is trimmed, a late start and gaps are filled with
silence. The encoder's priming stays in the first fragment and is said once, in the init's edit list.
"""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from cinelog_common.cmaf.fragments import Sample
from cinelog_common.cmaf.inits import audio_init
from cinelog_common.contract.values import AudioRecipe, Value

from cinelog_download.children.encoders import Voice, open_encoder, silence, without_first
from cinelog_download.children.loudness import Meter, Normalizer
from cinelog_download.children.tracks import Description, FragmentWriter, Piece
from cinelog_download.children.units import Tell
from cinelog_download.domain.sounding import Grid, PictureCuts, next_cut, place

_SILENCE_SAMPLES = 1 << 15
"""Silence is made in pieces of so many samples, and written as it is made: a gap may last for hours."""


class Line(Value, frozen=True, kw_only=True):
    """How the sound is made and told of."""

    name: str
    recipe: AudioRecipe
    voice: Voice
    folder: str
    segment_s: float
    max_segment_s: float
    language: str = "und"
    title: str = ""


class Sound:
    """One sound track, from decoded frames to fragments."""

    def __init__(self, line: Line, tell: Tell) -> None:
        self._line = line
        self._tell = tell
        self._encoder = open_encoder(line.recipe, line.voice)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._expected = Fraction(0)
        self._fed = 0
        self._pending: deque[bytes] = deque()
        self._first_pending = 0
        self._last_cut = 0
        self._end: int | None = None
        self._priming: int | None = None
        self._writer: FragmentWriter | None = None
        self._meter = Meter(line.voice)
        target = line.recipe.loudness_lufs
        self._normalizer = None if target is None else Normalizer(line.voice, target)
        self._grid = Grid(
            step=round(line.segment_s * line.voice.rate), longest=round(line.max_segment_s * line.voice.rate)
        )

    @property
    def reached_s(self) -> Fraction:
        """Where the sound so far ends on the timeline."""
        return self._expected

    def add(self, frame: AudioFrame, at_s: Fraction | None, *, cuts: PictureCuts) -> bool:
        """Encode the next frame, which begins at `at_s` on the timeline (None: where the last one ended).

        `cuts` are as for `cut`. Tells whether any of it is kept: there may be other sound in its place.

        Raises:
            av.error.FFmpegError: It is of a shape that nobody can play; the next one may follow.
        """
        rate = frame.sample_rate
        expected = round(self._expected * rate)
        position = expected if at_s is None else round(at_s * rate)
        changes = self._shape is not None and _shape_of(frame) != self._shape
        step = place(position, expected, rate=rate, exact=changes)
        if step.drop >= frame.samples:
            return False
        self._be_silent(frame, step.silence, cuts)
        self._feed(without_first(frame, step.drop) if step.drop else frame)
        return True

    def pad_to(self, end_s: Fraction, cuts: PictureCuts) -> None:
        """Let silence reach to `end_s`, so that players do not stop where the sound does."""
        if self._shape is None:
            return
        form, layout, rate = self._shape
        like = AudioFrame(form, layout, 1)
        like.sample_rate = rate
        self._be_silent(like, round((end_s - self._expected) * rate), cuts)

    def cut(self, cuts: PictureCuts) -> None:
        """Write the fragments that are complete; `cuts` are in samples of the encoder's rate."""
        while (at := next_cut(self._last_cut, cuts, self._grid)) is not None and self._complete(at):
            self._write(at)

    def finish(self, cuts: PictureCuts) -> None:
        """Flush the encoder and write what is left."""
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                self._level(frame)
        if self._normalizer is not None:
            for frame in self._normalizer.through(None):
                self._encode(frame)
        self._collect(self._encoder.encode(None))
        # What the last packet holds beyond this is the encoder's filling.
        self._end = round(self._expected * self._line.voice.rate)
        self.cut(cuts)
        if self._pending:
            self._write(None)
        if self._writer is not None:
            self._writer.finish(self._meter.result())

    def _be_silent(self, like: AudioFrame, samples: int, cuts: PictureCuts) -> None:
        for gap in _pieces(samples):
            self._feed(silence(like, gap))
            # Nobody keeps hours of it, nor hears nothing of us meanwhile.
            self.cut(cuts)

    def _feed(self, frame: AudioFrame) -> None:
        shape, before = _shape_of(frame), self._shape
        if self._resampler is not None and shape != self._shape:
            for rest in self._resampler.resample(None):
                self._level(rest)
            self._resampler = None
        if self._resampler is None:
            voice = self._line.voice
            self._resampler = AudioResampler(
                format=voice.format, layout=voice.layout, rate=voice.rate, frame_size=self._encoder.frame_size
            )
            self._shape = shape
        lasts_s = Fraction(frame.samples, frame.sample_rate)
        # Without timestamps the resampler counts samples itself: nothing is lost to rounding.
        frame.pts = None
        try:
            made = self._resampler.resample(frame)
        except av.error.FFmpegError:
            # Damaged sound may claim dozens of channels. As if it had not come, silence takes its place.
            self._resampler, self._shape = None, before
            raise
        self._expected += lasts_s
        for one in made:
            self._level(one)

    def _level(self, frame: AudioFrame) -> None:
        for levelled in (frame,) if self._normalizer is None else self._normalizer.through(frame):
            self._encode(levelled)

    def _encode(self, frame: AudioFrame) -> None:
        self._meter.add(frame)
        frame.pts = self._fed
        frame.time_base = Fraction(1, self._line.voice.rate)
        self._fed += frame.samples
        self._collect(self._encoder.encode(frame))

    def _collect(self, packets: "list[av.Packet[Any]]") -> None:
        for packet in packets:
            if self._priming is None:
                self._open(-(packet.pts or 0))
            self._pending.append(bytes(packet))

    def _open(self, priming: int) -> None:
        line = self._line
        self._priming = max(0, priming)
        description = Description(
            name=line.name,
            kind="audio",
            timescale=line.voice.rate,
            language=line.language,
            title=line.title,
            channels=self._encoder.layout.nb_channels,
            sample_rate=line.voice.rate,
            bitrate_bps=self._encoder.bit_rate or 0,
        )
        init = audio_init(self._encoder, line.voice.rate, self._priming, language=line.language)
        self._writer = FragmentWriter(line.folder, description, init, self._tell)

    def _boundary(self, at: int) -> int:
        """Return the number of the first packet at or after `at` samples of the timeline."""
        assert self._priming is not None
        return -(-(at + self._priming) // self._encoder.frame_size)

    def _complete(self, at: int) -> bool:
        if self._priming is None:
            return False
        return self._first_pending + len(self._pending) >= self._boundary(at)

    def _write(self, at: int | None) -> None:
        """Write the packets before `at`; None: all that is left."""
        assert self._writer is not None
        assert self._priming is not None
        size = self._encoder.frame_size
        first = self._first_pending
        count = len(self._pending) if at is None else self._boundary(at) - first
        self._last_cut = self._last_cut if at is None else at
        if count <= 0:
            return
        payload = [self._pending.popleft() for _ in range(count)]
        self._first_pending += count
        samples = [Sample(size=len(data), duration=size, composition_offset=0, sync=True) for data in payload]
        end = self._first_pending * size - self._priming
        piece = Piece(
            base_time=first * size,
            start=max(0, first * size - self._priming),
            end=end if self._end is None else min(end, self._end),
            samples=samples,
        )
        self._writer.write(piece, payload)


def _shape_of(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _pieces(samples: int) -> Iterator[int]:
    while samples > 0:
        yield min(samples, _SILENCE_SAMPLES)
        samples -= _SILENCE_SAMPLES
