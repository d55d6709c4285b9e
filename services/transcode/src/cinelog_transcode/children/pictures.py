"""From decoded frames to the pictures that each encoder wants: one filter graph, one decode."""

from collections.abc import Iterator
from enum import Enum, auto
from fractions import Fraction
from pathlib import Path

import av
import msgspec
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from cinelog_common.contract.values import Recipe, Value

from cinelog_transcode.children.changes import Change, ChangeWatch
from cinelog_transcode.children.tones import tone_steps
from cinelog_transcode.domain.stretches import boxed

# H.273: 0 is no matrix at all. Swscale's names for the others that it makes.
_RGB = 0
_MATRICES = {1: "bt709", 5: "bt601", 6: "bt601", 7: "smpte240m", 9: "bt2020"}


_NO_CHANGE = Change()


class Shape(Value, frozen=True, kw_only=True):
    """What pictures must become. `color_range` is 1 (limited), 2 (full) or 0: as nobody said, limited."""

    width: int
    height: int
    pixel_format: str
    color_range: int = 0
    color_matrix: int = 2
    """2 (unspecified) for the pictures' own; RGB ones become BT.601 then."""
    tones: Path | None = None
    """A table of colours to apply; the result is BT.709."""


class Picture(Value, frozen=True, kw_only=True):
    """One frame for one of the shapes, by its place in their list; pts as the graph's `Weave` says."""

    shape: int
    frame: VideoFrame


class Weave(Enum):
    """What becomes of the two fields that an interlaced frame is woven of.

    Pictures have the frames' ticks; those of fields have half ticks: a second field is shown halfway
    to the next frame.
    """

    KEPT = auto()
    FRAMES = auto()
    """One picture of both."""
    FIELDS = auto()
    """A picture of each."""


def weave_of(recipe: Recipe) -> Weave:
    """Return what `recipe` wants."""
    if not recipe.deinterlace:
        return Weave.KEPT
    return Weave.FIELDS if recipe.field_rate else Weave.FRAMES


class _Input(Value, frozen=True, kw_only=True):
    width: int
    height: int
    pixel_format: str
    color_matrix: int
    color_range: int
    change: Change


class PictureGraph:
    """Turns each frame into one picture per shape.

    A frame that has a shape already goes through untouched. When the source changes its size, format
    or colours, a new graph is made, which makes its pictures like the first ones. Deinterlacing looks
    at the neighbours, so it is fed every frame that is decoded, those of the neighbouring units too,
    and whoever calls chooses among the results.
    """

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        time_base: Fraction,
        weave: Weave = Weave.KEPT,
        *,
        watch: ChangeWatch | None = None,
    ) -> None:
        """Without a `watch`, only size, format, range and matrix are looked at."""
        self._watch = watch
        self._shapes = shapes
        self._time_base = time_base
        self._picture_base = time_base / 2 if weave is Weave.FIELDS else time_base
        self._weave = weave
        self._last: dict[int, int] = {}
        self._input: _Input | None = None
        # Filters know their graph only weakly; without this it would be freed under them.
        self._graph: Graph | None = None
        self._source: FilterContext | None = None
        self._sinks: list[tuple[int, FilterContext]] = []
        self._untouched: tuple[int, ...] = ()

    def push(self, frame: VideoFrame) -> Iterator[Picture]:
        """Yield the pictures that are ready once `frame` is known."""
        shape = _Input(
            width=frame.width,
            height=frame.height,
            pixel_format=frame.format.name,
            color_matrix=int(frame.colorspace),
            color_range=int(frame.color_range),
            change=self._watch.change(frame) if self._watch is not None else _NO_CHANGE,
        )
        if shape != self._input:
            yield from self.flush()
            self._input = shape
            self._build(shape)
        for index in self._untouched:
            yield Picture(shape=index, frame=frame)
        if self._source is not None:
            self._source.push(frame)
            yield from self._pull()

    def flush(self) -> Iterator[Picture]:
        """Yield the pictures that waited for a neighbour."""
        if self._source is not None:
            self._source.push(None)
            yield from self._pull()
        self._input = self._source = self._graph = None
        self._sinks = []
        self._untouched = ()

    def _build(self, shape: _Input) -> None:
        shapes = self._shapes
        if self._watch is not None and shape.change.transfer is not None:
            tones = self._watch.table(shape.change.transfer)
            shapes = tuple(msgspec.structs.replace(want, tones=tones) for want in shapes)
        if self._weave is Weave.KEPT:
            self._untouched = tuple(at for at, want in enumerate(shapes) if _fits(shape, want))
        wanted = [(at, want) for at, want in enumerate(shapes) if at not in self._untouched]
        if not wanted:
            return
        graph = Graph()
        graph.threads = 1
        source = graph.add("buffer", **_buffer(shape, self._time_base))
        last = source
        if self._weave is not Weave.KEPT:
            # Only what is marked as interlaced: other frames stay one picture each, at their own time.
            mode = "send_field" if self._weave is Weave.FIELDS else "send_frame"
            last = _after(last, graph.add("bwdif", mode=mode, parity="auto", deint="interlaced"))
        split = _after(last, graph.add("split", str(len(wanted))))
        for output, (at, want) in enumerate(wanted):
            chain = _chain(graph, shape, want)
            split.link_to(chain[0], output)
            graph.link_nodes(*chain)
            self._sinks.append((at, chain[-1]))
        graph.configure()
        self._graph, self._source = graph, source

    def _pull(self) -> Iterator[Picture]:
        for index, sink in self._sinks:
            while True:
                try:
                    frame = sink.pull()
                except (av.BlockingIOError, av.EOFError):
                    break
                assert isinstance(frame, VideoFrame)
                self._retime(frame)
                if self._follows(index, frame):
                    yield Picture(shape=index, frame=frame)

    def _retime(self, frame: VideoFrame) -> None:
        # bwdif halves its time base.
        own = frame.time_base
        if own is not None and own != self._picture_base and frame.pts is not None:
            frame.pts = round(frame.pts * own / self._picture_base)
            frame.time_base = self._picture_base

    def _follows(self, index: int, frame: VideoFrame) -> bool:
        """Whether the picture has a time of its own: a lone frame's second field has its first one's."""
        if self._weave is Weave.FIELDS and frame.pts is not None:
            last, self._last[index] = self._last.get(index), frame.pts
            return last is None or last < frame.pts
        return True


