"""The sound's encoder: which rate and layout it gets, and raw samples cut to measure for it."""

from fractions import Fraction

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from cinelog_common.contract.values import AudioRecipe, Value

from cinelog_download.children import refusals

_ENCODERS = {"aac": ("aac", "fltp"), "opus": ("libopus", "flt"), "mp3": ("libmp3lame", "fltp")}
_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000})
"""Of AAC and MP3, up to what we keep; Opus has only 48 kHz."""
_MOST_CHANNELS = {"aac": 6, "opus": 6, "mp3": 2}
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0"}
_GLOBAL_HEADER = 1 << 22
"""AV_CODEC_FLAG_GLOBAL_HEADER."""


class Voice(Value, frozen=True, kw_only=True):
    """What the encoder is fed with."""

    rate: int
    layout: str
    format: str


def voice_for(recipe: AudioRecipe, *, rate: int, channels: int) -> Voice:
    """Return the encoder's input for a source: its own rate up to 48 kHz, its channels up to 5.1."""
    _, sample_format = _ENCODERS[recipe.codec]
    kept = rate if recipe.codec != "opus" and rate in _RATES else 48_000
    layout = _LAYOUTS.get(min(channels, _MOST_CHANNELS[recipe.codec]), "5.1")
    return Voice(rate=kept, layout=layout, format=sample_format)


def bit_rate(recipe: AudioRecipe, channels: int) -> int:
    """Return bits per second: the recipe's for mono and stereo, in proportion for more channels."""
    return recipe.bitrate_k * 1000 * max(2, min(channels, 6)) // 2


def open_encoder(recipe: AudioRecipe, voice: Voice) -> AudioCodecContext:
    """Return an open encoder.

    Raises:
        PermanentError: There is none for the recipe.
    """
    name, _ = _ENCODERS.get(recipe.codec, ("", ""))
    if not name:
        raise refusals.unsupported(f"sound cannot be encoded as {recipe.codec}")
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate = voice.rate
    context.format = av.AudioFormat(voice.format)
    context.layout = av.AudioLayout(voice.layout)
    context.bit_rate = bit_rate(recipe, context.layout.nb_channels)
    context.time_base = Fraction(1, voice.rate)
    context.flags |= _GLOBAL_HEADER
    context.open()
    return context


def without_first(frame: AudioFrame, drop: int) -> AudioFrame:
    """Return `frame` without its first `drop` samples."""
    kept = frame.samples - drop
    shorter = AudioFrame(frame.format.name, frame.layout.name, kept)
    step = _sample_bytes(frame)
    for plane, source in zip(shorter.planes, frame.planes, strict=True):
        data = bytes(memoryview(source)[drop * step : frame.samples * step])
        plane.update(data.ljust(plane.buffer_size, b"\0"))
    shorter.sample_rate = frame.sample_rate
    return shorter


def without_last(frame: AudioFrame, drop: int) -> AudioFrame:
    """Return `frame` without its last `drop` samples."""
    kept = frame.samples - drop
    shorter = AudioFrame(frame.format.name, frame.layout.name, kept)
    step = _sample_bytes(frame)
    for plane, source in zip(shorter.planes, frame.planes, strict=True):
        plane.update(bytes(memoryview(source)[: kept * step]).ljust(plane.buffer_size, b"\0"))
    shorter.sample_rate = frame.sample_rate
    return shorter


def silence(like: AudioFrame, samples: int) -> AudioFrame:
    """Return `samples` of silence in the shape of another frame."""
    frame = AudioFrame(like.format.name, like.layout.name, samples)
    for plane in frame.planes:
        plane.update(_rest(like) * plane.buffer_size)
    frame.sample_rate = like.sample_rate
    return frame


def is_silent(frame: AudioFrame) -> bool:
    """Tell whether every sample is at rest."""
    size = frame.samples * _sample_bytes(frame)
    rest = _rest(frame) * size
    return all(bytes(memoryview(plane)[:size]) == rest for plane in frame.planes)


def _rest(frame: AudioFrame) -> bytes:
    # Unsigned samples rest in the middle of their range.
    return b"\x80" if frame.format.name in {"u8", "u8p"} else b"\0"


def _sample_bytes(frame: AudioFrame) -> int:
    channels = 1 if frame.format.is_planar else frame.layout.nb_channels
    return frame.format.bytes * channels
