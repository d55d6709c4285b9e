"""How the pieces of a run are presented: playlists of renditions and tracks, live and finished. Pure.

What a player relies on is frozen before the first segment: target duration, codecs and bandwidth
come from the recipe, never from what was encoded so far. Only the bandwidth of a passed-through
picture, which nobody can know, is raised where the picture has taken more than was promised.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from cinelog_common.cmaf.playlists import (
    AudioRendition,
    MediaPlaylist,
    MediaSegment,
    MultivariantPlaylist,
    Variant,
    average_bit_rate,
    peak_bit_rate,
)
from cinelog_common.contract import keys
from cinelog_common.contract.commands import Extent
from cinelog_common.contract.sidecars import SegmentPart, Sidecar
from cinelog_common.contract.values import Recipe, Rendition, Track, Value
from cinelog_common.languages import language_tag

AUDIO_GROUP = "sound"
MASTER = "master.m3u8"

_RANGES = {16: "PQ", 18: "HLG"}
_BT709 = 1
"""Transfer characteristics of ITU-T H.273."""
_SHORT_UNITS = 4
"""In half a target duration: a quarter, a half and a quarter of a wanted length, and the rest of the film."""
_COPIED_PICTURE_BPS = 20_000_000
"""Promised for a passed-through picture whose source does not say its bitrate."""
_COPIED_PICTURE_BURST = 16
"""Promised for one whose source does: times its average. Black with 4 s of noise in 44 s takes 11 times."""
_STEADY_S = Fraction(1, 2)
"""A segment this long has a frame rate; the length of a last frame alone is often made up."""


class Strand(Value, frozen=True, kw_only=True):
    """One rendition or track of a run: where its pieces lie."""

    name: str
    recipe: str
    kind: str
    rendition: Rendition | None = None
    track: Track | None = None

    def prefix(self, job: str, run: int) -> str:
        """Return where its objects lie."""
        return keys.encoded_prefix(job, run, self.recipe, self.name)


class Piece(Value, frozen=True, kw_only=True):
    """One playlist segment, with the init segment it needs."""

    part: SegmentPart
    init_key: str
    init_hash: str
    timescale: int
    held: bool = False
    """It repeats the last frame: for players of segments only."""

    @property
    def duration(self) -> Fraction:
        """Seconds, exactly."""
        return Fraction(self.part.end - self.part.start, self.timescale)

    @property
    def start(self) -> Fraction:
        """When it begins, in seconds from the film's zero."""
        return Fraction(self.part.start, self.timescale)

    @property
    def end(self) -> Fraction:
        """When it ends, in seconds from the film's zero."""
        return Fraction(self.part.end, self.timescale)


def strands(recipe: Recipe | None, tracks: Sequence[Track]) -> tuple[Strand, ...]:
    """Return the renditions, largest first, then the tracks."""
    renditions = recipe.renditions if recipe else ()
    return (
        *(
            Strand(name=rendition.name, recipe=recipe.hash, kind="video", rendition=rendition)
            for rendition in renditions
            if recipe is not None
        ),
        *(Strand(name=track.name, recipe=track.recipe, kind=track.kind, track=track) for track in tracks),
    )


def sidecar_keys(strand: Strand, extent: Extent, job: str, run: int) -> list[str]:
    """Return the keys of the sidecars that describe `strand` as far as `extent` reaches, in order."""
    prefix = strand.prefix(job, run)
    if strand.track is not None:
        return [keys.sidecar(prefix, n) for n in range(extent.tracks.get(strand.name, 0))]
    absent = frozenset(extent.absent)
    prefixes = {
        int(first): keys.encoded_prefix(job, run, recipe, strand.name)
        for first, recipe in extent.recipes.items()
    }
    found = []
    for n in range(extent.units):
        prefix = prefixes.get(n, prefix)
        if n not in absent:
            found.append(keys.sidecar(prefix, n, extent.generations.get(str(n), 0)))
    return found


def pieces_of(sidecars: Sequence[Sidecar]) -> list[Piece]:
    """Return the playlist segments of `sidecars`, in order."""
    return [
        Piece(
            part=part,
            init_key=sidecar.init_key,
            init_hash=sidecar.init_hash,
            timescale=sidecar.timescale,
            held=sidecar.held,
        )
        for sidecar in sidecars
        for part in sidecar.parts
    ]


