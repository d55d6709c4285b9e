"""One opened encoder: pictures in, packets out."""

import re
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, cast

import av
import msgspec
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from cinelog_common.cmaf.accessunits import SampleForm, sample_form
from cinelog_common.cmaf.inits import VideoPresentation, parameter_hash, video_init
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.errors import Category, PermanentError, TransientError

from cinelog_transcode.domain.colours import colours_of, tone_maps
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.mastering import mastering_of
from cinelog_transcode.domain.proof import NO_B_FRAMES
from cinelog_transcode.domain.tables import table_of

_STATS = struct.Struct("<8xQ")
_ERRORS = 5
"""Where the number of planes lies whose errors follow, luma first, after eight bytes of other facts."""


class EncoderUnavailableError(PermanentError):
    """This encoder cannot be opened here: not in the build, no device, no driver, no free session.

    Attributes:
        reason: Why, as the rest of a sentence.
    """

    def __init__(self, encoder: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The encoder {encoder} cannot be used here: {reason}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="Run `cinelog doctor` on this worker to see what works.",
        )


class EncoderFailedError(TransientError):
    """An encoder that worked at its start refused a picture."""

    def __init__(self, encoder: str, reason: str) -> None:
        super().__init__(
            f"The encoder {encoder} failed: {reason}.",
            category=Category.ENCODER_UNAVAILABLE,
            action="It is tried again; if it fails each time, set hardware to never.",
        )


class EncodedPacket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One access unit as the encoder gave it; pts in ticks of the recipe's `picture_base`."""

    data: bytes
    pts: int
    keyframe: bool
    error: int | None = None
    """Sum of the luma's squared differences, if it was asked for and the encoder tells it."""


class RenditionEncoder:
    """An encoder of one rendition, opened. Its ticks are the recipe's `picture_base`, so VFR stays VFR."""

    def __init__(self, recipe: Recipe, rendition: Rendition, threads: int, *, measured: bool = False) -> None:
        """Open the encoder; if it is `measured`, its packets say how far they are off.

        Raises:
            EncoderUnavailableError: It does not open.
            UnknownEncoderError: Nobody knows it.
        """
        self._name = recipe.encoder
        self._recipe = recipe
        self._rendition = rendition
        self._measured = measured
        self._context = _open(recipe, rendition, threads, measured=measured)

    def encode(self, frame: VideoFrame, *, force_keyframe: bool = False) -> Iterator[EncodedPacket]:
        """Yield the packets that are ready once `frame` is in.

        Raises:
            EncoderFailedError: It was refused.
        """
        # Else the source's frame types would leak in (0 leaves the choice to the encoder).
        frame.pict_type = PictureType.I if force_keyframe else PictureType.NONE
        yield from self._packets(frame)

    def flush(self) -> Iterator[EncodedPacket]:
        """Yield what the encoder held back; it is of no use afterwards.

        Raises:
            EncoderFailedError: It failed.
        """
        yield from self._packets(None)

    @property
    def codec(self) -> str:
        """Libavcodec's name of what is made."""
        return self._context.codec.canonical_name

    @property
    def time_base(self) -> Fraction:
        """Of the pictures' pts and the packets'."""
        return Fraction(*self._recipe.picture_base)

    @property
    def form(self) -> SampleForm:
        """How packets become samples of MP4."""
        return sample_form(self.codec, self._context.extradata)

    @property
    def configuration(self) -> bytes:
        """What a decoder of the raw packets must know first."""
        return self._context.extradata or b""

    def init(self, side_data: Iterable[tuple[str, bytes]] = ()) -> bytes:
        """Return the init segment of everything that this recipe makes in this rendition.

        Args:
            side_data: The source stream's: the screen it was made on goes along with its colours.
        """
        colours = colours_of(self._recipe)
        carried = () if tone_maps(self._recipe) else side_data
        mastering, light_level = mastering_of(carried)
        show = VideoPresentation(
            width=self._rendition.width,
            height=self._rendition.height,
            sar=self._recipe.sample_aspect,
            # The contract says how far to turn clockwise, MP4's matrix is made the other way round.
            rotation=-self._recipe.rotation % 360,
            primaries=colours.primaries,
            transfer=colours.transfer,
            matrix=colours.matrix,
            full_range=colours.color_range == 2,
            language=self._recipe.language,
            mastering=mastering,
            light_level=light_level,
        )
        return video_init(self._context, self._recipe.timescale, show)

    def init_hash(self, init: bytes) -> str:
        """Return the name under which segments say what init they fit."""
        return parameter_hash(init)

    def version(self, packet: bytes) -> str:
        """Return the versions of libavcodec and, if its first packet tells, of the encoder; its limits."""
        major, minor, micro = av.library_versions["libavcodec"]
        mark = table_of(self._name).maker_mark
        own = re.search(mark.encode(), packet) if mark else None
        told = f"lavc{major}.{minor}.{micro}" + (f"-{own[1].decode()}" if own else "")
        return told + (NO_B_FRAMES if self._recipe.version.endswith(NO_B_FRAMES) else "")

    def _packets(self, frame: VideoFrame | None) -> Iterator[EncodedPacket]:
        try:
            # Lazily: at the end the whole look-ahead comes out, which may take minutes.
            for packet in self._context.encode_lazy(frame):
                if packet.pts is None:
                    raise EncoderFailedError(self._name, "a packet without a time")
                yield EncodedPacket(
                    data=bytes(packet),
                    pts=packet.pts,
                    keyframe=packet.is_keyframe,
                    error=_error(packet) if self._measured else None,
                )
        except (av.FFmpegError, ValueError) as error:
            raise EncoderFailedError(self._name, str(error)) from error


