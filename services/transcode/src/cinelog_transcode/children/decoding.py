"""From a bundle's packets to its frames, with a decoder that knows nothing of containers."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, cast

import av
from av.codec.context import CodecContext
from av.codec.hwaccel import HWAccel
from av.packet import PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from cinelog_common.contract.values import Value
from cinelog_common.errors import Category, PermanentError, TransientError
from cinelog_fastio import CORRUPT, DISCARD, Packet, StreamParameters

# libavcodec's own AV1 decoder wants hardware; VP8 and VP9 with alpha are not a matter here.
_DECODERS = {"av1": "libdav1d"}


class UndecodableError(PermanentError):
    """There is no decoder for this codec, or it refuses the stream altogether."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, category=Category.UNSUPPORTED_MEDIA, action="Convert the source to a common codec first."
        )


class DeviceRefusedError(TransientError):
    """A device does not decode this stream; software may."""

    def __init__(self, codec: str, device: str, reason: str) -> None:
        super().__init__(
            f"The device type {device} does not decode {codec} here: {reason}.",
            category=Category.UNSUPPORTED_MEDIA,
        )


class DecoderOptions(Value, frozen=True, kw_only=True):
    """How to decode.

    Attributes:
        max_pixels: A larger picture is refused before it is allocated.
        reorder_depth: Packets that come before one that is shown before them.
        device: The device type to decode on, which then does all or refuses; none for software.
    """

    threads: int = 1
    max_pixels: int = 1 << 26
    reorder_depth: int = 0
    device: str = ""


class BundleDecoder:
    """Decodes packets in decode order; yields frames in presentation order with timeline pts.

    A packet that the decoder refuses is noted and skipped: what it can still show is worth showing. A device
    may do so only where software does too, so with one any failure is a `DeviceRefusedError`.

    Attributes:
        damaged: Pts of frames that the decoder marked corrupt and of packets that it refused.
    """

    def __init__(self, parameters: StreamParameters, options: DecoderOptions) -> None:
        self._time_base = Fraction(*parameters.time_base)
        self._codec, self._device = parameters.codec, options.device
        self._context = _open_on(parameters, options) if options.device else _open(parameters, options)
        self._discarded: set[int] = set()
        self.damaged: list[int] = []

    def decode(self, packet: Packet) -> Iterator[VideoFrame]:
        """Feed one packet and yield the frames that are ready."""
        if packet.flags & DISCARD and packet.pts is not None:
            self._discarded.add(packet.pts)
        try:
            frames = self._context.decode(self._av_packet(packet))
        except av.FFmpegError as error:
            if self._device:
                raise DeviceRefusedError(self._codec, self._device, error.strerror or "an error") from error
            if not isinstance(error, av.InvalidDataError):
                raise
            if packet.pts is not None and not packet.flags & DISCARD:
                self.damaged.append(packet.pts)
            return
        yield from self._presented(frames)

    def flush(self) -> Iterator[VideoFrame]:
        """Yield the frames that the decoder held back. The decoder is of no use afterwards."""
        try:
            yield from self._presented(self._context.decode(None))
        except av.EOFError:
            return
        except av.FFmpegError as error:
            if self._device:
                raise DeviceRefusedError(self._codec, self._device, error.strerror or "an error") from error
            if not isinstance(error, av.InvalidDataError):
                raise

    def _presented(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            if frame.pts is None:
                frame.pts = frame.dts
            if frame.pts is None or frame.pts in self._discarded:
                continue
            if frame.is_corrupt:
                if self._device:
                    raise DeviceRefusedError(self._codec, self._device, "it calls a picture corrupt")
                self.damaged.append(frame.pts)
            frame.time_base = self._time_base
            yield frame

    def _av_packet(self, packet: Packet) -> "av.Packet[Any]":
        # A packet of its own size and not one around our bytes: decoders read up to 64 bytes past
        # the end, and only libavcodec's own buffers have them.
        made: av.Packet[Any] = av.Packet(len(packet.data))
        if packet.data:
            made.update(packet.data)
        made.pts, made.dts = packet.pts, packet.dts
        made.duration = packet.duration
        made.time_base = self._time_base
        made.is_keyframe = bool(packet.flags & 1)
        made.is_corrupt = bool(packet.flags & CORRUPT)
        for name, data in packet.side_data:
            _attach(made, name, data)
        return made


def _attach(packet: "av.Packet[Any]", name: str, data: bytes) -> None:
    try:
        kind = packet_sidedata_type_from_literal(cast("Any", name))
    except ValueError:
        # A kind that this version of libavcodec does not know cannot matter to its decoders.
        return
    side = cast("Any", PacketSideData)(kind, len(data))
    side.update(data)
    packet.set_sidedata(side, move=True)


def _open(parameters: StreamParameters, options: DecoderOptions) -> VideoCodecContext:
    name = _DECODERS.get(parameters.codec, parameters.codec)
    try:
        context = CodecContext.create(name, "r")
        if not isinstance(context, VideoCodecContext):
            raise UndecodableError(f"{parameters.codec} is not a codec of pictures.")
        _configure(context, parameters)
        context.thread_count = options.threads
        context.thread_type = cast("Any", "AUTO" if options.threads > 1 else "NONE")
        context.options = {"max_pixels": str(options.max_pixels)}
        if parameters.codec == "h264":
            # Where the stream itself does not say it, the decoder would learn it from pictures that
            # it has shown too early.
            context.reorder_depth = options.reorder_depth
        context.open()
    except (av.FFmpegError, ValueError, OverflowError, TypeError) as error:
        raise UndecodableError(f"The {parameters.codec} stream cannot be opened: {error}.") from error
    return context


def _open_on(parameters: StreamParameters, options: DecoderOptions) -> VideoCodecContext:
    """Open libavcodec's own decoder with a device behind it; pictures come back to memory."""
    codec, device = parameters.codec, options.device
    try:
        accelerator = HWAccel(device, allow_software_fallback=False)
        context = CodecContext.create(codec, "r", hwaccel=accelerator)
        if not isinstance(context, VideoCodecContext) or not context.is_hwaccel:
            raise DeviceRefusedError(codec, device, "this build has no such decoder")
        _configure(context, parameters)
        # The device works by itself; threads would only hold more of its surfaces.
        context.thread_count = 1
        context.options = {"max_pixels": str(options.max_pixels)}
        if codec == "h264":
            context.reorder_depth = options.reorder_depth
        context.open()
    except av.FFmpegError as error:
        raise DeviceRefusedError(codec, device, error.strerror or "it does not open") from error
    except (ValueError, OverflowError, TypeError) as error:
        raise DeviceRefusedError(codec, device, str(error)) from error
    return context


def _configure(context: VideoCodecContext, parameters: StreamParameters) -> None:
    if parameters.extradata:
        context.extradata = parameters.extradata
    attributes = parameters.attributes
    # Codecs without headers of their own know their shape only from the container.
    for name in ("width", "height", "bits_per_coded_sample"):
        value = attributes.get(name)
        if isinstance(value, int) and value > 0:
            setattr(context, name, value)
    pixel_format = attributes.get("pix_fmt", attributes.get("pixel_format"))
    if isinstance(pixel_format, str) and pixel_format and parameters.codec == "rawvideo":
        context.pix_fmt = pixel_format
    tag = attributes.get("codec_tag")
    if isinstance(tag, str) and len(tag) == 4:
        context.codec_tag = tag
