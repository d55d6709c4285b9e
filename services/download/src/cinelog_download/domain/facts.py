"""From what the demuxer tells to keys, documents and events."""

from pathlib import Path

from cinelog_common.contract import keys
from cinelog_common.contract.commands import FetchSource
from cinelog_common.contract.events import (
    SegmentReady,
    SourceProbed,
    TrackEnded,
    TrackOpened,
    TrackSegmentReady,
)
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_common.contract.values import Chapter, Subtitle, Track, Value

from cinelog_download.domain.bounds import bounded
from cinelog_download.domain.demuxing import (
    DemuxOrder,
    FragmentCut,
    InputFile,
    Limits,
    Probed,
    TextFound,
    TrackBegun,
    TrackDone,
    UnitCut,
)

_LONGEST_TITLE = 200


class Background(Value, frozen=True, kw_only=True):
    """What is known of the source beside its bytes."""

    fingerprint: str
    title: str = ""
    by_page: bool = False
    """Whether a page gave the title; otherwise it is but the name of a file."""
    size_bytes: int | None = None
    inputs: int = 1
    duration_s: float | None = None
    tags: dict[str, str] = {}
    chapters: tuple[Chapter, ...] = ()
    cover_key: str = ""
    warnings: tuple[str, ...] = ()


def order_for(
    command: FetchSource, inputs: tuple[InputFile, ...], folder: Path, limits: Limits
) -> DemuxOrder:
    """Return the demuxer's order."""
    return DemuxOrder(
        job=command.job,
        run=command.run,
        inputs=inputs,
        audio=command.audio,
        folder=str(folder),
        video=command.video,
        segment_s=command.segment_s,
        max_segment_s=command.max_segment_s,
        regenerate=command.regenerate,
        holds=command.holds,
        salvage=command.salvage,
        subtitles=command.subtitles,
        limits=limits,
    )


def source_probed(command: FetchSource, probed: Probed, background: Background) -> SourceProbed:
    """Return the event; what the page said fills in what the container does not."""
    event = SourceProbed(
        job=command.job,
        run=command.run,
        fingerprint=background.fingerprint,
        container=probed.container,
        title=command.title or _title(probed, background),
        duration_s=probed.duration_s or background.duration_s,
        size_bytes=background.size_bytes,
        inputs=background.inputs,
        video=probed.video,
        audio=probed.audio,
        tags={**background.tags, **probed.tags},
        chapters=probed.chapters or background.chapters,
        cover_key=background.cover_key,
        warnings=background.warnings + probed.warnings,
    )
    return bounded(event)


def _title(probed: Probed, background: Background) -> str:
    """Pages name what they show, files are often called anything: there the container knows better."""
    said = next((value for name, value in probed.tags.items() if name.lower() == "title"), "")
    said = "".join(char for char in said if char.isprintable()).strip()[:_LONGEST_TITLE]
    return background.title if background.by_page and background.title else said or background.title


def bundle_key(command: FetchSource, unit: UnitCut) -> str:
    """Return where the unit's bundle is stored."""
    return keys.bundle(command.job, command.run, unit.n, unit.generation)


def segment_ready(command: FetchSource, unit: UnitCut, size_bytes: int) -> SegmentReady:
    """Return the event for a stored bundle."""
    return SegmentReady(
        job=command.job,
        run=command.run,
        n=unit.n,
        key=bundle_key(command, unit),
        start=unit.start,
        end=unit.end,
        frames=unit.frames,
        size_bytes=size_bytes,
        generation=unit.generation,
    )


def track_prefix(command: FetchSource, name: str) -> str:
    """Return the prefix of everything of one track."""
    return keys.encoded_prefix(command.job, command.run, command.audio.hash, name)


def track_opened(command: FetchSource, track: TrackBegun) -> TrackOpened:
    """Return the event for a stored init segment; its `track.init_key` says where that belongs."""
    init_key = keys.init(
        command.job, command.run, recipe=command.audio.hash, name=track.name, init_hash=track.init_hash
    )
    return TrackOpened(
        job=command.job,
        run=command.run,
        track=Track(
            name=track.name,
            kind=track.kind,
            codec=track.codec,
            recipe=command.audio.hash,
            init_key=init_key,
            timescale=track.timescale,
            language=track.language,
            title=track.title,
            channels=track.channels,
            sample_rate=track.sample_rate,
            bitrate_bps=track.bitrate_bps,
            width=track.width,
            height=track.height,
            frame_rate=track.frame_rate,
            time_base=track.time_base,
        ),
    )


def fragment_key(command: FetchSource, fragment: FragmentCut) -> str:
    """Return where the fragment is stored."""
    return keys.segment(track_prefix(command, fragment.track), fragment.n)


def fragment_sidecar(command: FetchSource, fragment: FragmentCut, opened: TrackOpened) -> Sidecar:
    """Return the document beside the fragment."""
    part = SegmentPart(
        key=fragment_key(command, fragment),
        start=fragment.start,
        end=fragment.end,
        frames=fragment.frames,
        size_bytes=fragment.size_bytes,
        checksum=fragment.checksum,
    )
    init_key = opened.track.init_key
    return Sidecar(
        n=fragment.n,
        generation=0,
        init_hash=init_key.rpartition("init-")[2].removesuffix(".mp4"),
        init_key=init_key,
        timescale=opened.track.timescale,
        parts=(part,),
    )


def fragment_ready(command: FetchSource, fragment: FragmentCut, sidecar: Sidecar) -> TrackSegmentReady:
    """Return the event for a stored fragment, of which `sidecar` tells."""
    [part] = sidecar.parts
    return TrackSegmentReady(
        job=command.job,
        run=command.run,
        track=fragment.track,
        recipe=command.audio.hash,
        n=fragment.n,
        key=part.key,
        start=part.start,
        end=part.end,
        size_bytes=part.size_bytes,
    )


def track_ended(command: FetchSource, done: TrackDone) -> TrackEnded:
    """Return the event for a complete track."""
    return TrackEnded(
        job=command.job,
        run=command.run,
        track=done.track,
        recipe=command.audio.hash,
        segments=done.segments,
        end=done.end,
        loudness=done.loudness,
    )


def subtitle(command: FetchSource, text: TextFound, number: int, digest: str) -> Subtitle:
    """Return what is told of a cue sheet that is stored under its `key`."""
    name = f"s{number}"
    return Subtitle(
        name=name,
        key=keys.cue_sheet(command.job, command.run, name=name, digest=digest),
        language=text.language,
        title=text.title,
        default=text.default,
        forced=text.forced,
        hearing_impaired=text.hearing_impaired,
        cues=text.cues,
    )