def _error(packet: "av.Packet[Any]") -> int | None:
    """Return what libavcodec's AV_PKT_DATA_QUALITY_STATS says of the luma."""
    for side in packet.iter_sidedata():
        data = bytes(side) if side.data_type == "quality_stats" else b""
        if len(data) >= _STATS.size and data[_ERRORS]:
            return int(_STATS.unpack_from(data)[0])
    return None


def _open(recipe: Recipe, rendition: Rendition, threads: int, *, measured: bool) -> VideoCodecContext:
    opening = opening_options(recipe, rendition, threads)
    colours = colours_of(recipe)
    try:
        context = CodecContext.create(recipe.encoder, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = rendition.width, rendition.height
        context.pix_fmt = opening.pixel_format
        context.time_base = Fraction(*recipe.picture_base)
        context.framerate = Fraction(*recipe.frame_rate) if min(recipe.frame_rate) > 0 else Fraction(30)
        context.sample_aspect_ratio = Fraction(*recipe.sample_aspect)
        context.color_range, context.color_primaries = colours.color_range, colours.primaries
        context.color_trc, context.colorspace = colours.transfer, colours.matrix
        context.thread_count = opening.threads
        # PyAV's default, sliced threads, is 7 to 12 % slower and cuts every picture.
        context.thread_type = cast("Any", "FRAME")
        context.flags |= Flags.global_header | Flags.closed_gop
        if measured:
            context.flags |= Flags.psnr
        context.options = opening.options
        context.open()
    except (av.FFmpegError, ValueError, ZeroDivisionError) as error:
        raise EncoderUnavailableError(recipe.encoder, _reason(error)) from error
    if context.options:
        # libavcodec leaves behind what it did not understand: a wrong table, found out by the proof.
        raise EncoderUnavailableError(recipe.encoder, f"it knows no option {', '.join(context.options)}")
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, av.codec.codec.UnknownCodecError):
        return "this build has no such encoder"
    if isinstance(error, av.FFmpegError):
        return f"it does not open ({error.strerror})"
    return str(error)
