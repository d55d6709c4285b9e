"""One way through a unit, from its packets to its parts."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import chain, cycle
from pathlib import Path

import msgspec
from av.video.frame import VideoFrame
from cinelog_common.contract.units import UnitMeta, decode_meta
from cinelog_common.errors import Category, PermanentError
from cinelog_fastio import DISCARD, BundleReader

from cinelog_transcode.children.changes import ChangeWatch
from cinelog_transcode.children.decoding import BundleDecoder, DecoderOptions
from cinelog_transcode.children.encoding import EncodedPacket, RenditionEncoder
from cinelog_transcode.children.filling import black, filled
from cinelog_transcode.children.pictures import Picture, PictureGraph, Shape, weave_of
from cinelog_transcode.children.sampling import UnitSample
from cinelog_transcode.children.thumbnails import Posing, ThumbnailWriter
from cinelog_transcode.children.tones import tone_table, written_table
from cinelog_transcode.children.writing import PartWriter, WritingPlan
from cinelog_transcode.domain.colours import UNSPECIFIED, colours_of, is_hdr
from cinelog_transcode.domain.damage import UnitCount, damaged_stretches, miscount
from cinelog_transcode.domain.encoders import opening_options
from cinelog_transcode.domain.parts import Span, even_parts, plan_parts
from cinelog_transcode.domain.quality import MOST_OF_A_RESULT, sampled
from cinelog_transcode.domain.scanning import reorder_depth
from cinelog_transcode.domain.stretches import first_stretch
from cinelog_transcode.domain.tasks import EncodeTask, RenditionReport, UnitReport
from cinelog_transcode.domain.thumbnails import ThumbnailClock, thumbnail_size

THUMBNAILS = "thumbnails.pkts"
_NEIGHBOURS = 3
"""Frames that are filtered for the sake of the last one: deinterlacing looks at two beside it."""


class DamagedError(PermanentError):
    """The unit's packets are not what they should be, or do not decode to what was promised."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message,
            category=Category.DAMAGED,
            action="Check that the source plays to its end, or get it again.",
        )


class UnsureError(Exception):
    """Several threads met damage: which pictures they lose by it depends on how far each had come."""


OnProgress = Callable[[int, int], None]
"""Called with the frames decoded so far and those expected, for every frame."""


class _Rendition:
    """An encoder with its writer, and the part that it is in."""

    def __init__(
        self, encoder: RenditionEncoder, writer: PartWriter, parts: tuple[Span, ...], sample: UnitSample
    ) -> None:
        self.encoder = encoder
        self._sample = sample
        self._writer = writer
        self._starts = [part.start for part in parts]
        self._begun = 0

    def add(self, frame: VideoFrame, pts: int) -> None:
        begins = self._begun < len(self._starts) and pts >= self._starts[self._begun]
        self._begun += begins
        self._sample.picture(frame)
        for packet in self.encoder.encode(frame, force_keyframe=begins):
            self._add(packet)

    def hold(self, frame: VideoFrame, ticks: int) -> None:
        """Fill every part, of `ticks`, with `frame`, encoded once: as good in the last as in the first.

        Of H.264 two take turns, since neighbouring IDR pictures differ in their `idr_pic_id` (7.4.3): an
        encoder's second and third, for its first is as that of any unit, and not quite as good.
        """
        packets: list[EncodedPacket] = []
        alternates = self.encoder.codec == "h264"
        for number in range(3 if alternates else 1):
            frame.pts = self._starts[0] + number * ticks
            packets += self.encoder.encode(frame, force_keyframe=True)
        packets += self.encoder.flush()
        packets = packets[1:] if alternates else packets
        for pts, packet in zip(self._starts, cycle(packets), strict=False):
            self._writer.add(msgspec.structs.replace(packet, pts=pts))

    def flush(self, alive: Callable[[], None]) -> None:
        for packet in self.encoder.flush():
            self._add(packet)
            alive()

    def report(self, name: str, init: bytes) -> RenditionReport:
        return RenditionReport(
            name=name,
            init=init,
            init_hash=self.encoder.init_hash(init),
            parts=self._writer.close(),
            quality=self._sample.value,
        )

    def _add(self, packet: EncodedPacket) -> None:
        self._sample.packet(packet)
        self._writer.add(packet)


