"""The picture's stream: what is to become of its packets, and on which timeline."""

from collections import deque
from fractions import Fraction
from typing import Any

import msgspec
from av.stream import Stream
from av.video.frame import VideoFrame
from cinelog_common.cmaf.inits import CopyHints, VideoPresentation, copy_init
from cinelog_fastio import DISCARD, KEYFRAME, Packet

from cinelog_download.children import probing, refusals
from cinelog_download.children.copying import CopiedUnits, Form
from cinelog_download.children.holding import HoldingUnits
from cinelog_download.children.ordering import PresentationOrder
from cinelog_download.children.picture import Picture, Shape
from cinelog_download.children.probing import Opened
from cinelog_download.children.tracks import Description, FragmentWriter
from cinelog_download.children.units import BundleUnits, Tell, Writer
from cinelog_download.domain.cutting import CutPolicy, planned_units
from cinelog_download.domain.demuxing import DemuxOrder
from cinelog_download.domain.pictures import is_shown, jpeg_size, parameters_in
from cinelog_download.domain.stamps import Stamped, Stamps

_TIMELESS = frozenset({"avi", "h264", "hevc", "m4v", "mpegvideo", "vc1", "dv"})
"""Containers without times of showing: what libavformat gives as such are times of decoding."""
_UNDATED = frozenset({"matroska,webm", "nut"})
"""Containers without times of decoding: what libavformat gives as such is its own guess."""


