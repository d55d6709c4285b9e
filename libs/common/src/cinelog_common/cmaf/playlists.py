"""HLS playlists (RFC 8216) of CMAF segments: pure writers.

What a player may rely on is frozen before the first segment: the target duration, the codecs, the
bandwidth. A growing playlist only ever gets longer (6.2.1): the text of a shorter one is, but for
its last line, the beginning of the text of a longer one.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction

import msgspec

from cinelog_common.errors import Category, PermanentError

VERSION = 7
"""EXT-X-MAP in playlists of whole segments needs 6 (RFC 8216 7); 7 is what CMAF players expect."""
END = "#EXT-X-ENDLIST\n"
"""The last line of a playlist to which nothing will be added (RFC 8216, 4.3.3.4)."""
_DIGITS = 6
_DESCRIBED = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
"""RFC 8216, 4.3.4.1: what captions for the hard of hearing are to be marked with."""


class PlaylistError(PermanentError):
    """A playlist that would break a rule that players rely on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, category=Category.INTERNAL, action="Run the job again.")


class MediaSegment(msgspec.Struct, frozen=True, kw_only=True):
    """One segment as a playlist lists it.

    Attributes:
        duration: Seconds, exactly: ticks over timescale.
        init: URI of the init segment, empty for text; another one than before makes a discontinuity.
        discontinuity: Begin with one in any case. Where one rendition has a discontinuity, every
            other, sound included, needs one at the same segment (6.2.4): players count them to
            bring sound and pictures together.
    """

    uri: str
    duration: Fraction
    init: str = ""
    discontinuity: bool = False


class MediaPlaylist(msgspec.Struct, frozen=True, kw_only=True):
    """The segments of one rendition.

    Attributes:
        target_duration: Seconds; no segment may round to more. Equal in all renditions of a film.
        ended: No segment will follow.
        vod: The finished copy. A live address stays an EVENT to its end, since 6.2.1 allows only
            to append to it.
    """

    target_duration: int
    segments: Sequence[MediaSegment]
    ended: bool = False
    vod: bool = False


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One way to play the film: pictures, and the group of sounds that go with them.

    Attributes:
        bandwidth: Bits a second that no stretch of about one segment exceeds, sound included.
        average_bandwidth: Bits a second over the whole; 0 while it is unknown.
        codecs: Of pictures and sound, as `codec_string` names them.
        frame_rate: Highest rate of frames a second; 0 for sound alone.
        video_range: "SDR", "HLG" or "PQ".
    """

    uri: str
    bandwidth: int
    average_bandwidth: int = 0
    codecs: Sequence[str] = ()
    width: int = 0
    height: int = 0
    frame_rate: Fraction = Fraction(0)
    audio_group: str = ""
    text_group: str = ""
    video_range: str = "SDR"


class AudioRendition(msgspec.Struct, frozen=True, kw_only=True):
    """One sound track of a group.

    Attributes:
        language: RFC 5646; empty where unknown.
        uri: Empty if the sound lies in the variants' own segments.
    """

    group: str
    name: str
    uri: str = ""
    language: str = ""
    channels: int = 2
    default: bool = False


class TextRendition(msgspec.Struct, frozen=True, kw_only=True):
    """One subtitle track of a group.

    Attributes:
        language: RFC 5646; empty where unknown.
        default: Shown unasked; one of a group at most.
        forced: Only translates what would not be understood otherwise.
        described: Tells what is heard, for who cannot hear it.
    """

    group: str
    name: str
    uri: str
    language: str = ""
    default: bool = False
    forced: bool = False
    described: bool = False


class MultivariantPlaylist(msgspec.Struct, frozen=True, kw_only=True):
    """All ways to play one film; the first variant is the one that players begin with."""

    variants: Sequence[Variant]
    audio: Sequence[AudioRendition] = ()
    texts: Sequence[TextRendition] = ()


def write_media_playlist(playlist: MediaPlaylist) -> str:
    """The text of a media playlist (4.3.3).

    Raises:
        PlaylistError: A segment that is longer than the target duration allows (4.3.3.1), without
            duration, or with a URI that cannot stand in a line.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{playlist.target_duration}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if playlist.vod else 'EVENT'}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if playlist.vod and not playlist.ended:
        raise PlaylistError("A finished playlist must say that it has ended.")
    durations = printed_durations(segment.duration for segment in playlist.segments)
    init = ""
    for segment, duration in zip(playlist.segments, durations, strict=True):
        _check_segment(segment, playlist.target_duration)
        # 4.3.2.3: other encoding parameters are a discontinuity; the tag stands before the map.
        if segment.discontinuity or init not in {"", segment.init}:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init != init:
            lines.append(f"#EXT-X-MAP:URI={_quoted(segment.init)}")
            init = segment.init
        lines += [f"#EXTINF:{duration},", _line(segment.uri)]
    text = "\n".join(lines) + "\n"
    return text + END if playlist.ended else text