def target_duration(max_segment_s: float, pieces: Mapping[str, Sequence[Piece]], *, final: bool) -> int:
    """Return the target duration, in seconds: frozen while growing, exact when finished."""
    longest = max((piece.duration for strand in pieces.values() for piece in strand), default=Fraction(1))
    rounded = math.floor(longest + Fraction(1, 2))  # RFC 8216, 4.3.3.1: rounded to the nearest integer
    return max(1, rounded) if final else max(math.ceil(max_segment_s), 1)


def media_playlist(
    pieces: Sequence[Piece],
    *,
    base: str,
    target: int,
    ended: bool,
    vod: bool = False,
) -> MediaPlaylist:
    """Return the playlist of `pieces` for a playlist that lies below `base`."""
    return MediaPlaylist(
        target_duration=target,
        segments=[
            MediaSegment(
                uri=relative(piece.part.key, base),
                duration=piece.duration,
                init=relative(piece.init_key, base),
            )
            for piece in pieces
        ],
        ended=ended,
        vod=vod,
    )


def relative(key: str, base: str) -> str:
    """Return the URI of object `key` as seen from a playlist below `base`."""
    key_parts, base_parts = key.split("/"), base.rstrip("/").split("/")
    common = 0
    while common < min(len(key_parts), len(base_parts)) and key_parts[common] == base_parts[common]:
        common += 1
    return "/".join([".."] * (len(base_parts) - common) + key_parts[common:])


def present(tracks: Sequence[Track], codecs: Mapping[str, str]) -> tuple[Track, ...]:
    """Return the tracks that have begun: players take an empty playlist for a broken one."""
    return tuple(track for track in tracks if track.name in codecs)


def shown_recipe(recipe: Recipe | None, codecs: Mapping[str, str]) -> Recipe | None:
    """Return `recipe` if its picture has begun: a source without one has none to list."""
    if recipe is None or any(rendition.name not in codecs for rendition in recipe.renditions):
        return None
    return recipe


def multivariant(
    recipe: Recipe | None,
    tracks: Sequence[Track],
    pieces: Mapping[str, Sequence[Piece]],
    *,
    codecs: Mapping[str, str],
    final: bool = False,
) -> MultivariantPlaylist:
    """Return the playlist of playlists.

    Args:
        recipe: How the picture is encoded, if it is.
        tracks: Sound, and a passed-through picture.
        pieces: The segments of each strand.
        codecs: By strand: the codec as RFC 6381 spells it.
        final: Bandwidths and frame rates are measured; else they are what is promised: for what is
            encoded the recipe's caps, which hold, for what is passed through a guess (`_track_bps`).
    """
    shown = pieces if final else {}
    sound = [track for track in tracks if track.kind == "audio"]
    sound_bps = max((_track_bps(track, pieces, final=final) for track in sound), default=0)
    sound_codecs = [codecs[track.name] for track in sound]
    group = AUDIO_GROUP if sound else ""
    variants = [
        Variant(
            uri=f"{rendition.name}.m3u8",
            bandwidth=_rendition_bps(recipe, rendition, pieces, final=final) + sound_bps,
            average_bandwidth=_average(pieces.get(rendition.name, ()), sound_bps) if final else 0,
            codecs=[codecs[rendition.name], *sound_codecs],
            width=_shown(recipe, rendition)[0],
            height=_shown(recipe, rendition)[1],
            frame_rate=_highest(recipe.frame_rate, shown.get(rendition.name, ())),
            audio_group=group,
            video_range=_range(recipe),
        )
        for rendition in (recipe.renditions if recipe else ())
        if recipe is not None
    ]
    variants += [
        Variant(
            uri=f"{track.name}.m3u8",
            bandwidth=_track_bps(track, pieces, final=final) + sound_bps,
            codecs=[codecs[track.name], *sound_codecs],
            width=track.width,
            height=track.height,
            frame_rate=_highest(track.frame_rate, shown.get(track.name, ())),
            audio_group=group,
        )
        for track in tracks
        if track.kind == "video"
    ]
    if not variants and sound:
        first = sound[0]
        return MultivariantPlaylist(
            variants=[
                Variant(uri=f"{first.name}.m3u8", bandwidth=max(1, sound_bps), codecs=[codecs[first.name]])
            ]
        )
    return MultivariantPlaylist(variants=variants, audio=[_audio(track, sound) for track in sound])


