"""How alike two series of pictures are, as libavfilter measures it."""

import math
from collections.abc import Sequence
from fractions import Fraction

import av
from av.filter import Graph, filters_available
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from cinelog_common.errors import Category, PermanentError
from cinelog_fastio import KEYFRAME, Packet, StreamParameters

from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.children.encoding import EncodedPacket, RenditionEncoder

_VALUES = {"ssim": "lavfi.ssim.All", "xpsnr": "lavfi.xpsnr.xpsnr.y"}
_SAME_DB = 100.0
"""Stands for equal pictures, whose XPSNR has no end: else one of them would hide all others."""


class MissingMetricError(PermanentError):
    """This build of libavfilter cannot measure that."""

    def __init__(self, metric: str) -> None:
        super().__init__(
            f"The media library of this worker cannot measure {metric.upper()}.",
            category=Category.UNSUPPORTED_MEDIA,
            action="Give the target as SSIM.",
        )


def check_metric(metric: str) -> None:
    """Refuse a metric that cannot be measured here.

    Raises:
        MissingMetricError: There is no filter for it.
    """
    if metric not in _VALUES or metric not in filters_available:
        raise MissingMetricError(metric)


def decoded(encoder: RenditionEncoder, packets: Sequence[EncodedPacket], threads: int) -> list[VideoFrame]:
    """Return the pictures in `packets`, which begin with a keyframe, in the order they are shown."""
    parameters = StreamParameters(
        codec=encoder.codec, extradata=encoder.configuration, time_base=encoder.time_base.as_integer_ratio()
    )
    decoder = BundleDecoder(parameters, DecoderOptions(threads=threads))
    shown: list[VideoFrame] = []
    for packet in packets:
        flags = KEYFRAME if packet.keyframe else 0
        shown += decoder.decode(Packet(data=packet.data, pts=packet.pts, dts=None, flags=flags))
    return shown + list(decoder.flush())


def similarity(
    metric: str, originals: Sequence[VideoFrame], results: Sequence[VideoFrame], time_base: Fraction
) -> dict[int, float]:
    """Return, by pts, how alike those are that have the same; both are in the order they are shown.

    Raises:
        MissingMetricError: There is no filter for it.
    """
    check_metric(metric)
    by_time = {frame.pts: frame for frame in results}
    pairs = [(frame, by_time[frame.pts]) for frame in originals if frame.pts in by_time]
    if not pairs:
        return {}
    graph = Graph()
    graph.threads = 1
    sources = [graph.add("buffer", **_shape(pairs[0][0], time_base)) for _ in range(2)]
    compare, sink = graph.add(metric), graph.add("buffersink")
    for index, source in enumerate(sources):
        source.link_to(compare, 0, index)
    compare.link_to(sink)
    graph.configure()
    values: list[float] = []
    for pair in pairs:
        for source, frame in zip(sources, pair, strict=True):
            source.push(frame)
        values += _pulled(sink, metric)
    for source in sources:
        source.push(None)
    values += _pulled(sink, metric)
    times = [frame.pts for frame, _ in pairs if frame.pts is not None]
    # XPSNR weighs by what moves, and nothing moves in the first picture: it comes out 8 dB too good.
    first = int(metric == "xpsnr")
    return dict(zip(times[first:], values[first:], strict=True))


def _shape(frame: VideoFrame, time_base: Fraction) -> dict[str, str]:
    return {
        "video_size": f"{frame.width}x{frame.height}",
        "pix_fmt": frame.format.name,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "pixel_aspect": "1/1",
    }


def _pulled(sink: FilterContext, metric: str) -> list[float]:
    values: list[float] = []
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return values
        assert isinstance(frame, VideoFrame)
        value = float(frame.metadata[_VALUES[metric]])
        values.append(value if math.isfinite(value) else _SAME_DB)