class Eye:
    """The picture, from packets on the container's timeline to units.

    Attributes:
        info: What container, codec and first picture say.
        time_base: Seconds per tick of the timeline.
    """

    def __init__(self, order: DemuxOrder, film: Opened, first: VideoFrame | None, tell: Tell) -> None:
        assert film.video is not None
        stream = film.video
        self._order = order
        self._stream = stream
        self._key_times = probing.key_times(film)
        self._listed_s = film.file.listed_s
        self._tell = tell
        self.info = probing.video_info(stream, first)
        # What the pictures themselves say may be more than what the container does.
        refusals.check_size((self.info.width, self.info.height), order.limits)
        self.time_base = Fraction(*self.info.time_base)
        rate = probing.frame_rate(stream) or Fraction(25)
        self._frame_ticks = max(1, round(1 / (rate * self.time_base)))
        self._parameters = probing.parameters_of(stream, self.info, first)
        self._current: Stream = stream
        self._extradata = self._parameters.extradata
        reordered = bool(stream.codec_context.has_b_frames)
        self._clocked = film.container.format.name == "mpegts"
        self._timeless = film.container.format.name in _TIMELESS
        self._reordered = reordered
        self._counted = 0
        decode_times = film.container.format.name not in _UNDATED
        self._stamps = Stamps(self._frame_ticks, reordered=reordered, decode_times=decode_times)
        self._unstamped: deque[tuple[Packet, bool]] = deque()
        self._brought: bytes | None = None
        self._ordering: PresentationOrder | None = None
        self._copied: FragmentWriter | None = None
        self._picture: Picture | None = None
        self._begun = False

    @property
    def clock_s(self) -> Fraction:
        """What the clock of a transport stream showed at the timeline's zero; other containers have none."""
        return (self.zero_s or Fraction(0)) if self._clocked else Fraction(0)

    @property
    def zero_s(self) -> Fraction | None:
        """Seconds of the container's timeline at which the job's begins; None until it is known."""
        zero = self._picture.zero if self._picture is not None else None
        return None if zero is None else zero * self.time_base

    @property
    def cuts(self) -> list[int]:
        """Where units ended so far, in ticks."""
        return self._picture.cuts if self._picture is not None else []

    @property
    def floor(self) -> int:
        """A time before which surely no further cut comes, in ticks."""
        return self._picture.floor if self._picture is not None else 0

    @property
    def units(self) -> int:
        """How many bundles were written."""
        return self._picture.units if self._picture is not None and self._order.video == "bundles" else 0

    @property
    def delivered(self) -> bool:
        """Whether anything came of the picture."""
        return self._picture is not None and self._picture.units > 0

    @property
    def track(self) -> str:
        """The name of the passed-through track, if there is one."""
        return "v0" if self._copied is not None else ""

    @property
    def end_s(self) -> Fraction:
        """Where the picture so far ends."""
        return Fraction(0) if self._picture is None else self._picture.end * self.time_base

    @property
    def warnings(self) -> list[str]:
        """What the user should know."""
        return [*(self._picture.warnings if self._picture is not None else ()), *self._stamps.warnings()]

    def planned_units(self, duration_s: float | None) -> int | None:
        """Return how many units there will be, as far as the container tells before it is read."""
        policy = self._policy()
        if policy.end is None and duration_s:
            policy = msgspec.structs.replace(policy, end=int(Fraction(duration_s) / self.time_base))
        first = min(self._key_times, default=0)
        return planned_units([time - first for time in self._key_times], policy)

    def add(self, packet: Packet, *, spliced: bool, stream: Stream | None = None) -> None:
        """Take the next packet in decode order; `stream` is what it comes from, if that may have changed."""
        if stream is not None and stream is not self._current:
            packet = self._continued(packet, stream)
        changed = any(name == "new_extradata" for name, _ in packet.side_data) or self._changes(packet)
        forced = spliced or changed
        if self.info.codec == "mjpeg":
            # Its decoder refuses too large a picture without a word of its size.
            refusals.check_size(jpeg_size(packet.data), self._order.limits)
        if not self._begun:
            self._begin(packet)
        forced = forced and self._begun
        self._begun = True
        if self._ordering is None:
            self._stamp(self._timed(packet), forced=forced)
            return
        for ordered in self._ordering.add(self._timed(packet)):
            self._take(ordered, forced=forced)

    def finish(self) -> None:
        """Write what is left."""
        if self._picture is None:
            return
        for packet in self._ordering.finish() if self._ordering is not None else ():
            self._picture.add(packet)
        self._take_stamped(self._stamps.finish())
        self._picture.finish()
        if self._copied is not None:
            self._copied.finish()

    def until_s(self, sound_s: Fraction) -> Fraction:
        """Return when the film ends whose longest sound ends at `sound_s`: a little more has no picture.

        RFC 8216 6.2.4 wants no rendition to go on for more than a target duration behind the others, and
        players that read ahead in all of them stop where one ends.
        """
        is_long = (sound_s - self.end_s) / self.time_base > self._policy().target
        return sound_s if is_long else self.end_s

    def hold(self, sound_s: Fraction) -> None:
        """Have the last picture shown until the film ends; only after `finish`."""
        rest_s = self.until_s(sound_s) - self.end_s
        if self._picture is None or rest_s <= 0:
            return
        if self._copied is None:
            self._picture.hold(int(sound_s / self.time_base))
            return
        self._picture.warnings.append(
            f"The sound goes on for {float(rest_s):.1f} s after the last picture, where some players stop."
        )

    def close(self) -> None:
        """Forget the packets."""
        if self._picture is not None:
            self._picture.close()

    def _continued(self, packet: Packet, stream: Any) -> Packet:
        """Mark the first packet of another stretch with what its decoder must know."""
        self._current = stream
        extradata = bytes(stream.codec_context.extradata or b"")
        if not extradata or extradata == self._extradata:
            return packet
        if self._order.video == "copy":
            raise refusals.unsupported("its picture changes in the middle, so it cannot be passed through")
        self._extradata = extradata
        return msgspec.structs.replace(packet, side_data=(*packet.side_data, ("new_extradata", extradata)))

    def _changes(self, packet: Packet) -> bool:
        """Tell whether a keyframe brings other parameters than the one before it did."""
        if not packet.flags & KEYFRAME:
            return False
        brought = parameters_in(self.info.codec, packet.data, self._parameters.extradata)
        before, self._brought = self._brought, brought or self._brought
        return brought is not None and before is not None and brought != before

    def _begin(self, first: Packet) -> None:
        if self._reordered and (self._timeless or first.pts is None):
            self._ordering = PresentationOrder(self._parameters, self._frame_ticks)
        shape = Shape(
            policy=self._policy(),
            parameters=self._parameters,
            frame_ticks=self._frame_ticks,
            interlaced=self.info.field_order != "progressive",
            rolls=self.info.field_order != "progressive" and self._order.video == "bundles",
            folder=self._order.folder,
            most_units=self._order.limits.units,
            key_times=self._key_times,
        )
        self._picture = Picture(shape, self._writer(first))

    def _policy(self) -> CutPolicy:
        return CutPolicy(
            target=max(1, round(Fraction(self._order.segment_s).limit_denominator(1000) / self.time_base)),
            end=self._expected_end(),
            inside=self._order.video == "bundles",
        )

    def _expected_end(self) -> int | None:
        if self._listed_s is not None:
            return round(Fraction(self._listed_s).limit_denominator(1_000_000) / self.time_base)
        return self._stream.duration or None

    def _stamp(self, packet: Packet, *, forced: bool) -> None:
        pts = packet.dts if packet.pts is None else packet.pts
        copied = self._order.video == "copy"
        discarded = bool(packet.flags & DISCARD) and not copied
        # Pictures of two packets each, one a field, may well share a time.
        alone = not packet.flags & DISCARD and self.info.field_order == "progressive"
        shown = alone and not copied and is_shown(self.info.codec, packet.data)
        self._unstamped.append((packet, forced))
        self._take_stamped(self._stamps.add(pts, packet.dts, shown=shown, discarded=discarded))

    def _take_stamped(self, settled: list[Stamped]) -> None:
        for stamped in settled:
            packet, forced = self._unstamped.popleft()
            flags = packet.flags | DISCARD * stamped.hidden
            timed = msgspec.structs.replace(packet, pts=stamped.pts, dts=stamped.dts, flags=flags)
            self._take(timed, forced=forced)

    def _take(self, packet: Packet, *, forced: bool) -> None:
        assert self._picture is not None
        self._picture.add(packet, forced=forced)

    def _timed(self, packet: Packet) -> Packet:
        """Count packets where nothing else tells the time, as in elementary streams."""
        dts = packet.dts
        if dts is None and (packet.pts is None or self._ordering is not None):
            dts = self._counted
        if dts is not None:
            self._counted = dts + (packet.duration or self._frame_ticks)
        return msgspec.structs.replace(packet, dts=dts)

    def _writer(self, first: Packet) -> Writer:
        order, info = self._order, self.info
        if order.video != "copy":
            units = BundleUnits(order, self._parameters, info, self._tell)
            return HoldingUnits(units, order.holds) if order.holds else units
        show = VideoPresentation(
            width=info.width,
            height=info.height,
            sar=info.sample_aspect,
            rotation=-info.rotation % 360,
            primaries=info.color_primaries,
            transfer=info.color_transfer,
            matrix=info.color_matrix,
            full_range=info.color_range == 2,
            language=info.language,
        )
        hints = CopyHints(first_packet=first.data, language=info.language, presentation=show)
        init = copy_init(self._stream, info.time_base[1], hints)
        description = Description(
            name="v0",
            kind="video",
            timescale=info.time_base[1],
            language=info.language,
            bitrate_bps=self._stream.codec_context.bit_rate or 0,
            width=info.width,
            height=info.height,
            frame_rate=info.frame_rate,
            time_base=info.time_base,
        )
        self._copied = FragmentWriter(order.folder, description, init, self._tell)
        form = Form(codec=info.codec, extradata=self._parameters.extradata, tick=info.time_base[0])
        return CopiedUnits(form, self._frame_ticks, self._copied)
