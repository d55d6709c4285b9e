"""Takes one source apart while its bytes arrive: the picture into units, the sound into fragments.

One thread, one pass: packets come in the order of the file, or from the input that is furthest
behind where there are two, and whatever they complete is written and told at once.
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from cinelog_fastio import CORRUPT, DISCARD, DISPOSABLE, KEYFRAME, Packet

from cinelog_download.children import probing, refusals
from cinelog_download.children.inventory import streams_of
from cinelog_download.children.layers import dropped_layers
from cinelog_download.children.listening import Ear, Said
from cinelog_download.children.pacing import paced, picture_first
from cinelog_download.children.probing import Opened
from cinelog_download.children.reading import ArrivingFile, Ask
from cinelog_download.children.sources import TEXT, VIDEO, Bearings, Reopen, Roles, Source, Taken, Way
from cinelog_download.children.texts import Texts, read_files
from cinelog_download.children.units import Tell
from cinelog_download.children.watching import Eye
from cinelog_download.domain.demuxing import CoverFound, DemuxOrder, Finished, Probed, StreamSeen

_FIRST_PACKETS = 96
"""Packets of the picture that are decoded at most to see its first one."""
_FIRST_BYTES = 64 << 20
"""Of all packets that are read until then: sound may come for long before."""


class Demuxing:
    """One source, from its part files to everything that is told of it."""

    def __init__(self, order: DemuxOrder, ask: Ask, tell: Tell) -> None:
        self._order = order
        self._ask = ask
        self._tell = tell
        self._warnings: list[str] = []
        self._pictures = 0
        self._files: list[ArrivingFile] = []
        self._opened: list[Opened] = []
        self._voices: list[tuple[Opened, AudioStream]] = []
        self._texts = Texts(order, ())

    def run(self) -> None:
        """Do it all; the last message is `Finished`.

        Raises:
            CinelogError: The source cannot be taken apart.
            OSError: The scratch disk is full, or fails.
        """
        try:
            self._run()
        finally:
            for file in self._files:
                file.close()

    def _run(self) -> None:
        if self._order.texts:
            self._tell(Finished(units=0, duration_s=0.0, warnings=tuple(read_files(self._order, self._tell))))
            return
        opened = self._opened = [self._open(number) for number in range(len(self._order.inputs))]
        film = self._choose_film(opened)
        self._voices = self._choose_voices(opened, film)
        self._texts = Texts(self._order, opened, shown=film is not None)
        sources = self._sources(film)
        if not sources:
            is_film = any(one.video is not None or one.unreadable for one in opened)
            raise refusals.silent() if is_film else refusals.not_media()
        self._find_cover()
        self._deliver(sources, film)

    def _sources(self, film: Opened | None) -> list[Source]:
        bearings = Bearings()
        sources = []
        for one in self._opened:
            roles = {
                stream.index: number for number, (voice, stream) in enumerate(self._voices) if voice is one
            }
            if one is film and one.video is not None:
                roles[one.video.index] = VIDEO
            if roles:
                roles |= self._texts.roles(one)
                sources.append(self._source(one, roles, bearings))
        # The picture says where a stretch lies, or the first sound where there is none.
        for source in sorted(sources, key=lambda source: source.opened is not film)[:1]:
            source.leads = True
        return sources

    def _source(self, opened: Opened, roles: Roles, bearings: Bearings) -> Source:
        way = Way(reopen=self._reopen(opened.file), salvage=self._order.salvage)
        return Source(opened, roles, bearings=bearings, way=way)

    def _reopen(self, file: ArrivingFile) -> Reopen:
        def reopen() -> tuple[int, Opened] | None:
            number = file.go_on()
            return None if number is None else (number, probing.open_input(file, self._order.limits))

        return reopen

    def _find_cover(self) -> None:
        """Give out the first picture that an input carries for itself, such as a record's sleeve."""
        cover = next(filter(None, map(probing.cover_of, self._opened)), None)
        if cover is not None and not self._order.probe:
            path = Path(self._order.folder) / "cover"
            path.write_bytes(cover)
            self._tell(CoverFound(path=str(path)))

    def _look(self, film: Opened | None, eye: Eye | None) -> None:
        """Tell what is expected of what was opened, without reading on."""
        duration_s = self._duration_s(film) or 0.0
        units = eye.planned_units(duration_s) if eye is not None and self._order.video == "bundles" else 0
        self._tell(Finished(units=units or 0, duration_s=duration_s, warnings=tuple(self._warnings)))

    def _deliver(self, sources: list[Source], film: Opened | None) -> None:
        video = film.video if film is not None else None
        held, first = self._first_picture(sources, video)
        eye = Eye(self._order, film, first, self._tell) if video is not None and film is not None else None
        ears = [
            Ear(self._order, stream, self._tell, name=f"a{number}", said=_said(voice.file))
            for number, (voice, stream) in enumerate(self._voices)
        ]
        if video is not None and eye is not None and self._order.video == "bundles":
            self._warnings += dropped_layers(first, video.codec_context.codec_tag)
        self._probe(film, eye)
        if self._order.probe:
            self._look(film, eye)
            return
        parts: list[Eye | Ear] = [*([eye] if eye is not None else []), *ears]
        cut = self._order.video == "bundles"
        taken = chain(held, paced(sources))
        for packet, role, spliced in picture_first(taken, lambda: not cut or eye is None or eye.units > 0):
            if role <= TEXT:
                self._texts.add(packet, role)
            elif role != VIDEO:
                ears[role].add(packet)
            elif eye is not None:
                self._count_picture()
                eye.add(as_packet(packet), spliced=spliced, stream=packet.stream)
            for ear in ears:
                ear.follow(eye)
            self._check_length(parts)
        for source in sources:
            self._warnings += source.check_whole()
        self._finish(eye, ears)

    def _count_picture(self) -> None:
        self._pictures += 1
        if self._pictures > self._order.limits.frames:
            raise refusals.over_limit(f"more than {self._order.limits.frames} pictures", refusals.MAX_FRAMES)

    def _check_length(self, parts: Sequence[Eye | Ear]) -> None:
        # Streams do not say beforehand how long they are.
        allowed = self._order.limits.duration_s
        for part in parts:
            if part.end_s > allowed:
                raise refusals.over_limit(f"longer than {allowed:.0f} s", refusals.MAX_DURATION)

    def _finish(self, eye: Eye | None, ears: list[Ear]) -> None:
        if eye is not None:
            eye.finish()
        until_s = eye.until_s(max((ear.end_s for ear in ears), default=Fraction(0))) if eye else Fraction(0)
        for ear in ears:
            ear.finish(eye, until_s)
        if eye is not None:
            self._end_together(eye, [ear.end_s for ear in ears if ear.delivered])
        parts: list[Eye | Ear] = [*([eye] if eye is not None else []), *ears]
        if not any(part.delivered for part in parts):
            raise refusals.damaged("nothing in it can be decoded")
        if eye is not None and eye.zero_s is not None:
            self._warnings += self._texts.finish(self._tell, eye.zero_s)
        self._warnings += dict.fromkeys(warning for part in parts for warning in part.warnings)
        self._tell(
            Finished(
                units=eye.units if eye is not None else 0,
                duration_s=float(max(part.end_s for part in parts)),
                zero_s=float(eye.clock_s) if eye is not None else 0.0,
                tracks=tuple(part.track for part in parts if part.track),
                warnings=tuple(self._warnings),
            )
        )

    def _end_together(self, eye: Eye, ends_s: list[Fraction]) -> None:
        """Hold the last picture for sound that goes on; tell of sound that is not made as long as it."""
        longest_s = max(ends_s, default=Fraction(0))
        eye.hold(longest_s)
        eye.close()
        lacking_s = eye.until_s(longest_s) - min(ends_s, default=eye.end_s)
        if lacking_s > self._order.segment_s:
            self._warnings.append(
                f"Some sound ends {float(lacking_s):.1f} s before the film, where some players stop."
            )

    def _open(self, number: int) -> Opened:
        file = ArrivingFile(number, self._order.inputs[number], self._ask)
        self._files.append(file)
        return probing.open_input(file, self._order.limits, salvage=self._order.salvage)

    def _choose_film(self, opened: list[Opened]) -> Opened | None:
        if self._order.video == "none":
            return None
        films = [one for one in opened if one.video is not None]
        best = max(
            films, key=lambda one: one.video.width * one.video.height if one.video else 0, default=None
        )
        if best is None and any(one.unreadable for one in opened):
            # Its sound alone would be a result that nobody asked for.
            raise refusals.unsupported("its picture is in a codec that is not known")
        if best is not None and best.video is not None:
            context = best.video.codec_context
            refusals.check_size((context.width, context.height), self._order.limits)
        return best

    def _choose_voices(self, opened: list[Opened], film: Opened | None) -> list[tuple[Opened, AudioStream]]:
        if self._order.audio.mode == "none":
            return []
        heard = [one for one in opened if one.audios]
        # Files of their own were fetched for their sound; the film's own is the lesser one then.
        chosen = [one for one in heard if one is not film or one.file.wanted == "both"] or heard
        return [(one, stream) for one in chosen for stream in one.audios][: self._order.limits.sounds]

    def _first_picture(
        self, sources: list[Source], video: VideoStream | None
    ) -> tuple[list[Taken], VideoFrame | None]:
        """Read on until the first picture is decoded: rotation and HDR are known only from there."""
        held: list[Taken] = []
        if video is None:
            return held, None
        video.codec_context.thread_count = 1
        tries, left = 0, _FIRST_BYTES
        for taken in paced(sources):
            held.append(taken)
            left -= taken.packet.size
            if left < 0:
                break
            if taken.role != VIDEO:
                continue
            tries += 1
            try:
                frames: list[Any] = taken.packet.decode()
            except av.error.FFmpegError:
                frames = []
            if frames or tries >= _FIRST_PACKETS:
                return held, frames[0] if frames else None
        return held, None

    def _duration_s(self, film: Opened | None) -> float | None:
        used = [*([film] if film is not None else []), *(voice for voice, _ in self._voices)]
        return max((one.film_s for one in used if one.film_s), default=None)

    def _probe(self, film: Opened | None, eye: Eye | None) -> None:
        main = film or self._voices[0][0]
        heard = sum(voice is main for voice, _ in self._voices)
        self._warnings += probing.left_out(main.container, heard=heard)
        self._warnings += self._texts.warnings
        self._tell(
            Probed(
                container=main.container.format.name,
                duration_s=self._duration_s(film),
                video=eye.info if eye is not None else None,
                audio=tuple(probing.audio_info(stream, of.file.language) for of, stream in self._voices),
                tags=probing.tags_of(main.container),
                chapters=probing.chapters_of(main.container),
                streams=self._inventory(film),
                warnings=tuple(self._warnings),
            )
        )

    def _inventory(self, film: Opened | None) -> tuple[StreamSeen, ...]:
        if not self._order.probe:
            return ()
        used: list[Stream] = [film.video] if film is not None and film.video is not None else []
        used += [stream for _, stream in self._voices]
        return streams_of(self._opened, [*used, *self._texts.streams])


def _said(file: ArrivingFile) -> Said:
    return Said(language=file.language, title=file.title)


def as_packet(packet: "av.Packet[Any]") -> Packet:
    """Return PyAV's packet as a value, its side data included."""
    flags = KEYFRAME * packet.is_keyframe | CORRUPT * packet.is_corrupt
    return Packet(
        data=bytes(packet),
        pts=packet.pts,
        dts=packet.dts,
        duration=packet.duration or 0,
        flags=flags | DISCARD * packet.is_discard | DISPOSABLE * packet.is_disposable,
        side_data=tuple((side.data_type, bytes(side)) for side in packet.iter_sidedata()),
    )