def _fits(have: _Input, want: Shape) -> bool:
    same_size = (have.width, have.height) == (want.width, want.height)
    same_range = (have.color_range or 1) == (want.color_range or 1)
    same_colours = want.tones is None and same_range and _new_matrix(have, want) is None
    return same_size and same_colours and have.change.wider == 1 and have.pixel_format == want.pixel_format


def _chain(graph: Graph, have: _Input, want: Shape) -> list[FilterContext]:
    box = boxed(want.width, want.height, have.change.wider)
    size = {"w": str(box.width), "h": str(box.height), "flags": "bicubic"}
    if want.tones is None:
        steps = [graph.add("scale", **size, **_colours(have, want))]
    else:
        # Smaller first: the table is the dearest step.
        steps = [graph.add("scale", **size), *tone_steps(graph, want.tones)]
        steps.append(graph.add("scale", **_ordinary(want)))
    steps.append(graph.add("format", want.pixel_format))
    if (box.width, box.height) != (want.width, want.height):
        frame = {"w": str(want.width), "h": str(want.height), "x": str(box.left), "y": str(box.top)}
        steps.append(graph.add("pad", **frame))
    return [*steps, graph.add("buffersink")]


def _after(before: FilterContext, this: FilterContext) -> FilterContext:
    before.link_to(this)
    return this


def _buffer(shape: _Input, time_base: Fraction) -> dict[str, str]:
    return {
        "video_size": f"{shape.width}x{shape.height}",
        "pix_fmt": shape.pixel_format,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "pixel_aspect": "1/1",
        "colorspace": str(shape.color_matrix),
        "range": str(shape.color_range),
    }


def _colours(have: _Input, want: Shape) -> dict[str, str]:
    matrix = _new_matrix(have, want)
    options = {"out_range": _range(want)}
    return options if matrix is None else {**options, "out_color_matrix": matrix}


def _ordinary(want: Shape) -> dict[str, str]:
    """What becomes of the RGB that a table of colours yields."""
    return {"out_range": _range(want), "out_color_matrix": _MATRICES.get(want.color_matrix, "bt709")}


def _range(want: Shape) -> str:
    return "full" if want.color_range == 2 else "limited"


def _new_matrix(have: _Input, want: Shape) -> str | None:
    """Return swscale's name of the matrix to convert to; None to keep the pictures' own."""
    wanted = _MATRICES.get(want.color_matrix)
    if have.color_matrix == _RGB:
        return wanted or "bt601"
    # The two of BT.601 are one. What is not known is taken for what is wanted.
    own = _MATRICES.get(have.color_matrix)
    return wanted if None not in {own, wanted} and own != wanted else None