def closed(text: str) -> str:
    """The text of a media playlist with its end: nothing follows what it lists. Others stay as they are."""
    if not text.endswith("\n") or text.endswith(END) or "\n#EXT-X-TARGETDURATION:" not in text:
        return text
    return text + END


def printed_durations(durations: Iterable[Fraction]) -> list[str]:
    """Each as a decimal of six digits, so that all of them add up to the rounded whole.

    Rounding each for itself would drift by up to half a microsecond a segment; and what is printed
    once never changes when the list grows.
    """
    printed, total, before = [], Fraction(0), 0
    for duration in durations:
        total += duration
        now = round(total * 10**_DIGITS)
        printed.append(f"{(now - before) // 10**_DIGITS}.{(now - before) % 10**_DIGITS:0{_DIGITS}d}")
        before = now
    return printed


def _check_segment(segment: MediaSegment, target: int) -> None:
    if segment.duration <= 0:
        raise PlaylistError(f"The segment {segment.uri} lasts {segment.duration} s.")
    # 4.3.3.1: the duration rounded to the nearest integer must not exceed the target; half rounds up.
    if segment.duration + Fraction(1, 2) >= target + 1:
        raise PlaylistError(
            f"The segment {segment.uri} lasts {float(segment.duration):.3f} s, announced are {target} s."
        )


def write_multivariant_playlist(playlist: MultivariantPlaylist) -> str:
    """The text of a multivariant ("master") playlist (4.3.4).

    Raises:
        PlaylistError: No variant, one without bandwidth, or one whose sound group does not exist.
    """
    groups = {"", *(rendition.group for rendition in playlist.audio)}
    text_groups = {"", *(rendition.group for rendition in playlist.texts)}
    if not playlist.variants:
        raise PlaylistError("There is nothing to play.")
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{VERSION}", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [_audio_line(rendition) for rendition in playlist.audio]
    lines += [_text_line(rendition) for rendition in playlist.texts]
    for variant in playlist.variants:
        if variant.bandwidth <= 0 or variant.audio_group not in groups:
            raise PlaylistError(f"The variant {variant.uri} lacks its bandwidth or its sound.")
        if variant.text_group not in text_groups:
            raise PlaylistError(f"The variant {variant.uri} lacks its subtitles.")
        lines += [_variant_line(variant), _line(variant.uri)]
    return "\n".join(lines) + "\n"


def _audio_line(rendition: AudioRendition) -> str:
    attributes = ["TYPE=AUDIO", f"GROUP-ID={_quoted(rendition.group)}", f"NAME={_quoted(rendition.name)}"]
    if rendition.language:
        attributes.append(f"LANGUAGE={_quoted(rendition.language)}")
    # 4.3.4.1: DEFAULT=YES requires AUTOSELECT=YES.
    attributes += [f"DEFAULT={'YES' if rendition.default else 'NO'}", "AUTOSELECT=YES"]
    attributes.append(f'CHANNELS="{rendition.channels}"')
    if rendition.uri:
        attributes.append(f"URI={_quoted(rendition.uri)}")
    return "#EXT-X-MEDIA:" + ",".join(attributes)


