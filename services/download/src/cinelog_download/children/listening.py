"""The sound's stream: decoded and encoded anew, or passed through, on the picture's timeline."""

from collections import deque
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from cinelog_common.cmaf.inits import CopyHints, UnsupportedTrackError, copy_init
from cinelog_common.contract.values import AudioRecipe, Value

from cinelog_download.children import refusals
from cinelog_download.children.copying import CopiedSound, Form
from cinelog_download.children.encoders import voice_for
from cinelog_download.children.gauge import Gauge
from cinelog_download.children.probing import language_of
from cinelog_download.children.sound import Line, Sound
from cinelog_download.children.tracks import Description, FragmentWriter
from cinelog_download.children.units import Tell
from cinelog_download.children.watching import Eye
from cinelog_download.domain.damage import Damage, Losses
from cinelog_download.domain.demuxing import DemuxOrder
from cinelog_download.domain.sounding import Grid, Leaps, PictureCuts, Placed

_LONGEST_TITLE = 200
_LEAST_PAD_S = Fraction(1, 20)
"""Sound that ends less than this before the picture is left as it is."""


class Said(Value, frozen=True, kw_only=True):
    """What a playlist or a page says of a sound."""

    language: str = ""
    title: str = ""


class Ear:
    """One sound track, from packets on the container's timeline to fragments."""

    def __init__(
        self,
        order: DemuxOrder,
        stream: AudioStream,
        tell: Tell,
        *,
        name: str = "a0",
        said: Said | None = None,
    ) -> None:
        """`said` is what is said of it where the stream itself says nothing."""
        said = said or Said()
        self._order = order
        self._name = name
        self._stream = stream
        self._language = language_of(stream, said.language)
        self._title = (stream.metadata.get("title") or said.title)[:_LONGEST_TITLE]
        self._tell = tell
        self._held: deque[av.Packet[Any]] = deque()
        self._zero_s: Fraction | None = None
        self._sound: Sound | None = None
        self._copied: CopiedSound | None = None
        self._rate = 0
        self._cuts: list[int] = []
        self._damage = Damage(_called(name))
        self._losses = Losses(_called(name))
        # Of packets where they are passed through, else of frames: what is decoded has the truer times.
        self._packets: Leaps[av.Packet[Any]] = Leaps()
        self._frames: Leaps[AudioFrame] = Leaps()
        self._eye: Eye | None = None
        self._ended = False
        self._gauge: Gauge | None = None
        self._recipe = order.audio
        self.warnings: list[str] = []
        stream.codec_context.thread_count = 1
        if order.audio.mode == "copy":
            self._prepare_copy()

    @property
    def delivered(self) -> bool:
        """Whether any sound came out."""
        return bool(self.track)

    @property
    def track(self) -> str:
        """The track's name, if it exists."""
        return self._name if self._sound is not None or (self._copied and self._copied.writer) else ""

    @property
    def end_s(self) -> Fraction:
        """Where the sound so far ends."""
        if self._sound is not None:
            return self._sound.reached_s
        return self._copied.reached_s if self._copied is not None else Fraction(0)

    def add(self, packet: "av.Packet[Any]") -> None:
        """Take the next packet; it waits until the timeline's zero is known."""
        self._held.append(packet)

    def follow(self, eye: Eye | None, *, ended: bool = False) -> None:
        """Work on what is there, as far as the picture tells where to cut."""
        self._eye, self._ended = eye, ended
        if self._zero_s is None:
            self._zero_s = self._find_zero(eye)
        if self._zero_s is None:
            return
        while self._held:
            self._take(self._held.popleft(), self._zero_s)
        part = self._sound or self._copied
        if part is not None and (self._sound is not None or (self._copied and self._copied.writer)):
            part.cut(self._picture_cuts())

    def finish(self, eye: Eye | None, until_s: Fraction) -> None:
        """Flush the decoder, let sound beside a picture reach up to `until_s`, and write what is left."""
        self.follow(eye, ended=True)
        if self._zero_s is not None:
            self._flush(self._zero_s)
        if self._sound is not None:
            if eye is not None and until_s - self._sound.reached_s > _LEAST_PAD_S:
                self._sound.pad_to(until_s, self._picture_cuts())
            self._sound.finish(self._picture_cuts())
        elif self._copied is not None and self._copied.writer is not None:
            loudness = self._gauge.result() if self._gauge is not None else None
            self._copied.finish(self._picture_cuts(), loudness)
        self.warnings += self._losses.sentences(pictured=eye is not None)
        if self._gauge is not None and not self._gauge.heard:
            # All of it would be called damaged, where only the decoder may be missing.
            self.warnings.append(f"{_called(self._name)} could not be decoded: how loud it is is not known.")
            return
        self.warnings += self._damage.sentences()

    def _find_zero(self, eye: Eye | None) -> Fraction | None:
        if eye is not None:
            return eye.zero_s
        if not self._held:
            return None
        first = self._held[0]
        if first.pts is None:
            return Fraction(0)
        # Zero is the first sample to be heard: what the container says is to be skipped lies before it.
        skipped = Fraction(_skipped(first), self._stream.codec_context.sample_rate)
        return max(Fraction(0), first.pts * first.time_base + skipped)

    def _take(self, packet: "av.Packet[Any]", zero_s: Fraction) -> None:
        stream = packet.stream
        if isinstance(stream, AudioStream) and stream is not self._stream:
            self._continue_with(stream, zero_s)
        if self._copied is None:
            self._decode(packet, zero_s)
            return
        at_s = None if packet.pts is None else packet.pts * packet.time_base - zero_s
        for placed in self._packets.add(packet, at_s, _length_s(packet)):
            self._pass_on(placed, zero_s)

    def _flush(self, zero_s: Fraction) -> None:
        for packet in self._packets.finish():
            self._pass_on(packet, zero_s)
        if self._copied is None:
            self._decode(None, zero_s)
        for frame in self._frames.finish():
            self._encode(frame)

    def _pass_on(self, placed: "Placed[av.Packet[Any]]", zero_s: Fraction) -> None:
        packet = placed.piece
        if self._copied is None:
            self._decode(packet, zero_s)
            return
        begins_s = self._begins_s(placed, self._copied.reached_s)
        if begins_s is None:
            return
        data = bytes(packet)
        if not self._copied.add(data, begins_s, placed.lasts_s):
            self._losses.leave_out(begins_s, placed.lasts_s)
            return
        try:
            self._open_copy(data)
        except UnsupportedTrackError as error:
            self.warnings.append(f"{error.message} It is encoded as AAC instead.")
            self._copied, self._recipe, self._losses = None, AudioRecipe(), Losses(_called(self._name))
            self._decode(packet, zero_s)
            return
        self._gauge = self._gauge or Gauge(self._stream)
        if not self._gauge.add(packet):
            self._damage.add(begins_s, begins_s + placed.lasts_s)

    def _begins_s(self, placed: "Placed[Any]", reached_s: Fraction) -> Fraction | None:
        """Return where a piece begins; None if there is no room for it. Takes note of what is odd."""
        if placed.left_out:
            self._losses.leave_out(reached_s, placed.lasts_s)
            return None
        begins_s = reached_s if placed.at_s is None else placed.at_s
        if placed.odd:
            self._losses.move(begins_s, placed.lasts_s)
        self._losses.trim(begins_s, placed.lasts_s)
        allowed = self._order.limits.duration_s
        if begins_s > allowed:
            # Before silence is made up to there.
            raise refusals.over_limit(
                f"its sound goes on after {float(begins_s):.0f} s, {allowed:.0f} s allowed",
                refusals.MAX_DURATION,
            )
        return begins_s

    def _continue_with(self, stream: AudioStream, zero_s: Fraction) -> None:
        """Let another stretch's stream go on with the track: it needs a decoder of its own."""
        if self._copied is not None and _form(stream) != _form(self._stream):
            raise refusals.unsupported("its sound changes in the middle, so it cannot be passed through")
        if self._copied is None:
            self._decode(None, zero_s)
        self._stream = stream
        stream.codec_context.thread_count = 1

    def _decode(self, packet: "av.Packet[Any] | None", zero_s: Fraction) -> None:
        try:
            frames: list[Any] = self._stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            self._note_broken(packet, zero_s)
            return
        for frame in frames:
            at_s = None if frame.pts is None else frame.pts * frame.time_base - zero_s
            for placed in self._frames.add(frame, at_s, Fraction(frame.samples, frame.sample_rate)):
                self._encode(placed)

    def _encode(self, placed: Placed[AudioFrame]) -> None:
        self._sound = self._sound or self._open_sound(placed.piece)
        begins_s = self._begins_s(placed, self._sound.reached_s)
        if begins_s is None:
            return
        try:
            kept = self._sound.add(placed.piece, placed.at_s, cuts=self._picture_cuts())
        except av.error.FFmpegError:
            self._damage.add(begins_s, begins_s + placed.lasts_s)
            return
        if not kept:
            self._losses.leave_out(begins_s, placed.lasts_s)

    def _note_broken(self, packet: "av.Packet[Any] | None", zero_s: Fraction) -> None:
        if packet is None:
            self._damage.add(self.end_s, self.end_s)
            return
        at_s = self.end_s if packet.pts is None else packet.pts * packet.time_base - zero_s
        self._damage.add(at_s, at_s + _length_s(packet))

    def _open_sound(self, frame: Any) -> Sound:
        voice = voice_for(self._recipe, rate=frame.sample_rate, channels=frame.layout.nb_channels)
        self._rate = voice.rate
        line = Line(
            name=self._name,
            recipe=self._recipe,
            voice=voice,
            folder=self._order.folder,
            segment_s=self._order.segment_s,
            max_segment_s=self._order.max_segment_s,
            language=self._language,
            title=self._title,
        )
        return Sound(line, self._tell)

    def _picture_cuts(self) -> PictureCuts:
        if self._eye is None:
            return PictureCuts()
        ticks = self._eye.time_base * self._rate
        self._cuts += [round(cut * ticks) for cut in self._eye.cuts[len(self._cuts) :]]
        return PictureCuts(at=self._cuts, floor=None if self._ended else int(self._eye.floor * ticks))

    # Passing through.

    def _prepare_copy(self) -> None:
        context = self._stream.codec_context
        self._rate = 48_000 if context.codec.canonical_name == "opus" else context.sample_rate
        form = Form(codec=context.codec.canonical_name, extradata=context.extradata or b"")
        lengths = (self._order.segment_s, self._order.max_segment_s)
        step, longest = (round(length * self._rate) for length in lengths)
        frame_size = context.frame_size if context.codec.canonical_name in {"aac", "mp3", "ac3"} else 0
        self._copied = CopiedSound(form, self._rate, frame_size, Grid(step=step, longest=longest))

    def _open_copy(self, first: bytes) -> None:
        copied = self._copied
        assert copied is not None
        if copied.writer is not None:
            return
        hints = CopyHints(first_packet=first, priming=copied.priming or 0, language=self._language)
        context = self._stream.codec_context
        init = copy_init(self._stream, self._rate, hints)
        description = Description(
            name=self._name,
            kind="audio",
            timescale=self._rate,
            language=self._language,
            title=self._title,
            channels=context.layout.nb_channels,
            sample_rate=context.sample_rate,
            bitrate_bps=context.bit_rate or 0,
        )
        copied.writer = FragmentWriter(self._order.folder, description, init, self._tell)


def _called(name: str) -> str:
    number = int(name.removeprefix("a")) + 1
    return "The sound" if number == 1 else f"Sound track {number}"


def _length_s(packet: "av.Packet[Any]") -> Fraction:
    return (packet.duration or 0) * packet.time_base


def _form(stream: AudioStream) -> tuple[str, int, bytes]:
    context = stream.codec_context
    return context.codec.canonical_name, context.sample_rate, bytes(context.extradata or b"")


def _skipped(packet: "av.Packet[Any]") -> int:
    """Return how many samples at the packet's beginning are not to be heard."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[:4], "little")
