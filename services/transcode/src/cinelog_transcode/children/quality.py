"""The quality child: encodes some frames at several qualities and measures how alike they stay."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import msgspec
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.frame import VideoFrame
from cinelog_common.child_channel import Send, serve
from cinelog_common.contract.units import decode_meta
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.errors import CinelogError
from cinelog_fastio import KEYFRAME, BundleError, BundleReader, Packet, StreamParameters

from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.children.encoding import RenditionEncoder
from cinelog_transcode.children.pictures import PictureGraph, Shape
from cinelog_transcode.children.tones import tone_table
from cinelog_transcode.children.units import DamagedError
from cinelog_transcode.domain.colours import colours_of
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.scanning import reorder_depth
from cinelog_transcode.domain.tasks import QualityReport, QualityTask, TaskProgress, failed

SHARE = 20
"""At most every twentieth frame of a unit is sampled: 5 %."""


def handle(frame: bytes, send: Send) -> None:
    """Do one task and send its reports, the last of them a `QualityReport` or a `TaskFailed`."""
    task = msgspec.msgpack.decode(frame, type=QualityTask)
    answer: object
    try:
        answer = measure(task, send)
    except CinelogError as error:
        answer = failed(error)
    except BundleError as error:
        answer = failed(DamagedError(f"The stored packets are damaged: {error}."))
    send(msgspec.msgpack.encode(answer))


def measure(task: QualityTask, send: Send) -> QualityReport:
    """Return the mean SSIM at each quality.

    Raises:
        DamagedError: No frame could be decoded.
        CinelogError: As the decoder and the encoder.
    """
    with TemporaryDirectory() as folder:
        tones = tone_table(task.recipe, Path(folder))
        samples = [frames for bundle in task.bundles if (frames := sample(task, bundle, tones))]
    if not samples:
        raise DamagedError("None of the units to probe could be decoded.")
    means: list[float] = []
    for crf in task.crfs:
        values: list[float] = []
        for frames in samples:
            values += _similarity(task.recipe, crf, frames, task.threads)
            send(msgspec.msgpack.encode(TaskProgress(done=len(means), total=len(task.crfs))))
        means.append(sum(values) / len(values))
    return QualityReport(ssim=tuple(means))


def sample(task: QualityTask, path: str, tones: Path | None) -> list[VideoFrame]:
    """Return consecutive frames from the middle of a bundle, in the shape of the largest rendition."""
    recipe = task.recipe
    with BundleReader.open(path) as bundle:
        meta = decode_meta(bundle.meta)
        count = max(2, min(task.frames, meta.frames // SHARE))
        skip = max(0, (meta.frames - count) // 2)
        depth = reorder_depth([packet.pts for packet in bundle if packet.pts is not None])
        options = DecoderOptions(threads=task.threads, max_pixels=task.max_pixels, reorder_depth=depth)
        decoder = BundleDecoder(bundle.parameters, options)
        shown = (
            frame
            for frame in _decoded(decoder, bundle)
            if frame.pts is not None and meta.start <= frame.pts < meta.end
        )
        chosen = list(islice(shown, skip, skip + count))
    graph = PictureGraph(
        (_shape(recipe, tones),), Fraction(*recipe.time_base), deinterlace=recipe.deinterlace
    )
    pictures = [picture.frame for frame in chosen for picture in graph.push(frame)]
    return pictures + [picture.frame for picture in graph.flush()]


def _decoded(decoder: BundleDecoder, bundle: BundleReader) -> Iterator[VideoFrame]:
    for packet in bundle:
        yield from decoder.decode(packet)
    yield from decoder.flush()


def _shape(recipe: Recipe, tones: Path | None) -> Shape:
    rendition = recipe.renditions[0]
    return Shape(
        width=rendition.width,
        height=rendition.height,
        pixel_format=opening_options(recipe, rendition, 1).pixel_format,
        color_range=colours_of(recipe).color_range,
        color_matrix=colours_of(recipe).matrix,
        tones=tones,
    )


def _similarity(recipe: Recipe, crf: int, frames: list[VideoFrame], threads: int) -> list[float]:
    rendition: Rendition = msgspec.structs.replace(recipe.renditions[0], crf=crf)
    encoder = RenditionEncoder(recipe, rendition, threads)
    packets = [packet for frame in frames for packet in encoder.encode(frame)]
    packets += encoder.flush()
    parameters = StreamParameters(
        codec=encoder.codec, extradata=encoder.configuration, time_base=recipe.time_base
    )
    decoder = BundleDecoder(parameters, DecoderOptions(threads=threads))
    decoded: list[VideoFrame] = []
    for packet in packets:
        flags = KEYFRAME if packet.keyframe else 0
        decoded += decoder.decode(Packet(data=packet.data, pts=packet.pts, dts=None, flags=flags))
    decoded += decoder.flush()
    return _ssim(frames, decoded, Fraction(*recipe.time_base))


def _ssim(frames: list[VideoFrame], decoded: list[VideoFrame], time_base: Fraction) -> list[float]:
    graph = Graph()
    first = frames[0]
    shape = {
        "video_size": f"{first.width}x{first.height}",
        "pix_fmt": first.format.name,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "pixel_aspect": "1/1",
    }
    sources = [graph.add("buffer", **shape) for _ in range(2)]
    compare, sink = graph.add("ssim"), graph.add("buffersink")
    for index, source in enumerate(sources):
        source.link_to(compare, 0, index)
    compare.link_to(sink)
    graph.configure()
    values = []
    for pair in zip(frames, decoded, strict=False):
        for source, frame in zip(sources, pair, strict=True):
            source.push(frame)
        values += _pulled(sink)
    for source in sources:
        source.push(None)
    return values + _pulled(sink)


def _pulled(sink: FilterContext) -> list[float]:
    values: list[float] = []
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return values
        assert isinstance(frame, VideoFrame)
        values.append(float(frame.metadata["lavfi.ssim.All"]))


if __name__ == "__main__":
    serve(handle)