def _highest(said: tuple[int, int], pieces: Sequence[Piece]) -> Fraction:
    """Return the highest frame rate (RFC 8216, 4.3.4.2), where the source's own is an average.

    A segment's length is a tick too short at most: what that explains is no other rate.
    """
    usual = Fraction(*said) if said[1] else Fraction(0)
    rates = [
        piece.part.frames / piece.duration
        for piece in pieces
        if piece.duration >= _STEADY_S
        and Fraction(piece.part.frames * piece.timescale, piece.part.end - piece.part.start + 1) > usual
    ]
    return max(rates, default=usual)


def _shown(recipe: Recipe | None, rendition: Rendition) -> tuple[int, int]:
    turned = recipe is not None and recipe.rotation % 180 == 90
    return (rendition.height, rendition.width) if turned else (rendition.width, rendition.height)


def transfer_of(recipe: Recipe) -> int:
    """Return the transfer characteristics of what is encoded: a high range in eight bits is brought down."""
    if recipe.color_transfer in _RANGES and "10" not in recipe.pixel_format:
        return _BT709
    return recipe.color_transfer


def _range(recipe: Recipe) -> str:
    return _RANGES.get(transfer_of(recipe), "SDR")


def _audio(track: Track, sound: Sequence[Track]) -> AudioRendition:
    index = sound.index(track)
    taken = [_called(other, at) for at, other in enumerate(sound[:index])]
    name = _called(track, index)
    return AudioRendition(
        group=AUDIO_GROUP,
        # RFC 8216 4.3.4.1.1: no two of a group are called the same.
        name=name if name not in taken else f"{name} {index + 1}",
        uri=f"{track.name}.m3u8",
        language=language_tag(track.language),
        channels=track.channels or 2,
        default=index == 0,
    )


def _called(track: Track, index: int) -> str:
    """Return what a player shows in its menu."""
    # A quoted string holds neither quotes nor line ends (RFC 8216 4.2).
    title = "".join(char for char in track.title if char.isprintable() and char != '"').strip()
    return title or (track.language if track.language not in {"", "und"} else f"Sound {index + 1}")


def _rendition_bps(
    recipe: Recipe, rendition: Rendition, pieces: Mapping[str, Sequence[Piece]], *, final: bool
) -> int:
    if final and pieces.get(rendition.name):
        return _measured(pieces[rendition.name])
    # Measured over half a target duration and more (RFC 8216, 4.1). Each unit in it may exceed the cap
    # by the encoder's buffer, and the planner never puts more units there than these.
    bursts = _SHORT_UNITS / (recipe.max_segment_s / 2)
    return math.ceil(1000 * (rendition.max_rate_k + rendition.buffer_k * bursts))


def _track_bps(track: Track, pieces: Mapping[str, Sequence[Piece]], *, final: bool) -> int:
    """Return what a track takes at its worst: measured when `final`, else a promise.

    Sound hardly varies. A passed-through picture may burst as its encoder liked: promised are many
    times its average, and at least the rate of each segment that is there. A later segment may still
    take more; but a promise that is too large costs nothing, since no other size is there to choose.
    """
    own = pieces.get(track.name, ())
    if final and own:
        return _measured(own)
    if track.kind == "video":
        return max(_COPIED_PICTURE_BURST * track.bitrate_bps or _COPIED_PICTURE_BPS, _fastest(own))
    return int(1.2 * track.bitrate_bps) or 640_000


def _fastest(pieces: Sequence[Piece]) -> int:
    """Return a bound of the peak that only grows with the film: no run is faster than its fastest segment."""
    # In whole numbers: this is asked again with every segment of a growing film.
    return max(
        (
            -(-piece.part.size_bytes * 8 * piece.timescale // (piece.part.end - piece.part.start))
            for piece in pieces
        ),
        default=0,
    )


def _measured(pieces: Sequence[Piece]) -> int:
    target = target_duration(1, {"": pieces}, final=True)
    return max(1, peak_bit_rate(_sizes(pieces), target))


def _average(pieces: Sequence[Piece], sound_bps: int) -> int:
    return average_bit_rate(_sizes(pieces)) + sound_bps if pieces else 0


def _sizes(pieces: Sequence[Piece]) -> list[tuple[int, Fraction]]:
    return [(piece.part.size_bytes, piece.duration) for piece in pieces]
