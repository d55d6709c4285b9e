"""What is different about a frame in mid-stream, and what has to be said of it."""

from fractions import Fraction
from pathlib import Path

from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from cinelog_common.contract.values import Value

from cinelog_transcode.children.tones import written_table
from cinelog_transcode.domain.colours import is_hdr
from cinelog_transcode.domain.stretches import (
    GAMUT,
    INTERLACED,
    RANGE,
    SHAPE,
    Stretch,
    is_other_gamut,
    other_transfer,
    widening,
)

_FINE = 1000
"""Columns of the picture that measures a pixel's width of 1."""


class Change(Value, frozen=True, kw_only=True):
    """How frames differ from what the recipe was made for; without values, in nothing."""

    wider: Fraction = Fraction(1)
    """The picture is shown so much wider, at equal height."""
    transfer: int | None = None
    """Its own, where that of the first ones would be wrong."""


class ChangeWatch:
    """Compares each frame with the film's first ones.

    Attributes:
        warnings: Of what is not converted; the same words for every unit, so that a film says them once.
    """

    def __init__(self, first: Stretch, folder: Path) -> None:
        """`folder` gets the tables of colours that the first pictures did not need."""
        self._first = first
        self._folder = folder
        self._gauge = _PixelGauge()
        self._size = (0, 0)
        self._wider = Fraction(1)
        self._warnings: dict[str, None] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        return tuple(self._warnings)

    def change(self, frame: VideoFrame) -> Change:
        """Return what to do about `frame`; frames come in order of presentation."""
        first = self._first
        if frame.interlaced_frame and not first.may_comb:
            self._warnings[INTERLACED] = None
        return Change(wider=self._widening(frame), transfer=self._transfer(frame))

    def table(self, transfer: int) -> Path | None:
        """Return the table of colours for pictures of this transfer characteristic, if they need one."""
        return written_table(transfer, self._folder) if is_hdr(transfer) else None

    def _transfer(self, frame: VideoFrame) -> int | None:
        first, own = self._first, other_transfer(self._first, int(frame.color_trc))
        if own is not None and not first.converts:
            self._warnings[RANGE] = None
            return None
        # Where a table is applied, it converts the primaries too.
        has_table = first.converts and is_hdr(first.transfer if own is None else own)
        if not has_table and is_other_gamut(first, int(frame.color_primaries)):
            self._warnings[GAMUT] = None
        return own

    def _widening(self, frame: VideoFrame) -> Fraction:
        size = (frame.width, frame.height)
        # Between keyframes nothing changes: ISO/IEC 13818-2 6.1.1.6 and ITU-T H.264 7.4.1.2.1.
        if size == self._size and not (frame.key_frame and self._first.is_own_aspect):
            return self._wider
        is_new = self._first.is_own_aspect or size != self._first.size
        wider = widening(self._first, size, self._gauge.wide_pixels(frame) if is_new else Fraction(1))
        if wider is None:
            self._warnings[SHAPE] = None
        self._size, self._wider = size, wider or Fraction(1)
        return self._wider


class _PixelGauge:
    """Measures a frame's sample aspect.

    PyAV does not tell it of frames, and a decoder's context is ahead of the frames that it yields. But
    filters know: a corner of the picture is made as wide as its pixels are. That takes 0.05 ms, and
    1 ms for the first frame of a size.
    """

    def __init__(self) -> None:
        self._input: tuple[int, int, str] | None = None
        # Filters know their graph only weakly; without this it would be freed under them.
        self._graph: Graph | None = None
        self._ends: tuple[FilterContext, FilterContext] | None = None

    def wide_pixels(self, frame: VideoFrame) -> Fraction:
        """Return how wide a pixel is shown for its height; 1 if the frame does not say."""
        shape = (frame.width, frame.height, frame.format.name)
        if self._ends is None or shape != self._input:
            self._input, self._ends = shape, self._build(*shape)
        source, sink = self._ends
        source.push(frame)
        measured = sink.pull()
        assert isinstance(measured, VideoFrame)
        return Fraction(measured.width, _FINE)

    def _build(self, width: int, height: int, pixel_format: str) -> tuple[FilterContext, FilterContext]:
        graph = self._graph = Graph()
        graph.threads = 1
        source = graph.add("buffer", video_size=f"{width}x{height}", pix_fmt=pixel_format, time_base="1/25")
        corner = graph.add("crop", w="min(iw,16)", h="min(ih,16)")
        # By default the size is computed once, from what the graph was told and not from the frame.
        gauge = graph.add("scale", w=f"clip(round(sar*{_FINE}),2,{_FINE * 16})", h="2", eval="frame")
        sink = graph.add("buffersink")
        graph.link_nodes(source, corner, gauge, sink).configure()
        return source, sink
