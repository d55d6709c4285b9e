"""How alike two films are, over all of their pictures, as libavfilter measures it."""

from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext

_VALUES = {"ssim": "lavfi.ssim.All", "xpsnr": "lavfi.xpsnr.xpsnr.y"}


def similarities(source: Path, result: Path, metric: str = "ssim") -> list[float]:
    """Compare each picture of two films of the same size and number of pictures."""
    values: list[float] = []
    with av.open(str(source)) as one, av.open(str(result)) as other:
        stream = one.streams.video[0]
        graph = Graph()
        size = f"{stream.width}x{stream.height}"
        shape = {
            "video_size": size,
            "pix_fmt": stream.pix_fmt or "yuv420p",
            "time_base": "1/25",
            "pixel_aspect": "1/1",
        }
        inputs = [graph.add("buffer", **shape) for _ in range(2)]
        compare, sink = graph.add(metric), graph.add("buffersink")
        for at, each in enumerate(inputs):
            each.link_to(compare, 0, at)
        compare.link_to(sink)
        graph.configure()
        for number, pair in enumerate(zip(one.decode(video=0), other.decode(video=0), strict=True)):
            for each, frame in zip(inputs, pair, strict=True):
                frame.pts, frame.time_base = number, Fraction(1, 25)
                each.push(frame)
            values += _ready(sink, metric)
        for each in inputs:
            each.push(None)
        values += _ready(sink, metric)
    # XPSNR weighs by what moves, and nothing moves in the first picture.
    return values[metric == "xpsnr" :]


def _ready(sink: FilterContext, metric: str) -> list[float]:
    values = []
    while True:
        try:
            values.append(float(sink.pull().metadata[_VALUES[metric]]))
        except (av.BlockingIOError, av.EOFError):
            return values