class UnitWork:
    """One way through a unit: decoded by a device or by so many threads, encoded in every rendition."""

    def __init__(
        self,
        task: EncodeTask,
        bundle: BundleReader,
        on_progress: OnProgress,
        *,
        device: str = "",
        threads: int = 1,
    ) -> None:
        """`device` and `threads` are the decoder's."""
        self._task = task
        self._threads = threads
        self._bundle = bundle
        self._on_progress = on_progress
        self._meta = _meta(bundle, task.n)
        self._time_base = Fraction(*task.recipe.time_base)
        self._finer = task.recipe.pictures_per_tick
        self._tones = tone_table(task.recipe, Path(task.folder))
        first = first_stretch(self._meta.video, task.recipe, bundle.parameters.extradata)
        self._changes = ChangeWatch(first, Path(task.folder))
        if Fraction(*bundle.parameters.time_base) != self._time_base:
            raise DamagedError(f"The packets of unit {task.n} have another time base than the recipe.")
        # One look at every packet before any work: a broken bundle is found here.
        packets = [(packet.pts, packet.flags) for packet in bundle if packet.pts is not None]
        self._shown = sorted(pts for pts, flags in packets if not flags & DISCARD and self._belongs(pts))
        options = DecoderOptions(
            threads=threads,
            max_pixels=task.max_pixels,
            reorder_depth=reorder_depth([pts for pts, _ in packets]),
            device=device,
        )
        self._decoder = BundleDecoder(bundle.parameters, options)
        self._last: int | None = None

    def run(self) -> UnitReport:
        """Decode, convert and encode the unit.

        Raises:
            DamagedError: It shows another number of frames than it promises.
            UnsureError: There is damage, and more than one thread decoded it.
            DeviceRefusedError: The device does not decode all of it.
        """
        if self._meta.held:
            return self._run_held()
        task, meta = self._task, self._meta
        parts = self._parts()
        renditions = self._renditions(parts)
        frames, shown = 0, set[int]()
        with ExitStack() as stack:
            posing = Posing(
                stack.enter_context(self._thumbnails()),
                ThumbnailClock(meta.start, round(task.thumbnail_every_s / self._time_base)),
            )
            graph = self._graph()
            for frame, stands_in in self._pictures(parts):
                assert frame.pts is not None
                if self._belongs(frame.pts):
                    frames += 1
                    if not stands_in:
                        shown.add(frame.pts)
                    posing.expect(frame.pts)
                self._feed(graph.push(frame), renditions, posing)
                self._on_progress(frames, meta.frames)
            self._feed(graph.flush(), renditions, posing)
            warnings = (*self._judge(shown), *self._changes.warnings)
            for rendition in renditions:
                rendition.flush(lambda: self._on_progress(frames, meta.frames))
            reports = self._reports(renditions)
            pictures = posing.count
        return UnitReport(
            frames=frames,
            start=meta.start,
            end=meta.end,
            renditions=reports,
            thumbnails=THUMBNAILS if pictures else None,
            warnings=warnings,
        )

    def _run_held(self) -> UnitReport:
        """Show the film's last picture in every part, as it was shown in the unit before.

        What is wrong with that picture was said of the unit before.
        """
        meta = self._meta
        parts = self._parts()
        renditions = self._renditions(parts)
        graph = self._graph()
        last: dict[int, VideoFrame] = {}
        for picture in (*chain.from_iterable(map(graph.push, self._last_frames())), *graph.flush()):
            last[picture.shape] = picture.frame
        for shape, rendition in enumerate(renditions):
            rendition.hold(last[shape], (parts[0].end - parts[0].start) * self._finer)
        return UnitReport(
            frames=0, start=meta.start, end=meta.end, renditions=self._reports(renditions), held=True
        )

    def _last_frames(self) -> Iterable[VideoFrame]:
        """Return the last frames, since filters look at its neighbours; a black one if there is none."""
        last: deque[VideoFrame] = deque(maxlen=_NEIGHBOURS)
        for frame in self._frames():
            last.append(frame)
            self._on_progress(0, 1)
        if last:
            return last
        frame = black((self._meta.video.width, self._meta.video.height))
        frame.pts = self._meta.start
        return (frame,)

    def _graph(self) -> PictureGraph:
        return PictureGraph(self._shapes(), self._time_base, weave_of(self._task.recipe), watch=self._changes)

    def _reports(self, renditions: list[_Rendition]) -> tuple[RenditionReport, ...]:
        return tuple(
            rendition.report(wanted.name, rendition.encoder.init(self._bundle.parameters.side_data))
            for rendition, wanted in zip(renditions, self._task.recipe.renditions, strict=True)
        )

    def _pictures(self, parts: tuple[Span, ...]) -> Iterator[tuple[VideoFrame, bool]]:
        frames = self._frames()
        if not self._task.salvage:
            return ((frame, False) for frame in frames)
        video = self._meta.video
        starts = [part.start for part in parts]
        return filled(frames, starts, self._meta.end, size=(video.width, video.height))

    def _frames(self) -> Iterator[VideoFrame]:
        for packet in self._bundle:
            yield from self._in_order(self._decoder.decode(packet))
            if self._threads > 1 and self._decoder.damaged:
                raise UnsureError
        yield from self._in_order(self._decoder.flush())

    def _in_order(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        """Leave out what a decoder shows too late or twice, as it does of damaged streams."""
        for frame in frames:
            assert frame.pts is not None
            if self._last is not None and frame.pts <= self._last:
                self._decoder.damaged.append(frame.pts)
                continue
            self._last = frame.pts
            yield self._coloured(frame)

    def _coloured(self, frame: VideoFrame) -> VideoFrame:
        """Say of `frame` what only the container knew of its colours."""
        recipe = self._task.recipe
        if int(frame.colorspace) == UNSPECIFIED:
            frame.colorspace = recipe.color_matrix
        if not frame.color_range:
            frame.color_range = recipe.color_range
        return frame

    def _feed(self, pictures: Iterator[Picture], renditions: list[_Rendition], posing: Posing) -> None:
        for picture in pictures:
            pts = picture.frame.pts
            if pts is not None and self._belongs(pts // self._finer):
                if picture.shape == 0:
                    posing.see(picture.frame, pts // self._finer)
                renditions[picture.shape].add(picture.frame, pts)

    def _belongs(self, pts: int) -> bool:
        return self._meta.start <= pts < self._meta.end

    def _judge(self, shown: set[int]) -> tuple[str, ...]:
        meta, frames = self._meta, len(shown)
        is_whole = frames == meta.frames and frames > 0
        if self._threads > 1 and (self._decoder.damaged or not is_whole):
            raise UnsureError
        damaged = [pts for pts in self._decoder.damaged if self._belongs(pts)]
        if not is_whole and len(self._shown) == meta.frames:
            # Where each packet is one picture, the times of those that are missing are known.
            damaged += [pts for pts in self._shown if pts not in shown]
        stretches = damaged_stretches(damaged, self._time_base)
        if is_whole:
            return stretches
        count = UnitCount(
            n=meta.n,
            start_s=float(meta.start * self._time_base),
            end_s=float(meta.end * self._time_base),
            expected=meta.frames,
            found=frames,
        )
        if not self._task.salvage:
            raise DamagedError(" ".join((miscount(count), *stretches)))
        return (miscount(count), *stretches)

    def _parts(self) -> tuple[Span, ...]:
        span = Span(start=self._meta.start, end=self._meta.end)
        longest = max(1, math.floor(Fraction(self._task.recipe.max_segment_s) / self._time_base))
        if self._meta.held:
            # As long as segments usually are: so much sound at most waits for its picture.
            return even_parts(span, max(1, longest // 2))
        return plan_parts(self._shown, span, longest)

    def _shapes(self) -> tuple[Shape, ...]:
        recipe = self._task.recipe
        return tuple(
            Shape(
                width=rendition.width,
                height=rendition.height,
                pixel_format=opening_options(recipe, rendition, 1).pixel_format,
                color_range=colours_of(recipe).color_range,
                color_matrix=colours_of(recipe).matrix,
                tones=self._tones,
            )
            for rendition in recipe.renditions
        )

    def _renditions(self, parts: tuple[Span, ...]) -> list[_Rendition]:
        task = self._task
        parts = tuple(Span(start=part.start * self._finer, end=part.end * self._finer) for part in parts)
        pictures = sampled(self._meta.frames, MOST_OF_A_RESULT) if task.metric else 0
        made = []
        for at, rendition in enumerate(task.recipe.renditions):
            encoder = RenditionEncoder(task.recipe, rendition, task.threads, measured=bool(pictures))
            plan = WritingPlan(
                folder=task.folder,
                # By number: a rendition's name is not ours, and need not be a file name.
                name=f"r{at}",
                n=task.n,
                parts=parts,
                ticks=task.recipe.time_base[0],
                form=encoder.form,
            )
            sample = UnitSample(encoder, task.metric, pictures)
            made.append(_Rendition(encoder, PartWriter(plan), parts, sample))
        return made

    def _thumbnails(self) -> ThumbnailWriter:
        folder, recipe = Path(self._task.folder), self._task.recipe
        size = thumbnail_size(self._meta.video, recipe, self._task.thumbnail_width)
        # JPEG has no high dynamic range, whatever the film keeps.
        transfer = colours_of(recipe).transfer
        tones = written_table(transfer, folder) if is_hdr(transfer) else None
        return ThumbnailWriter(folder / THUMBNAILS, size, self._time_base, tones)


def _meta(bundle: BundleReader, n: int) -> UnitMeta:
    try:
        meta = decode_meta(bundle.meta)
    except msgspec.DecodeError as error:
        raise DamagedError(f"The stored packets of unit {n} do not say what they are: {error}.") from error
    if meta.n != n or meta.end <= meta.start:
        raise DamagedError(f"The stored packets of unit {n} say that they are of unit {meta.n}.")
    return meta
