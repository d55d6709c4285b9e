"""The quality child: encodes some frames at several qualities and measures how alike they stay."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import msgspec
from av.video.frame import VideoFrame
from cinelog_common.child_channel import Send, serve
from cinelog_common.contract.units import decode_meta
from cinelog_common.contract.values import Recipe, Rendition
from cinelog_common.errors import CinelogError
from cinelog_fastio import BundleError, BundleReader

from cinelog_transcode.children.comparing import check_metric
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions, UndecodableError
from cinelog_transcode.children.encoding import RenditionEncoder
from cinelog_transcode.children.pictures import PictureGraph, Shape, weave_of
from cinelog_transcode.children.sampling import UnitSample
from cinelog_transcode.children.tones import tone_table
from cinelog_transcode.children.working import DamagedError
from cinelog_transcode.domain.colours import colours_of
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.quality import LOOKED_AHEAD, shares
from cinelog_transcode.domain.scanning import reorder_depth
from cinelog_transcode.domain.tasks import QualityReport, QualityTask, TaskProgress, failed


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive pictures of one unit, by rendition, of which the first so many are compared."""

    pictures: list[list[VideoFrame]]
    compared: int


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
    except av.FFmpegError as error:
        answer = failed(UndecodableError(f"The pictures cannot be compared: {error}."))
    send(msgspec.msgpack.encode(answer))


def measure(task: QualityTask, send: Send) -> QualityReport:
    """Return the mean similarity of each rendition at each of its qualities.

    Raises:
        MissingMetricError: It cannot be measured here.
        DamagedError: No frame could be decoded.
        CinelogError: As the decoder and the encoder.
    """
    check_metric(task.metric)
    with TemporaryDirectory() as folder:
        tones = tone_table(task.recipe, Path(folder))
        samples = _samples(task, tones)
    if not samples:
        raise DamagedError("None of the units to probe could be decoded.")
    found = []
    for at, crfs in enumerate(task.crfs):
        rendition = task.recipe.renditions[at]
        means = []
        for crf in crfs:
            tried = msgspec.structs.replace(rendition, crf=crf)
            means.append(_mean(_value(task, tried, sample, at) for sample in samples))
            send(msgspec.msgpack.encode(TaskProgress(done=at, total=len(task.crfs))))
        found.append(tuple(means))
    return QualityReport(values=tuple(found))


def _samples(task: QualityTask, tones: Path | None) -> list[Sample]:
    counts = shares([_pictures(bundle) for bundle in task.bundles], task.frames)
    taken = [
        sample(task, bundle, count, tones)
        for bundle, count in zip(task.bundles, counts, strict=True)
        if count
    ]
    return [one for one in taken if one.pictures[0]]


def _pictures(path: str) -> int:
    with BundleReader.open(path) as bundle:
        return decode_meta(bundle.meta).frames


def sample(task: QualityTask, path: str, count: int, tones: Path | None) -> Sample:
    """Return frames around the middle of a bundle, in the shape of each rendition."""
    recipe = task.recipe
    with BundleReader.open(path) as bundle:
        meta = decode_meta(bundle.meta)
        length = max(count, min(LOOKED_AHEAD, meta.frames))
        skip = max(0, (meta.frames - length) // 2)
        depth = reorder_depth([packet.pts for packet in bundle if packet.pts is not None])
        options = DecoderOptions(threads=task.threads, max_pixels=task.max_pixels, reorder_depth=depth)
        decoder = BundleDecoder(bundle.parameters, options)
        shown = (
            frame
            for frame in _decoded(decoder, bundle)
            if frame.pts is not None and meta.start <= frame.pts < meta.end
        )
        chosen = list(islice(shown, skip, skip + length))
    shapes = tuple(_shape(recipe, rendition, tones) for rendition in recipe.renditions)
    graph = PictureGraph(shapes, Fraction(*recipe.time_base), weave_of(recipe))
    found: list[list[VideoFrame]] = [[] for _ in shapes]
    for frame in chosen:
        for picture in graph.push(frame):
            found[picture.shape].append(picture.frame)
    for picture in graph.flush():
        found[picture.shape].append(picture.frame)
    return Sample(pictures=found, compared=count)


def _decoded(decoder: BundleDecoder, bundle: BundleReader) -> Iterator[VideoFrame]:
    for packet in bundle:
        yield from decoder.decode(packet)
    yield from decoder.flush()


def _shape(recipe: Recipe, rendition: Rendition, tones: Path | None) -> Shape:
    return Shape(
        width=rendition.width,
        height=rendition.height,
        pixel_format=opening_options(recipe, rendition, 1).pixel_format,
        color_range=colours_of(recipe).color_range,
        color_matrix=colours_of(recipe).matrix,
        tones=tones,
    )


def _value(task: QualityTask, rendition: Rendition, sample: Sample, at: int) -> tuple[float, int]:
    """Return the mean similarity, and over how many pictures it is one."""
    encoder = RenditionEncoder(task.recipe, rendition, task.threads, measured=True)
    measured = UnitSample(encoder, task.metric, sample.compared)
    for frame in sample.pictures[at]:
        measured.picture(frame)
        for packet in encoder.encode(frame):
            measured.packet(packet)
    for packet in encoder.flush():
        measured.packet(packet)
    return measured.value or 0.0, sample.compared if measured.value is not None else 0


def _mean(values: Iterable[tuple[float, int]]) -> float:
    found = tuple(values)
    pictures = sum(count for _, count in found)
    if not pictures:
        raise UndecodableError("What was encoded to try a quality cannot be compared with the source.")
    return sum(value * count for value, count in found) / pictures


if __name__ == "__main__":
    serve(handle)