def _text_line(rendition: TextRendition) -> str:
    attributes = ["TYPE=SUBTITLES", f"GROUP-ID={_quoted(rendition.group)}", f"NAME={_quoted(rendition.name)}"]
    if rendition.language:
        attributes.append(f"LANGUAGE={_quoted(rendition.language)}")
    attributes += [f"DEFAULT={'YES' if rendition.default else 'NO'}", "AUTOSELECT=YES"]
    attributes.append(f"FORCED={'YES' if rendition.forced else 'NO'}")
    if rendition.described:
        attributes.append(f"CHARACTERISTICS={_quoted(_DESCRIBED)}")
    attributes.append(f"URI={_quoted(rendition.uri)}")
    return "#EXT-X-MEDIA:" + ",".join(attributes)


def _variant_line(variant: Variant) -> str:
    attributes = [f"BANDWIDTH={variant.bandwidth}"]
    if variant.average_bandwidth:
        attributes.append(f"AVERAGE-BANDWIDTH={variant.average_bandwidth}")
    if variant.codecs:
        attributes.append(f"CODECS={_quoted(','.join(dict.fromkeys(variant.codecs)))}")
    if variant.width:
        attributes.append(f"RESOLUTION={variant.width}x{variant.height}")
    if variant.frame_rate:
        attributes.append(f"FRAME-RATE={float(variant.frame_rate):.3f}")
    if variant.video_range != "SDR":
        attributes.append(f"VIDEO-RANGE={variant.video_range}")
    if variant.audio_group:
        attributes.append(f"AUDIO={_quoted(variant.audio_group)}")
    if variant.text_group:
        attributes.append(f"SUBTITLES={_quoted(variant.text_group)}")
    return "#EXT-X-STREAM-INF:" + ",".join(attributes)


def _quoted(text: str) -> str:
    """A quoted-string (4.2), which cannot hold quotes or line ends: titles lose theirs."""
    return '"' + text.replace('"', "'").replace("\r", " ").replace("\n", " ") + '"'


def _line(uri: str) -> str:
    if not uri or uri.startswith("#") or not uri.isprintable():
        raise PlaylistError(f"{uri!r} cannot stand in a playlist.")
    return uri


def peak_bit_rate(segments: Sequence[tuple[int, Fraction]], target_duration: int) -> int:
    """The peak segment bit rate (4.1) of (bytes, seconds), rounded up: bits a second.

    The largest rate of any contiguous segments that together last between half and one and a half
    target durations. The standard forgets a segment that is in no such run, such as a short last one
    after a long one: what it takes has to come through all the same, so it counts by itself. So the
    peak is never below the average; of one short film it is the rate of its fastest segment.
    """
    best, counted = Fraction(0), 0
    for first, (own_bytes, own) in enumerate(segments):
        size, length = 0, Fraction(0)
        for last in range(first, len(segments)):
            size, length = size + segments[last][0], length + segments[last][1]
            if length * 2 > target_duration * 3:
                break
            if length * 2 >= target_duration:
                best, counted = max(best, Fraction(size * 8) / length), max(counted, last + 1)
        if counted <= first and own:
            best = max(best, Fraction(own_bytes * 8) / own)
    return max(-int(-best // 1), average_bit_rate(segments))


def average_bit_rate(segments: Sequence[tuple[int, Fraction]]) -> int:
    """The average segment bit rate (4.1) of (bytes, seconds), rounded up: bits a second."""
    length = sum((duration for _, duration in segments), Fraction(0))
    return -int(-Fraction(sum(size for size, _ in segments) * 8) / length // 1) if length else 0
