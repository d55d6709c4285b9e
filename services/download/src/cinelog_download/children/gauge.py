"""Decodes sound that is passed through, only to know how loud it is and where it is broken.

It has a decoder of its own: the init is made of what the stream's own context says, and decoding may
change that. Whatever goes wrong here, the packets are passed through as they are.
"""

from collections.abc import Iterator
from typing import Any

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from cinelog_common.contract.values import Loudness

from cinelog_download.children.encoders import Voice
from cinelog_download.children.loudness import Meter

_Failures = (av.error.FFmpegError, ValueError)
"""PyAV says `ValueError` of a channel layout, or a codec, that it does not know."""


class Gauge:
    """Listens to the packets of one track.

    Attributes:
        heard: Whether anything could be decoded; what is broken is known only then.
    """

    def __init__(self, stream: AudioStream) -> None:
        self.heard = False
        self._decoder = _decoder_like(stream)
        self._meter: Meter | None = None
        self._voice: Voice | None = None
        self._shape: Voice | None = None
        self._resampler: AudioResampler | None = None

    def add(self, packet: "av.Packet[Any] | None") -> bool:
        """Listen to the next packet (None: what the decoder still holds); tell if it could be decoded."""
        if self._decoder is None:
            return True
        try:
            for frame in self._decoder.decode(packet):
                self._measure(frame)
        except _Failures:
            return False
        return True

    def result(self) -> Loudness | None:
        """Return how loud all of it was; None if that is not known."""
        self.add(None)
        return self._meter.result() if self._meter is not None else None

    def _measure(self, frame: AudioFrame) -> None:
        shape = Voice(rate=frame.sample_rate, layout=frame.layout.name, format=frame.format.name)
        if self._meter is None:
            # Of the first frame, not of the header: that may say another rate and fewer channels.
            self._meter, self._voice = Meter(shape), shape
        for made in self._alike(frame, shape):
            self._meter.add(made)
        self.heard = True

    def _alike(self, frame: AudioFrame, shape: Voice) -> Iterator[AudioFrame]:
        """Bring what changes in the middle to the shape of the beginning."""
        assert self._voice is not None
        if shape == self._voice:
            yield frame
            return
        if shape != self._shape:
            self._resampler, self._shape = None, None
            self._resampler = AudioResampler(
                format=self._voice.format, layout=self._voice.layout, rate=self._voice.rate
            )
            self._shape = shape
        assert self._resampler is not None
        frame.pts = None
        yield from self._resampler.resample(frame)


def _decoder_like(stream: AudioStream) -> AudioCodecContext | None:
    context = stream.codec_context
    try:
        decoder = av.CodecContext.create(context.codec.name, "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.extradata = context.extradata
        decoder.sample_rate = context.sample_rate
        decoder.layout = context.layout
        decoder.thread_count = 1
        decoder.open()
    except _Failures:
        return None
    return decoder
