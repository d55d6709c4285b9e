"""How subtitles are presented beside the picture: renditions, segments and their names. Pure."""

import math
from collections.abc import Sequence
from fractions import Fraction

from cinelog_common.cmaf.playlists import MediaPlaylist, MediaSegment, MultivariantPlaylist, TextRendition
from cinelog_common.contract.sidecars import Cue
from cinelog_common.contract.values import Subtitle, Value
from cinelog_common.languages import language_tag
from msgspec.structs import replace

TEXT_GROUP = "text"
SEGMENT_S = 60
"""Text is small: RFC 8216, 6.2.4 lets finished subtitles have longer segments than the picture."""


class Caption(Value, frozen=True, kw_only=True):
    """One subtitle track with what of its cues is seen."""

    subtitle: Subtitle
    cues: tuple[Cue, ...]


def segment_count(film_s: Fraction) -> int:
    """Return how many segments the text of a film has."""
    return max(1, math.ceil(film_s / SEGMENT_S))


def segment_name(subtitle: Subtitle, number: int) -> str:
    """Return the name of one segment, as seen from the playlist."""
    return f"{subtitle.name}/{number:06d}.vtt"


def text_playlist(subtitle: Subtitle, film_s: Fraction) -> MediaPlaylist:
    """Return the playlist of one track: as long as the film, whatever its cues."""
    count = segment_count(film_s)
    lengths = [Fraction(SEGMENT_S)] * (count - 1) + [film_s - SEGMENT_S * (count - 1)]
    segments = [
        MediaSegment(uri=segment_name(subtitle, number), duration=length)
        for number, length in enumerate(lengths)
    ]
    # RFC 8216, 4.3.3.1: rounded to the nearest integer.
    target = max(1, math.floor(max(lengths) + Fraction(1, 2)))
    return MediaPlaylist(target_duration=target, segments=segments, ended=True, vod=True)


def captioned(master: MultivariantPlaylist, captions: Sequence[Caption]) -> MultivariantPlaylist:
    """Return `master` with the subtitles beside every variant."""
    if not captions:
        return master
    return replace(
        master,
        variants=[replace(variant, text_group=TEXT_GROUP) for variant in master.variants],
        texts=renditions([caption.subtitle for caption in captions]),
    )


def renditions(subtitles: Sequence[Subtitle]) -> list[TextRendition]:
    """Return what the playlist of playlists says of each track."""
    names: list[str] = []
    for at, subtitle in enumerate(subtitles):
        name = _called(subtitle, at)
        # RFC 8216, 4.3.4.1.1: no two of a group are called the same.
        names.append(name if name not in names else f"{name} {at + 1}")
    shown = next((at for at, one in enumerate(subtitles) if one.default), None)
    return [
        TextRendition(
            group=TEXT_GROUP,
            name=name,
            uri=f"{subtitle.name}.m3u8",
            language=language_tag(subtitle.language),
            default=at == shown,
            forced=subtitle.forced,
            described=subtitle.hearing_impaired,
        )
        for at, (subtitle, name) in enumerate(zip(subtitles, names, strict=True))
    ]


def _called(subtitle: Subtitle, at: int) -> str:
    title = "".join(char for char in subtitle.title if char.isprintable() and char != '"').strip()
    return title or (subtitle.language if subtitle.language != "und" else f"Subtitles {at + 1}")
